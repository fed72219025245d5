/**
 * Runs a plan: lock, stage everywhere, barrier, then wave by wave switch and gate, then mark, prune, unlock. On failure everything
 * that became visible is taken back. Release, rollback and resume are plans for this one program.
 *
 * Before the first switch a failure leaves `current` untouched everywhere (exit 5). After it every switched host is put back and
 * gated again (exit 6), or it is said which one could not be (exit 7). Once all hosts passed their gate nothing is undone.
 * As many hosts as may fail by themselves are no failure of the run: they are left out or put back alone, and are behind then.
 */
import { ShipError, type Reason } from '../errors.ts'
import type { HostOutcome } from '../events.ts'
import { allOrThrow } from '../fleet/results.ts'
import { mayGoOn, type Behind } from './allowance.ts'
import { atHosts, rechosen } from './at-hosts.ts'
import { localHooks, tolerantLocalHooks } from './local-hooks.ts'
import { currentTarget, liveRecord, observedDigest, runningNow } from './observe.ts'
import { onAll } from './on-all.ts'
import { afterFailure, afterLoss } from './on-failure.ts'
import { GO_ON, asShipError, outcome, outcomeBehind } from './outcome.ts'
import { doing, newOwner } from './owner.ts'
import type { Plan } from './plan.ts'
import type { PutBack } from './put-back.ts'
import { type At, type Run, type Step } from './step.ts'
import { beforeStage, beforeSwitch } from './steps/hooks.ts'
import { lockFleet, unlockFleet, type Locked } from './steps/lock.ts'
import { afterVerify, forget, mark, prune } from './steps/mark.ts'
import { stage } from './steps/stage.ts'
import { lostAt, OF_A_WAVE, switchOver, without, type Lost } from './switch-over.ts'

/** On every host; the next one starts when all hosts are through. Nothing here is visible to the app's users. */
const BEFORE_ANY_SWITCH: readonly Step[] = [beforeStage, stage, beforeSwitch]
/** When every wave is healthy and that is recorded. These never fail a run, nor does the recording. */
const WHEN_VERIFIED: readonly Step[] = [afterVerify, forget, prune]
/** Names of all steps in order, for tests that kill a run at each of them. */
export const STEP_NAMES: readonly string[] = [
  'connect',
  'probe',
  'lock',
  ...[...BEFORE_ANY_SWITCH, ...OF_A_WAVE, mark({ unlock: false }), ...WHEN_VERIFIED].map((s) => s.name),
]

export interface RunReport {
  readonly plan: Plan
  readonly hosts: readonly HostOutcome[]
  /** Hosts that the run went on without, as many as may be missing or fail. Empty when the run failed. */
  readonly behind: readonly Behind[]
  /** Set when the run failed after it was planned; its reason says what state the fleet is in. */
  readonly error?: ShipError
  readonly durationMs: number
}

/** Runs a plan. Rejects only before anything was changed; afterwards the report tells what every host runs and what went wrong. */
export async function transact(run: Run): Promise<RunReport> {
  const started = performance.now()
  const { plan, fleet, io } = run
  const report = (end: End): RunReport => reportOf(plan, end, Math.round(performance.now() - started))
  warnOfBehind(run)
  const busy = plan.hosts.filter((p) => p.action !== 'none' || p.lock !== undefined)
  if (busy.length === 0) return report({ ats: [], lost: [] })
  // A host that cannot take part may not even have room for a lock.
  const hosts = fleet.hosts.filter((host) => plan.hosts.some((p) => p.host === host.name))
  const held = await lockFleet(fleet, hosts, newOwner(doing(plan.kind, plan.target), io), io, run.copies)
  try {
    refuseDrift(plan, held)
    const all = await atHosts(run, held)
    const staged = await prepare(all, plan)
    const end = staged.error ? staged : await switchFrom(staged, plan)
    if (end.error) {
      await afterFailure(all, end.error, end.results ?? new Map())
      return report(end)
    }
    await afterLoss(end.lost, end.results ?? new Map())
    // Healthy everywhere: what is left is bookkeeping, and an interruption now must not leave it half done.
    const patient = (await rechosen(end.ats)).map((at) => ({
      ...at,
      signal: AbortSignal.any([at.lease.signal, AbortSignal.timeout(600_000)]),
    }))
    // A rollback of several hosts that is killed is continued by a lock that is left: without it the same command would go one release further back.
    const unlock = (plan.kind === 'release' || patient.length === 1) && !patient.some(hasMore)
    for (const step of [mark({ unlock }), ...WHEN_VERIFIED]) {
      allOrThrow(await onAll(patient, step))
      if (step === afterVerify) await tolerantLocalHooks(patient, 'afterVerify', plan.kind)
    }
    return report(end)
  } finally {
    await unlockFleet(fleet, held, io)
  }
}

/** Whether there is something to do on a host, or for all of them, once its release is recorded as verified. */
function hasMore(at: At): boolean {
  return at.hooks.local('afterVerify').length > 0 || WHEN_VERIFIED.some((step) => step.skip?.(at) === undefined)
}

/** How a run ended: the hosts that run the release now, those that were put back, and those that it went on without. */
interface End {
  readonly ats: readonly At[]
  readonly results?: ReadonlyMap<string, PutBack>
  readonly lost: readonly Lost[]
  readonly error?: ShipError | undefined
}

function reportOf(plan: Plan, { results, lost, error }: End, durationMs: number): RunReport {
  const how = { durationMs, failed: error !== undefined }
  const hosts = [
    ...plan.hosts.map((p) => {
      const why = lost.find(({ at }) => at.host.name === p.host)?.error.message
      const found = outcome(p, plan, results?.get(p.host), how)
      return why === undefined ? found : { ...found, note: found.note ?? why }
    }),
    ...plan.behind.map(outcomeBehind),
  ].toSorted((a, b) => (a.host < b.host ? -1 : 1))
  const fell = lost.map(({ at, error: why }): Behind => {
    return { host: at.host.name, kind: 'failed', why: why.message, runs: runningNow(at.state) }
  })
  const behind = error ? [] : [...plan.behind, ...fell]
  return { plan, hosts, behind, durationMs, ...(error ? { error } : {}) }
}

/** The waves, on the hosts that are staged. */
async function switchFrom(staged: End, plan: Plan): Promise<End> {
  const end = await switchOver(staged.ats, plan, failedBefore(plan) + staged.lost.length)
  const results = new Map([...notSwitched(staged.lost), ...end.results])
  return { ...end, results, lost: [...staged.lost, ...end.lost] }
}

function failedBefore(plan: Plan): number {
  return plan.behind.filter(({ kind }) => kind === 'failed').length
}

function notSwitched(lost: readonly Lost[]): [string, PutBack][] {
  return lost.map(({ at }) => [at.host.name, { outcome: 'not-switched', after: runningNow(at.state) }])
}

/** Hosts that are left out are said before anything is done, not after. */
function warnOfBehind({ plan, environment, io }: Run): void {
  for (const { host, kind, why } of plan.behind) {
    const [of, most] =
      kind === 'unreachable' ? ['be missing', plan.allowances.unreachable] : ['fail', plan.allowances.failed]
    const message = `is left out and stays behind: ${why} (${most} of ${environment.hosts.length} may ${of})`
    const next = [`when it is well again: ship release --catch-up -e ${environment.name}`]
    io.emit({ event: 'warning', host, message, next })
  }
}

/**
 * Steps before the barrier. Resolves with the hosts that are ready and those that could not be staged, or with what went wrong;
 * `current` is untouched everywhere then.
 */
async function prepare(all: readonly At[], plan: Plan): Promise<End> {
  try {
    await localHooks(all, beforeStage.name)
    allOrThrow(await onAll(all, beforeStage))
    const lost = await stageAll(all, plan)
    const ats = lost.length > 0 ? await rechosen(without(all, lost)) : all
    await localHooks(ats, beforeSwitch.name)
    // A host's hook may be what the others rely on, so none may fail.
    allOrThrow(await onAll(ats, beforeSwitch))
    return { ats, lost }
  } catch (error) {
    const kept: readonly Reason[] = ['refused', 'locked', 'sigint', 'sigterm']
    const known = asShipError(error)
    const state = '"current" is untouched on every host'
    const reason = kept.includes(known.reason) ? known.reason : 'not-switched'
    const next = reason === 'not-switched' ? [GO_ON] : []
    return { ats: [], lost: [], error: known.as(reason, { state, next }) }
  }
}

/** Resolves with the hosts that could not be staged, when the run may go on without them. */
async function stageAll(all: readonly At[], plan: Plan): Promise<Lost[]> {
  const results = await onAll(all, stage)
  const failures = results.flatMap((r) => (r.ok ? [] : [{ host: r.host.name, error: r.error }]))
  if (failures.length === 0) return []
  const busy = plan.hosts.filter((p) => p.action !== 'none').length
  const counts = { spent: failedBefore(plan), left: busy - failures.length }
  if (!mayGoOn(plan, failures, counts)) allOrThrow(results)
  return failures.flatMap(({ host, error }) => {
    const at = all.find((one) => one.host.name === host)
    return at ? [lostAt(at, asShipError(error))] : []
  })
}

/** The plan is the run: what it was made from must still be so under the lock. */
function refuseDrift(plan: Plan, held: readonly Locked[]): void {
  const observed = held.map(({ host, state }) => ({ host: host.name, state }))
  if (observedDigest(observed) === plan.observed) return
  const moved = held.filter(
    ({ host, state }) => plan.hosts.find((p) => p.host === host.name)?.from !== currentTarget(state.current),
  )
  throw new ShipError('refused', 'the hosts changed since the plan was made', {
    state: 'nothing was changed on any host',
    details: moved.map(
      ({ host, state }) =>
        `${host.name} runs ${liveRecord(state)?.version ?? currentTarget(state.current) ?? 'nothing'} now`,
    ),
    next: ['run the same command again: it makes a new plan'],
  })
}

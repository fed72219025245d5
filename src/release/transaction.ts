/**
 * Runs a plan: lock, stage everywhere, barrier, then wave by wave switch and gate, then mark, prune, unlock. On failure everything
 * that became visible is taken back. Release, rollback and resume are plans for this one program.
 *
 * Before the first switch a failure leaves `current` untouched everywhere (exit 5). After it every switched host is put back and
 * gated again (exit 6), or it is said which one could not be (exit 7). Once all hosts passed their gate nothing is undone.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ShipError, throwIfAborted, type Reason } from '../errors.ts'
import type { HostOutcome } from '../events.ts'
import { forHosts, stepOnHosts } from '../fleet/fleet.ts'
import { inStep } from '../io.ts'
import { allOrThrow } from '../fleet/results.ts'
import type { ReleaseRecord } from '../host/session.ts'
import { currentTarget, liveRecord, observedDigest } from './observe.ts'
import { afterUndo, asShipError, outcome } from './outcome.ts'
import { doing, newOwner } from './owner.ts'
import type { HostPlan, Plan } from './plan.ts'
import { putBack, type PutBack } from './put-back.ts'
import { type At, type Run, type Step } from './step.ts'
import { gate, gatesAt } from './steps/gate.ts'
import { afterSwitch, beforeStage, beforeSwitch } from './steps/hooks.ts'
import { lockFleet, unlockFleet, type Locked } from './steps/lock.ts'
import { afterVerify, mark, prune } from './steps/mark.ts'
import { stage } from './steps/stage.ts'
import { switchStep } from './steps/switch.ts'

/** On every host; the next one starts when all hosts are through. Nothing here is visible to the app's users. */
const BEFORE_ANY_SWITCH: readonly Step[] = [beforeStage, stage, beforeSwitch]
/** Wave by wave. */
const OF_A_WAVE: readonly Step[] = [switchStep, afterSwitch, gate]
/** When every wave is healthy. These never fail a run. */
const WHEN_HEALTHY: readonly Step[] = [mark, afterVerify, prune]
/** Names of all steps in order, for tests that kill a run at each of them. */
export const STEP_NAMES: readonly string[] = [
  'connect',
  'probe',
  'lock',
  ...[...BEFORE_ANY_SWITCH, ...OF_A_WAVE, ...WHEN_HEALTHY].map((s) => s.name),
]

export interface RunReport {
  readonly plan: Plan
  readonly hosts: readonly HostOutcome[]
  /** Set when the run failed after it was planned; its reason says what state the fleet is in. */
  readonly error?: ShipError
  readonly durationMs: number
}

/** Runs a plan. Rejects only before anything was changed; afterwards the report tells what every host runs and what went wrong. */
export async function transact(run: Run): Promise<RunReport> {
  const started = performance.now()
  const { plan, fleet, io } = run
  const busy = plan.hosts.filter((p) => p.action !== 'none' || p.lock !== undefined)
  const report = (results: ReadonlyMap<string, PutBack>, error?: ShipError): RunReport => {
    const durationMs = performance.now() - started
    const hosts = plan.hosts.map((p) =>
      outcome(p, plan, results.get(p.host), { durationMs, failed: error !== undefined }),
    )
    return { plan, hosts, durationMs, ...(error ? { error } : {}) }
  }
  if (busy.length === 0) return report(new Map())
  const held = await lockFleet(fleet, fleet.hosts, newOwner(doing(plan.kind, plan.target), io), io)
  try {
    const ats = atHosts(run, held)
    refuseDrift(plan, held)
    const failure = await prepare(ats)
    if (failure) return report(new Map(), failure)
    const { error, results } = await switchOver(ats, plan)
    if (error) return report(results, error)
    // Healthy everywhere: what is left is bookkeeping, and an interruption now must not leave it half done.
    const patient = ats.map((at) => ({
      ...at,
      signal: AbortSignal.any([at.lease.signal, AbortSignal.timeout(600_000)]),
    }))
    for (const step of WHEN_HEALTHY) await onAll(patient, step)
    return report(new Map())
  } finally {
    await unlockFleet(fleet, held, io)
  }
}

/** Steps before the barrier. Resolves with what went wrong; `current` is untouched everywhere then. */
async function prepare(ats: readonly At[]): Promise<ShipError | undefined> {
  try {
    for (const step of BEFORE_ANY_SWITCH) await onAll(ats, step)
    return undefined
  } catch (error) {
    const kept: readonly Reason[] = ['refused', 'locked', 'sigint', 'sigterm']
    const known = asShipError(error)
    return known.as(kept.includes(known.reason) ? known.reason : 'not-switched', {
      state: '"current" is untouched on every host',
    })
  }
}

/** Waves. On failure puts back every host whose switch was begun, newest first, and says what that makes of the run. */
async function switchOver(
  ats: readonly At[],
  plan: Plan,
): Promise<{ error?: ShipError; results: Map<string, PutBack> }> {
  const results = new Map<string, PutBack>()
  // A host that a dead run switched takes part in the way back even when its wave was not reached.
  const begun = new Set(ats.filter((at) => at.plan.action === 'resume'))
  try {
    for (const [index, wave] of plan.waves.entries()) {
      if (index > 0) await pause(ats)
      const members = ats.filter((at) => wave.includes(at.plan.host))
      for (const at of members) begun.add(at)
      for (const step of OF_A_WAVE) await onAll(members, step)
    }
    return { results }
  } catch (error) {
    const back = [...begun].toReversed()
    const undone = await forHosts(
      back.map((at) => at.host),
      async (host) => {
        const at = back.find((one) => one.host === host)
        if (at) results.set(host.name, await putBack(at))
      },
    )
    allOrThrow(undone)
    return {
      error: afterUndo(
        asShipError(error),
        results,
        ats.some((at) => gatesAt(at).length > 0),
      ),
      results,
    }
  }
}

/** The rest between two waves that a rolling strategy asks for. */
async function pause(ats: readonly At[]): Promise<void> {
  const [first] = ats
  const strategy = first?.run.environment.strategy
  if (!first || strategy?.type !== 'rolling' || strategy.pauseMs === 0) return
  const signal = AbortSignal.any(ats.map((at) => at.signal))
  await inStep(first.run.io.emit, { step: 'pause' }, async () => {
    await sleep(strategy.pauseMs, undefined, { signal }).catch(() => throwIfAborted(signal))
    return `${strategy.pauseMs / 1000} s`
  })
}

/** One step on hosts at once: those that need it run it, the others say why not. Rejects with one error for all that failed. */
async function onAll(ats: readonly At[], step: Step): Promise<void> {
  const wanted = ats.filter((at) => {
    const reason = step.skip?.(at)
    if (reason !== undefined && reason !== '')
      at.run.io.emit({ event: 'step.skipped', step: step.name, host: at.host.name, reason })
    return reason === undefined
  })
  const [first] = wanted
  if (!first) return
  const results = await stepOnHosts(
    first.run.io,
    step.name,
    wanted.map((at) => at.host),
    async (host) => {
      const at = wanted.find((one) => one.host === host)
      if (at?.signal.aborted === true) throw at.signal.reason
      return { value: undefined, note: (at && (await step.run(at))) ?? undefined }
    },
  )
  allOrThrow(results)
}

/** The hosts of a run with their locks and what the plan says of them. */
function atHosts(run: Run, held: readonly Locked[]): At[] {
  return held.flatMap(({ host, lease, state }) => {
    const plan = run.plan.hosts.find((p) => p.host === host.name)
    if (!plan) return []
    const signal = AbortSignal.any([run.io.signal, lease.signal])
    return [{ run, host, plan, lease, state, signal, record: liveRecordOf(run, plan, state) }]
  })
}

/** The target's record as it is while live: an existing one continues, a new one begins. */
function liveRecordOf(run: Run, plan: HostPlan, state: Locked['state']): ReleaseRecord {
  const { io } = run
  const known = state.releases.find((r) => r.version === run.plan.target)
  const now = new Date().toISOString()
  if (known && plan.action === 'resume') return { ...known, state: 'live' }
  const seq = Math.max(0, ...state.releases.map((r) => r.seq)) + 1
  return {
    schema: 1,
    version: run.plan.target,
    digest: run.plan.digest,
    pinned: known?.pinned ?? false,
    shared: known?.shared ?? plan.links,
    stagedAt: known?.stagedAt ?? now,
    state: 'live',
    seq,
    previous: plan.back,
    by: io.by,
    run: io.run,
    url: io.url,
    commit: run.commit,
    liveAt: now,
  }
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

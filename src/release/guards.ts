/**
 * What the owner wants to hold before a release: looked at before a run waits for any of its hosts, which may be connected to by then. Each
 * refusal names the flag that overrides it. Going back is never held up.
 */
import { onBranch } from '../build/on-branch.ts'
import type { Environment } from '../config/environment.ts'
import { frozenAt } from '../config/freeze.ts'
import type { Soak } from '../config/guards.ts'
import { ShipError, throwIfAborted } from '../errors.ts'
import { connect, stepOnHosts } from '../fleet/fleet.ts'
import { allOrThrow } from '../fleet/results.ts'
import { STATE } from '../host/session.ts'
import { inStep, type Io } from '../io.ts'
import { liveRecord, runningNow, type Observed } from './observe.ts'
import type { Target } from './fit.ts'

export interface Overrides {
  readonly duringFreeze?: boolean | undefined
  readonly anyBranch?: boolean | undefined
  readonly skipSoak?: boolean | undefined
}

const UNTOUCHED = 'nothing was changed on any host'

/** Rejects with reason `refused`; what is overridden is a warning. */
export async function guardRelease(
  environment: Environment,
  target: Target,
  overrides: Overrides,
  { io, now }: { readonly io: Io; readonly now: Date },
): Promise<void> {
  const { guards } = environment
  if (!guards) return
  const checks = [
    { flag: '--during-freeze', isOff: overrides.duringFreeze, ask: () => freezeProblem(environment, now) },
    { flag: '--any-branch', isOff: overrides.anyBranch, ask: () => branchProblem(environment, target, io) },
    { flag: '--skip-soak', isOff: overrides.skipSoak, ask: () => soakProblem(guards.soak, target, { io, now }) },
  ]
  for (const { flag, isOff, ask } of checks) {
    // Hosts elsewhere are not asked for what does not matter.
    if (isOff === true && flag === '--skip-soak') continue
    const problem = await ask()
    throwIfAborted(io.signal)
    if (!problem) continue
    if (isOff === true) {
      io.emit({ event: 'warning', message: `${problem.message} (${flag})` })
      continue
    }
    const again = `to release all the same: ship release ${target.manifest.version} -e ${environment.name} ${flag}`
    const { reason, message, details, next, host } = problem
    throw new ShipError(reason, message, { host, step: 'guard', state: UNTOUCHED, details, next: [...next, again] })
  }
}

function freezeProblem({ guards, name }: Environment, now: Date): ShipError | undefined {
  const found = frozenAt(guards?.freeze ?? [], now)
  if (!found) return undefined
  const why = found.why === undefined ? '' : `: ${found.why}`
  return new ShipError('refused', `"${name}" is frozen until ${found.ends} (${found.zone})${why}`, {
    details: [`freeze: ${found.title}, ${found.zone}`],
  })
}

async function branchProblem(
  { guards, projectDir }: Environment,
  { manifest }: Target,
  { signal }: Io,
): Promise<ShipError | undefined> {
  const branches = guards?.branches ?? []
  if (branches.length === 0) return undefined
  const { commit, dirty, version } = manifest
  const told = branches.join(', ')
  const refused = (why: string, next: readonly string[] = []): ShipError =>
    new ShipError('refused', `${version} was not built from branch ${told}: ${why}`, { next })
  if (commit === undefined) return refused('it names no commit')
  if (dirty === true)
    return refused(`its sources differed from commit ${commit.slice(0, 9)}`, ['commit, and build again'])
  const answer = await onBranch(projectDir, commit, branches, signal)
  return answer.ok ? undefined : refused(answer.why, answer.next)
}

async function soakProblem(
  soak: Soak | undefined,
  target: Target,
  { io, now }: { readonly io: Io; readonly now: Date },
): Promise<ShipError | undefined> {
  if (!soak) return undefined
  const observed: Observed[] = []
  try {
    await inStep(io.emit, { step: 'soak', title: `ask ${soak.environment}` }, async () => {
      observed.push(...(await askAll(soak, io)))
    })
  } catch (error) {
    if (error instanceof ShipError && error.reason !== 'sigint' && error.reason !== 'sigterm') return error
    throw error
  }
  const lacking = observed.flatMap(({ host, state }) => {
    const why = notSoaked({ host, state }, target, { forMs: soak.forMs, now })
    return why === undefined ? [] : [`${host} ${why}`]
  })
  if (lacking.length === 0) return undefined
  const message = `${target.manifest.version} has not been verified in "${soak.environment}" for ${words(soak.forMs)} on every host`
  return new ShipError('refused', message, { details: lacking })
}

/** A host that cannot be asked proves nothing, so all must answer. */
async function askAll(soak: Soak, io: Io): Promise<Observed[]> {
  const results = await connect(await soak.hosts(), io, { question: STATE })
  const sessions = results.flatMap((r) => (r.ok ? [r.value] : []))
  try {
    allOrThrow(results)
    const hosts = sessions.map((session) => session.host)
    return allOrThrow(
      await stepOnHosts(io, 'probe', hosts, async (host) => {
        const session = sessions.find((one) => one.host === host)
        if (!session) throw new TypeError(`no session for "${host.name}"`)
        return { value: { host: host.name, state: await session.probe(STATE, { signal: io.signal }) } }
      }),
    )
  } finally {
    await Promise.allSettled(sessions.map((session) => session.close()))
  }
}

/** Why a host does not speak for a release, as a clause; undefined when it does. Pure. */
export function notSoaked(
  { state }: Observed,
  { digest, manifest }: Target,
  { forMs, now }: { readonly forMs: number; readonly now: Date },
): string | undefined {
  const live = liveRecord(state)
  if (!live || live.version !== manifest.version) return `runs ${runningNow(state) ?? 'nothing'}`
  if (live.digest !== digest) return `runs ${live.version} with other bytes`
  if (live.state !== 'verified' || live.verifiedAt === undefined) return `runs it, and it is not verified there`
  // Of this clock and the host's, the earlier one: a clock that is fast makes nothing older.
  const until = Math.min(now.getTime(), state.clock > 0 ? state.clock * 1000 + 999 : Infinity)
  const since = until - Date.parse(live.verifiedAt)
  if (since >= forMs) return undefined
  return `has it since ${live.verifiedAt.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC')}, for ${words(Math.max(0, since))}`
}

/** "1 h 30 min", "45 s". */
function words(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ]
  const parts = [
    [days, 'd'],
    [hours, 'h'],
    [minutes, 'min'],
    [seconds % 60, 's'],
  ] as const
  const said = parts.filter(([number]) => number > 0).map(([number, unit]) => `${number} ${unit}`)
  return said.slice(0, 2).join(' ') || '0 s'
}

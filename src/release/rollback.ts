/** `ship rollback`: chooses a verified release and runs the same transaction; nothing is sent. */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { mergedError } from '../fleet/results.ts'
import type { HostState, ReleaseRecord } from '../host/session.ts'
import type { Io } from '../io.ts'
import { compareVersions, isRange, newestMatch, parseVersion, type Version } from '../version.ts'
import { fleetVersion } from './catch-up.ts'
import { keepAfter } from './known.ts'
import { passedBetween, whyNoReturn } from './no-return.ts'
import { formatProblem, toolsProblem, unfitToGoBack } from './fit-host.ts'
import { liveRecord, type Observed } from './observe.ts'
import { doing } from './owner.ts'
import { rollbackPlan, type Plan } from './plan.ts'
import { reach, type Reached, type ReachOptions } from './probe.ts'
import { newestFirst } from './retention.ts'
import { lookAhead } from './steps/stage.ts'
import { transact, type RunReport } from './transaction.ts'

export interface RollbackRequest {
  readonly environment: Environment
  /** A version or a range; by default the release verified before the live one. */
  readonly target?: string | undefined
  /** Also behind a point of no return. */
  readonly force?: boolean | undefined
}

/** A release that every host can go back to. */
export interface RollbackTarget {
  readonly version: Version
  readonly verifiedAt: string | undefined
  readonly by: string
  readonly hosts: number
}

/** What a rollback would do. Changes nothing. */
export async function planRollback(request: RollbackRequest, io: Io): Promise<Plan> {
  checkTarget(request)
  const reached = await reach(request.environment, io, { problem: problemOf(request) })
  try {
    return planFor(request, reached)
  } finally {
    await reached.fleet.close()
  }
}

/** Goes back. Rejects while nothing was changed; afterwards the report tells. */
export async function rollback(request: RollbackRequest, io: Io): Promise<RunReport> {
  const { environment } = request
  checkTarget(request)
  const reached = await reach(environment, io, { refuseLocked: true, problem: problemOf(request) })
  const { fleet } = reached
  try {
    const plan = planFor(request, reached)
    warnAcross(plan, reached.observed, io)
    const pack = (): never => {
      throw new TypeError('a rollback sends nothing')
    }
    const run = { plan, fleet, environment, io, pack }
    const report = await transact({ ...run, looked: lookAhead(run, reached.observed) })
    if (!report.error) await keepAfter(plan, reached.observed)
    return report
  } finally {
    await fleet.close()
  }
}

/** What keeps a host from taking part at all. */
function problemOf({ environment }: RollbackRequest): ReachOptions['problem'] {
  return (host, state) => unfitToGoBack(environment, host, state)
}

/** Releases that are verified on every host and live on none or not on all, the newest first. */
export async function rollbackTargets(environment: Environment, io: Io): Promise<RollbackTarget[]> {
  const { fleet, observed } = await reach(environment, io)
  try {
    return targets(observed)
  } finally {
    await fleet.close()
  }
}

/** Somebody insists: what that means is said all the same. */
function warnAcross(plan: Plan, observed: readonly Observed[], io: Io): void {
  for (const { host, state } of observed) {
    const live = liveRecord(state)
    const passed = live && passedBetween(live, `releases/${plan.target}`, state)
    const isGone = passed && live.version !== plan.target
    if (isGone) io.emit({ event: 'warning', host, message: `goes back all the same: ${whyNoReturn(passed)}` })
  }
}

function targets(observed: readonly Observed[]): RollbackTarget[] {
  const [first] = observed
  if (!first) return []
  return verified(first.state)
    .toSorted(newestFirst)
    .filter((r) => observed.every(({ state }) => verified(state).some((other) => other.version === r.version)))
    .filter((r) => observed.some(({ state }) => liveRecord(state)?.version !== r.version))
    .map((r) => ({ version: r.version, verifiedAt: r.verifiedAt, by: r.by, hosts: observed.length }))
}

function planFor({ environment, target, force }: RollbackRequest, reached: Reached): Plan {
  refuseUnread(reached)
  const { fleet, observed, pools } = reached
  const version =
    target === undefined ? defaultTarget(environment, observed) : chosenTarget(target, observed, environment)
  return rollbackPlan(environment, version, observed, { pools, force, missing: fleet.missing })
}

/** Where a host's releases cannot be read, no release of it can be chosen. */
function refuseUnread({ fleet, observed }: Reached): void {
  const unread = fleet.hosts.flatMap((host) => {
    const state = observed.find((one) => one.host === host.name)?.state
    const error = state && (toolsProblem(state) ?? formatProblem(state))
    return error ? [{ host, error: error.at({ step: 'plan' }) }] : []
  })
  if (unread.length > 0) throw mergedError(unread, observed.length, { state: 'nothing was changed on any host' })
}

/** What is no version is told before any host is asked. */
function checkTarget({ target }: RollbackRequest): void {
  if (target !== undefined && !isRange(target)) parseVersion(target)
}

function chosenTarget(wanted: string, observed: readonly Observed[], environment: Environment): Version {
  if (!isRange(wanted)) return parseVersion(wanted)
  const offered = targets(observed).map((t) => t.version)
  const found = newestMatch(offered, wanted)
  if (found) return found
  throw new ShipError('refused', `no release that every host can go back to matches "${wanted}"`, {
    state: 'nothing was changed on any host',
    details: [
      ...whyNot(wanted, observed),
      offered.length > 0 ? `on offer: ${offered.join(', ')}` : 'no other release is verified on every host',
    ],
    next: [`see what is there: ship releases -e ${environment.name}`],
  })
}

/** What is in the way of each version that a range admits, as lines. */
function whyNot(wanted: string, observed: readonly Observed[]): readonly string[] {
  const all = new Set(observed.flatMap(({ state }) => state.releases.map((r) => r.version)))
  return [...all]
    .filter((version) => newestMatch([version], wanted) !== undefined)
    .toSorted(compareVersions)
    .map((version) => {
      const is = observed.map(({ host, state }) => ({ host, what: standing(version, state) }))
      const said = [...Map.groupBy(is, ({ what }) => what)].map(([what, hosts]) =>
        hosts.length === observed.length ? what : `${what} on ${hosts.map(({ host }) => host).join(', ')}`,
      )
      return `${version} is ${said.join(', ')}`
    })
}

function standing(version: Version, state: HostState): string {
  if (liveRecord(state)?.version === version) return 'live already'
  return state.releases.find((r) => r.version === version)?.state ?? 'not there'
}

/** The release each host would go back to by itself; when they differ a person has to choose. A rollback that died is continued. */
export function defaultTarget({ name }: Pick<Environment, 'name'>, observed: readonly Observed[]): Version {
  const begun = begunTarget(observed)
  if (begun !== undefined) return begun
  const fleet = fleetVersion(observed.map(({ state }) => state))
  const leading = observed.filter(({ state }) => liveRecord(state)?.version === fleet)
  const wished = new Set(leading.flatMap(({ state }) => before(state) ?? []))
  const wishes = observed.map(({ host, state }) => {
    const live = liveRecord(state)
    // A host that stayed behind may run already what the others go back to.
    const isThere = live?.state === 'verified' && live.version !== fleet && wished.has(live.version)
    return { host, version: isThere ? live.version : before(state) }
  })
  const versions = new Set(wishes.flatMap((w) => (w.version === undefined ? [] : [w.version])))
  const [only] = versions
  if (only === undefined || wishes.some((w) => w.version === undefined)) {
    const lacking = wishes.filter((w) => w.version === undefined).map((w) => w.host)
    throw new ShipError('refused', 'there is no earlier verified release to go back to', {
      host: lacking.join(', '),
      state: 'nothing was changed on any host',
      next: [`see what is there: ship releases -e ${name}`],
    })
  }
  if (versions.size > 1) {
    throw new ShipError('refused', 'the hosts would go back to different versions', {
      details: wishes.map((w) => `${w.host}: ${w.version ?? 'none'}`),
      state: 'nothing was changed on any host',
      next: [`name the version: ship rollback VERSION -e ${name}`],
    })
  }
  return only
}

/** Where a dead rollback was going, by its locks. */
function begunTarget(observed: readonly Observed[]): Version | undefined {
  const offered = observed.flatMap(({ state }) => verified(state).map((r) => r.version))
  const lines = new Set(observed.flatMap(({ state }) => state.lock?.owner.doing ?? []))
  const found = offered.filter((version) => lines.has(doing('rollback', version)))
  return new Set(found).size === 1 ? found[0] : undefined
}

/** The release that was live before the live one, if it is verified; else the newest verified one that came earlier. */
function before(state: HostState): Version | undefined {
  const live = liveRecord(state)
  const candidates = verified(state).filter((r) => r.version !== live?.version)
  const previous = candidates.find((r) => `releases/${r.version}` === live?.previous)
  return (previous ?? candidates.filter((r) => !live || r.seq < live.seq).toSorted(newestFirst)[0])?.version
}

function verified(state: HostState): ReleaseRecord[] {
  return state.releases.filter((r) => r.state === 'verified')
}

/** `ship rollback`: chooses a verified release and runs the same transaction; nothing is sent. */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { openFleet } from '../fleet/fleet.ts'
import type { HostState, ReleaseRecord } from '../host/session.ts'
import type { Io } from '../io.ts'
import { isRange, newestMatch, parseVersion, type Version } from '../version.ts'
import { liveRecord, type Observed } from './observe.ts'
import { doing } from './owner.ts'
import { rollbackPlan, type Plan } from './plan.ts'
import { observe } from './probe.ts'
import { newestFirst } from './retention.ts'
import { transact, type RunReport } from './transaction.ts'

export interface RollbackRequest {
  readonly environment: Environment
  /** A version or a range; by default the release verified before the live one. */
  readonly target?: string | undefined
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
  const fleet = await openFleet(request.environment, io)
  try {
    return planFor(request, await observe(fleet, io))
  } finally {
    await fleet.close()
  }
}

/** Goes back. Rejects while nothing was changed; afterwards the report tells. */
export async function rollback(request: RollbackRequest, io: Io): Promise<RunReport> {
  const { environment } = request
  const fleet = await openFleet(environment, io)
  try {
    const plan = planFor(request, await observe(fleet, io, { refuseLocked: true }))
    const pack = (): never => {
      throw new TypeError('a rollback sends nothing')
    }
    return await transact({ plan, fleet, environment, io, pack })
  } finally {
    await fleet.close()
  }
}

/** Releases that are verified on every host and live on none or not on all, the newest first. */
export async function rollbackTargets(environment: Environment, io: Io): Promise<RollbackTarget[]> {
  const fleet = await openFleet(environment, io)
  try {
    return targets(await observe(fleet, io))
  } finally {
    await fleet.close()
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

function planFor({ environment, target }: RollbackRequest, observed: readonly Observed[]): Plan {
  const version =
    target === undefined ? defaultTarget(environment, observed) : chosenTarget(target, observed, environment)
  return rollbackPlan(environment, version, observed)
}

function chosenTarget(wanted: string, observed: readonly Observed[], environment: Environment): Version {
  if (!isRange(wanted)) return parseVersion(wanted)
  const offered = targets(observed).map((t) => t.version)
  const found = newestMatch(offered, wanted)
  if (found) return found
  throw new ShipError('refused', `no release that every host can go back to matches "${wanted}"`, {
    details: [offered.length > 0 ? `on offer: ${offered.join(', ')}` : 'there is none'],
    next: [`ship releases -e ${environment.name}`],
  })
}

/** The release each host would go back to by itself; when they differ a person has to choose. A rollback that died is continued. */
function defaultTarget(environment: Environment, observed: readonly Observed[]): Version {
  const begun = begunTarget(observed)
  if (begun !== undefined) return begun
  const wishes = observed.map(({ host, state }) => ({ host, version: before(state) }))
  const versions = new Set(wishes.flatMap((w) => (w.version === undefined ? [] : [w.version])))
  const [only] = versions
  if (only === undefined || wishes.some((w) => w.version === undefined)) {
    const lacking = wishes.filter((w) => w.version === undefined).map((w) => w.host)
    throw new ShipError('refused', 'there is no earlier verified release to go back to', {
      host: lacking.join(', '),
      state: 'nothing was changed on any host',
      next: [`see what is there: ship releases -e ${environment.name}`],
    })
  }
  if (versions.size > 1) {
    throw new ShipError('refused', 'the hosts would go back to different versions', {
      details: wishes.map((w) => `${w.host}: ${w.version ?? 'none'}`),
      state: 'nothing was changed on any host',
      next: [`name the version: ship rollback VERSION -e ${environment.name}`],
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

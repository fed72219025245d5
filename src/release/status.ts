/** Questions that change nothing: what runs where since when, what is on the hosts, who did what, and is it still what was built. */
import type { Environment } from '../config/environment.ts'
import { reportOf, type ErrorReport } from '../events.ts'
import { connect, forHosts } from '../fleet/fleet.ts'
import { type HostResult } from '../fleet/results.ts'
import {
  STATE,
  type Drift,
  type HistoryLine,
  type HostSession,
  type HostState,
  type LockState,
  type ReleaseRecord,
} from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Host } from '../transport/transport.ts'
import type { Version } from '../version.ts'
import { fleetVersion, isBehind } from './catch-up.ts'
import { askOnce } from './gate.ts'
import { gateHostOf } from './gate-host.ts'
import { keepKnown } from './known.ts'
import { currentTarget, liveRecord } from './observe.ts'
import { holder } from './owner.ts'
import { newestFirst } from './retention.ts'

export interface HostStatus {
  readonly host: string
  /** Why the host could not be asked; the rest is then unknown. */
  readonly error?: ErrorReport | undefined
  /** Version of the live release, or what `current` points at when ship did not make it. */
  readonly version?: string | undefined
  readonly state?: ReleaseRecord['state'] | 'foreign' | 'dangling' | 'half-installed' | undefined
  /** The version that the other hosts run, when this one does not. */
  readonly behind?: Version | undefined
  readonly since?: string | undefined
  readonly by?: string | undefined
  readonly digest?: string | undefined
  readonly health?: 'ok' | 'failing' | 'not checked' | undefined
  readonly healthSaid?: string | undefined
  readonly freeBytes?: number | undefined
  readonly lock?:
    | {
        readonly doing: string
        readonly user: string
        readonly since: string
        readonly silentSeconds: number
        readonly expired: boolean
        /** Whether its run still lives, as far as can be told from here. */
        readonly holder: 'gone' | 'alive' | 'unknown'
      }
    | undefined
  readonly releases: number
}

/** Per host: what is live, since when and by whom, whether it is healthy now, disk and lock. Hosts that cannot be asked say why. */
export async function status(environment: Environment, io: Io): Promise<readonly HostStatus[]> {
  const results = await askState(environment, io, async (state, host, session) => {
    return { state, told: describe(host, state, await health(environment, session, state, io)) }
  })
  const states = results.flatMap((r) => (r.ok ? [r.value.state] : []))
  await keepKnown(
    environment.app,
    environment.name,
    states.flatMap((state) => state.releases),
  )
  const fleet = fleetVersion(states)
  return results.map((r) => {
    if (!r.ok) return { host: r.host.name, error: reportOf(r.error), releases: 0 }
    const { state, told } = r.value
    return fleet !== undefined && isBehind(state, fleet) ? { ...told, behind: fleet } : told
  })
}

export interface HostReleases {
  readonly host: string
  readonly error?: ErrorReport | undefined
  readonly live?: Version | undefined
  /** The newest first. */
  readonly releases: readonly ReleaseRecord[]
  readonly foreign: readonly string[]
}

/** What lies in releases/ of every host, with its state. */
export async function releases(environment: Environment, io: Io): Promise<readonly HostReleases[]> {
  const results = await askState(environment, io, async (state, host) => {
    const sorted = state.releases.toSorted(newestFirst)
    return { host: host.name, live: liveRecord(state)?.version, releases: sorted, foreign: state.foreign }
  })
  const seen = results.flatMap((r) => (r.ok ? r.value.releases : []))
  await keepKnown(environment.app, environment.name, seen)
  return results.map((r) =>
    r.ok ? r.value : { host: r.host.name, error: reportOf(r.error), releases: [], foreign: [] },
  )
}

export interface HostHistory {
  readonly host: string
  readonly error?: ErrorReport | undefined
  /** The oldest first. */
  readonly lines: readonly HistoryLine[]
}

/** The journals of all hosts, at most `limit` lines of each. */
export async function history(
  environment: Environment,
  options: { readonly limit: number },
  io: Io,
): Promise<readonly HostHistory[]> {
  const results = await ask(environment, io, async (session, host) => ({
    host: host.name,
    lines: await session.history(options.limit, { signal: io.signal }),
  }))
  return results.map((r) => (r.ok ? r.value : { host: r.host.name, error: reportOf(r.error), lines: [] }))
}

export interface HostVerification {
  readonly host: string
  readonly error?: ErrorReport | undefined
  readonly version?: Version | undefined
  /** Empty: what runs is what was built. */
  readonly drift: readonly Drift[]
}

/** Hashes a release of every host again, by default the live one, and holds it against its manifest. */
export async function verifyHosts(
  environment: Environment,
  version: Version | undefined,
  io: Io,
): Promise<readonly HostVerification[]> {
  const results = await askState(environment, io, async (state, host, session) => {
    const found = version === undefined ? liveRecord(state) : state.releases.find((one) => one.version === version)
    const drift = found === undefined ? [] : await session.drift(found, { signal: io.signal })
    return { host: host.name, version: found?.version, drift }
  })
  return results.map((r) => (r.ok ? r.value : { host: r.host.name, error: reportOf(r.error), drift: [] }))
}

/** The same, with the state of each host. */
function askState<T>(
  environment: Environment,
  io: Io,
  question: (state: HostState, host: Host, session: HostSession) => Promise<T>,
): Promise<HostResult<T>[]> {
  const withState = async (session: HostSession, host: Host): Promise<T> => {
    return question(await session.probe(STATE, { signal: io.signal }), host, session)
  }
  return ask(environment, io, withState, { question: STATE })
}

/** Connects to every host, asks, closes; each host answers for itself. */
async function ask<T>(
  environment: Environment,
  io: Io,
  question: (session: HostSession, host: Host) => Promise<T>,
  options?: Parameters<typeof connect>[2],
): Promise<HostResult<T>[]> {
  const sessions = await connect(environment.hosts, io, options)
  try {
    return await forHosts(environment.hosts, async (host) => {
      const reached = sessions.find((s) => s.host === host)
      if (reached?.ok !== true) throw reached?.error
      return question(reached.value, host)
    })
  } finally {
    await Promise.allSettled(sessions.flatMap((s) => (s.ok ? [s.value.close()] : [])))
  }
}

async function health(
  environment: Environment,
  session: HostSession,
  state: HostState,
  io: Io,
): Promise<Pick<HostStatus, 'health' | 'healthSaid'>> {
  const { host } = session
  const specs = environment.health.filter((g) => g.role === undefined || host.roles.includes(g.role))
  if (specs.length === 0 || state.current.kind !== 'link' || state.current.dangling) return { health: 'not checked' }
  const cwd = `${host.deployTo}/current`
  const version = state.current.version ?? ''
  const facts = { environment, host, action: 'release', version, previous: '', digest: '', cwd } as const
  const { ok, said } = await askOnce(specs, gateHostOf(session, facts, io), io.signal)
  return { health: ok ? 'ok' : 'failing', healthSaid: said }
}

function describe(host: Host, state: HostState, checked: Pick<HostStatus, 'health' | 'healthSaid'>): HostStatus {
  const live = liveRecord(state)
  const { current } = state
  return {
    host: host.name,
    version: live?.version ?? currentTarget(current) ?? undefined,
    state: live?.state ?? stateWithout(state),
    since: live?.liveAt,
    by: live?.by,
    digest: live?.digest,
    ...checked,
    freeBytes: state.disk.freeBytes,
    lock: state.lock && describeHolder(state.lock),
    releases: state.releases.length,
  }
}

/** Where no release of ship is live. */
function stateWithout({ current, deb }: HostState): HostStatus['state'] {
  if (deb?.status === 'broken') return 'half-installed'
  if (current.kind !== 'link') return undefined
  return current.dangling ? 'dangling' : 'foreign'
}

function describeHolder(lock: LockState): HostStatus['lock'] {
  const { owner, silentSeconds, expired } = lock
  return { doing: owner.doing, user: owner.user, since: owner.since, silentSeconds, expired, holder: holder(lock) }
}

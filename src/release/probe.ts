/** Reaches the hosts of an environment and asks every one for its state at once, one round trip each. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../config/environment.ts'
import { ShipError, throwIfAborted } from '../errors.ts'
import { openFleet, stepOnHosts, withoutMissing, type Fleet } from '../fleet/fleet.ts'
import { openAhead as openSessions, type Opening } from '../fleet/opening.ts'
import { mergedError, reachedOrThrow, type HostFailure, type HostResult, type Missing } from '../fleet/results.ts'
import type { SessionOptions } from '../host/open.ts'
import type { HostSession, HostState } from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Host } from '../transport/transport.ts'
import { allowancesOf } from './allowance.ts'
import { observePools } from './drains.ts'
import { keepKnown } from './known.ts'
import type { Observed } from './observe.ts'
import { holder, isGoingBack } from './owner.ts'
import type { SeenPools } from './pools.ts'
import { askedFiles, lockedError } from './steps/lock.ts'

const LOOK_AGAIN_MS = 500
const UNTOUCHED = 'nothing was changed on any host'

export interface ReachOptions {
  /** Rejects with reason `locked` when a run that is known to live holds a host: no need to try. */
  readonly refuseLocked?: boolean
  /** Sessions that are being opened already. */
  readonly opening?: Opening | undefined
  /** What else is wrong with a host in this state. Told with the hosts that are not reached, which a plan would never come to. */
  readonly problem?: (host: Host, state: HostState) => ShipError | undefined
}

/** Begins to connect to the hosts of an environment for a run that will reach them. */
export function openAhead(environment: Environment, { signal }: Io): Opening {
  return openSessions(environment.hosts, { ...sessionsFor(environment), busy: true, signal })
}

/** Every run begins by asking for the state. */
function sessionsFor(environment: Environment): Pick<SessionOptions, 'question'> {
  return { question: { sharedFiles: askedFiles({ environment }) } }
}

export interface Reached {
  /** To be closed by the caller. */
  readonly fleet: Fleet
  readonly observed: readonly Observed[]
  readonly pools: readonly SeenPools[]
}

/** Environments whose idle parts were said: hosts are asked for the plan that is shown, and again for the run. */
const told = new WeakSet<Environment>()

/** Connects and asks hosts and load balancers. So many hosts as the environment allows may be missing; the fleet is without them. */
export async function reach(environment: Environment, io: Io, options: ReachOptions = {}): Promise<Reached> {
  const mayMiss = allowancesOf(environment).unreachable
  if (!told.has(environment)) for (const message of environment.idle ?? []) io.emit({ event: 'warning', message })
  told.add(environment)
  const opened = await openFleet(environment, io, {
    mayMiss,
    busy: options.refuseLocked === true,
    ...sessionsFor(environment),
    opening: options.opening,
    alsoWrong: async (reached) => failures(await ask(reached, io, options), options),
  })
  try {
    const { observed, missing } = await observe(opened, io, { ...options, mayMiss: mayMiss - opened.missing.length })
    const fleet = withoutMissing(opened, missing)
    // Nobody waits for it.
    void keepKnown(
      environment.app,
      environment.name,
      observed.flatMap(({ state }) => state.releases),
    )
    return { fleet, observed, pools: await observePools(fleet, io) }
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function observe(
  fleet: Fleet,
  io: Io,
  options: ReachOptions & { readonly mayMiss: number },
): Promise<{ observed: readonly Observed[]; missing: readonly Missing[] }> {
  const results = await ask(fleet, io, options)
  try {
    const { values, missing } = reachedOrThrow(results, options.mayMiss, { state: UNTOUCHED })
    warnOfLimits(values, fleet, io)
    return { observed: values, missing }
  } catch (error) {
    const merged = mergedError(failures(results, options), results.length, { state: UNTOUCHED })
    throw merged instanceof ShipError && error instanceof ShipError ? merged.as(error.reason) : error
  }
}

/** Where the state is read, and nothing else is done. */
type Asked = Pick<Fleet, 'environment' | 'hosts' | 'session'>

function ask(fleet: Asked, io: Io, { refuseLocked }: ReachOptions): Promise<HostResult<Observed>[]> {
  const sharedFiles = askedFiles(fleet)
  return stepOnHosts(io, 'probe', fleet.hosts, async (host) => {
    const state = await stillState(fleet.session(host.name), sharedFiles, io)
    const { lock } = state
    if (refuseLocked === true && lock && holder(lock) === 'alive') throw lockedError(lock, fleet.environment.name)
    return { value: { host: host.name, state } }
  })
}

/** Of hosts that gave no answer, and of those that gave one. */
function failures(results: readonly HostResult<Observed>[], { problem }: ReachOptions): HostFailure[] {
  return results.flatMap((r): HostFailure[] => {
    const error = r.ok ? problem?.(r.host, r.value.state)?.at({ step: 'plan' }) : r.error
    return error === undefined ? [] : [{ host: r.host, error }]
  })
}

/** A host that is about to put itself back is waited for: what it runs now says nothing. */
async function stillState(session: HostSession, sharedFiles: readonly string[], io: Io): Promise<HostState> {
  for (let isTold = false; ; isTold = true) {
    const state = await session.probe({ sharedFiles }, { signal: io.signal })
    if (!state.lock || !isGoingBack(state.lock)) return state
    const message = 'puts itself back, for a run was not confirmed; waiting for it'
    if (!isTold) io.emit({ event: 'warning', host: session.host.name, message })
    await sleep(LOOK_AGAIN_MS, undefined, { signal: io.signal }).catch(() => throwIfAborted(io.signal))
  }
}

/** What does not hold on hosts without a shell, once per run: hosts of one kind share a warning. */
function warnOfLimits(observed: readonly Observed[], { environment }: Fleet, io: Io): void {
  const sample = 'of what is sent up to 16 MiB is read back (verify: "full" reads all)'
  const said = observed.flatMap(({ host, state: { withoutShell } }) =>
    withoutShell
      ? [{ host, all: [...withoutShell, ...(environment.verify === 'full' ? [] : [sample])].join('; ') }]
      : [],
  )
  for (const [all, hosts] of Map.groupBy(said, (one) => one.all)) {
    const host = hosts.map((one) => one.host).join(', ')
    io.emit({ event: 'warning', host, message: `files by SFTP only, no shell: ${all}` })
  }
}

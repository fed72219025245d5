/**
 * The sessions of an environment. Work runs on many hosts at once, bounded; one bad host never hides another: every host's
 * result is kept.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { openSession, type SessionOptions } from '../host/open.ts'
import type { HostSession, Lease } from '../host/session.ts'
import { inStep, type Io } from '../io.ts'
import { openFilesLimit } from '../open-files.ts'
import type { Host } from '../transport/transport.ts'
import { connectionsAtOnce } from './files-needed.ts'
import type { Opening } from './opening.ts'
import { allOrThrow, mergedError, reachedOrThrow, type HostFailure, type HostResult, type Missing } from './results.ts'

/** Connections and scripts at once. Above it hosts wait their turn; one process reaches 300 hosts in a few seconds with it. */
export const AT_ONCE = 64

const UNTOUCHED = 'nothing was changed on any host'

/** Runs work for each host, at most `atOnce` (default `AT_ONCE`) at a time, and keeps every result in the order of `hosts`. Never rejects. */
export async function forHosts<T>(
  hosts: readonly Host[],
  work: (host: Host) => Promise<T>,
  atOnce = AT_ONCE,
): Promise<HostResult<T>[]> {
  const results: HostResult<T>[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < hosts.length; index = next++) {
      const host = hosts[index]
      if (!host) return
      try {
        results[index] = { host, ok: true, value: await work(host) }
      } catch (error) {
        results[index] = { host, ok: false, error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, AT_ONCE, hosts.length) }, worker))
  return results
}

/** The same as one step of the run: an event pair for the step and one for each host. `note` says what to show. */
export async function stepOnHosts<T>(
  io: Io,
  step: string,
  hosts: readonly Host[],
  work: (host: Host) => Promise<{ readonly value: T; readonly note?: string | undefined }>,
  atOnce = AT_ONCE,
): Promise<HostResult<T>[]> {
  const inOwnStep = async (host: Host): Promise<T> => {
    const done: T[] = []
    await inStep(io.emit, { step, host: host.name }, async () => {
      const { value, note } = await work(host)
      done.push(value)
      return note
    })
    return done[0] as T
  }
  return forHosts(hosts, inOwnStep, atOnce)
}

/** `busy`: a whole run follows, and no single question. */
interface ConnectOptions extends Pick<SessionOptions, 'busy' | 'question'> {
  /** Sessions that are being opened already. */
  readonly opening?: Opening | undefined
}

/** Open sessions by host name. A lost connection is opened anew on demand, so that an undo can reach the host again. */
export interface Fleet {
  readonly environment: Environment
  /** The hosts that were reached, by name. */
  readonly hosts: readonly Host[]
  /** Hosts of the environment that were not, and that may be missing. */
  readonly missing: readonly Missing[]
  session(host: string): HostSession
  /** A session that answers: the open one, or a new connection. */
  reconnect(host: string, signal: AbortSignal): Promise<HostSession>
  /** Gives a lease of ours a new token over a new connection, which is used from then on. Rejects as `HostSession.renew` does. */
  renew(host: string, lease: Lease, signal: AbortSignal): Promise<void>
  /** Connects to further hosts, which are not released to; `session` and `reconnect` know them as well. Rejects when one is not reached. */
  join(others: readonly Host[], io: Io): Promise<void>
  close(): Promise<void>
}

interface OpenFleetOptions extends ConnectOptions {
  /** So many hosts may be missing. Default 0. */
  readonly mayMiss?: number
  /** Asked when more are missing: what else is wrong, with the hosts that were reached. It changes nothing there. */
  readonly alsoWrong?: (reached: Pick<Fleet, 'environment' | 'hosts' | 'session'>) => Promise<readonly HostFailure[]>
}

/**
 * Connects to every host of the environment at once. When more than `mayMiss` are not reached it closes the others and rejects with
 * one error, which names what is wrong with those as well: who mends a fleet wants to know of all of it.
 */
export async function openFleet(environment: Environment, io: Io, options: OpenFleetOptions = {}): Promise<Fleet> {
  const all = environment.hosts.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const results = await connect(all, io, options)
  const sessions = new Map(results.flatMap((r) => (r.ok ? [[r.host.name as string, r.value] as const] : [])))
  const close = async (): Promise<void> => {
    await Promise.allSettled([...sessions.values()].map((s) => s.close()))
  }
  const session = (name: string): HostSession => {
    const found = sessions.get(name)
    if (!found) throw new TypeError(`no session for "${name}"`)
    return found
  }
  const hosts = all.filter(({ name }) => sessions.has(name))
  const reached = { environment, hosts, session }
  const missing = await missingOrThrow(results, options, reached).catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    ...reached,
    missing,
    async reconnect(name, signal) {
      const old = session(name)
      if (old.connected) return old
      const fresh = await old.reopen({ signal })
      sessions.set(name, fresh)
      return fresh
    },
    async renew(name, lease, signal) {
      sessions.set(name, await session(name).renew(lease, { signal }))
    },
    async join(others, by) {
      const strangers = others.filter(({ name }) => !sessions.has(name))
      const found = await connect(strangers, by, options)
      for (const r of found) if (r.ok) sessions.set(r.host.name, r.value)
      allOrThrow(found, { state: UNTOUCHED })
    },
    close,
  }
}

async function missingOrThrow(
  results: readonly HostResult<HostSession>[],
  { mayMiss = 0, alsoWrong }: OpenFleetOptions,
  reached: Parameters<NonNullable<OpenFleetOptions['alsoWrong']>>[0],
): Promise<readonly Missing[]> {
  try {
    return reachedOrThrow(results, mayMiss, { state: UNTOUCHED }).missing
  } catch (error) {
    if (!(error instanceof ShipError) || reached.hosts.length === 0) throw error
    const others = (await alsoWrong?.(reached)) ?? []
    if (others.length === 0) throw error
    const failed = results.filter((r) => !r.ok)
    const merged = mergedError([...failed, ...others], results.length, { state: UNTOUCHED })
    // That hosts are not reached comes first: what else there is could change until they are.
    throw merged instanceof ShipError ? merged.as(error.reason) : merged
  }
}

/** The same fleet without hosts that turned out not to answer. */
export function withoutMissing(fleet: Fleet, lost: readonly Missing[]): Fleet {
  const hosts = fleet.hosts.filter((host) => lost.every((one) => one.host !== host))
  return { ...fleet, hosts, missing: [...fleet.missing, ...lost] }
}

/** Connects to hosts and keeps each result, for commands that answer for the hosts they reach. */
export async function connect(
  hosts: readonly Host[],
  io: Io,
  { busy, question, opening }: ConnectOptions = {},
): Promise<HostResult<HostSession>[]> {
  const atOnce = connectionsAtOnce(hosts, AT_ONCE, openFilesLimit)
  return stepOnHosts(
    io,
    'connect',
    hosts,
    async (host) => {
      const onChoice = (text: string): void => io.emit({ event: 'log', step: 'connect', host: host.name, text })
      try {
        const how = { signal: io.signal, onChoice }
        return { value: await (opening?.take(host, how) ?? openSession(host, { ...how, busy, question })) }
      } catch (error) {
        throw givenUp(io.signal) ?? error
      }
    },
    atOnce,
  )
}

/** What stopped a connection when it was neither the host nor a person: a bundle that turned out wrong is no fault of the host's. */
function givenUp({ aborted, reason }: AbortSignal): ShipError | undefined {
  if (!aborted || !(reason instanceof ShipError) || reason.step === undefined) return undefined
  return new ShipError(reason.reason, `given up, for "${reason.step}" failed`)
}

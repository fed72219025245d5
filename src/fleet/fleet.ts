/**
 * The sessions of an environment. Work runs on many hosts at once, bounded; one bad host never hides another: every host's
 * result is kept.
 */
import type { Environment } from '../config/environment.ts'
import { openSession } from '../host/open.ts'
import type { HostSession } from '../host/session.ts'
import { inStep, type Io } from '../io.ts'
import type { Host } from '../transport/transport.ts'
import { allOrThrow, type HostResult } from './results.ts'

/** Connections and scripts at once. Above it hosts wait their turn; one process reaches 300 hosts in a few seconds with it. */
const AT_ONCE = 64

/** Runs work for each host, `AT_ONCE` at a time, and keeps every result in the order of `hosts`. Never rejects. */
export async function forHosts<T>(hosts: readonly Host[], work: (host: Host) => Promise<T>): Promise<HostResult<T>[]> {
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
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, hosts.length) }, worker))
  return results
}

/** The same as one step of the run: an event pair for the step and one for each host. `note` says what to show. */
export async function stepOnHosts<T>(
  io: Io,
  step: string,
  hosts: readonly Host[],
  work: (host: Host) => Promise<{ readonly value: T; readonly note?: string | undefined }>,
): Promise<HostResult<T>[]> {
  return forHosts(hosts, async (host) => {
    const done: T[] = []
    await inStep(io.emit, { step, host: host.name }, async () => {
      const { value, note } = await work(host)
      done.push(value)
      return note
    })
    return done[0] as T
  })
}

/** Open sessions by host name. A lost connection is opened anew on demand, so that an undo can reach the host again. */
export interface Fleet {
  readonly environment: Environment
  readonly hosts: readonly Host[]
  session(host: string): HostSession
  /** A session that answers: the open one, or a new connection. */
  reconnect(host: string, signal: AbortSignal): Promise<HostSession>
  close(): Promise<void>
}

/** Connects to every host of the environment at once; rejects when one cannot be reached, after closing the others. */
export async function openFleet(environment: Environment, io: Io): Promise<Fleet> {
  const hosts = environment.hosts.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const results = await connect(hosts, io)
  const sessions = new Map(results.flatMap((r) => (r.ok ? [[r.host.name as string, r.value] as const] : [])))
  const close = async (): Promise<void> => {
    await Promise.allSettled([...sessions.values()].map((s) => s.close()))
  }
  if (results.some((r) => !r.ok)) {
    await close()
    allOrThrow(results, { state: 'nothing was changed on any host' })
  }
  const session = (name: string): HostSession => {
    const found = sessions.get(name)
    if (!found) throw new TypeError(`no session for "${name}"`)
    return found
  }
  return {
    environment,
    hosts,
    session,
    async reconnect(name, signal) {
      const old = session(name)
      if (old.connected) return old
      const fresh = await old.reopen({ signal })
      sessions.set(name, fresh)
      return fresh
    },
    close,
  }
}

/** Connects to hosts and keeps each result, for commands that answer for the hosts they reach. */
export async function connect(hosts: readonly Host[], io: Io): Promise<HostResult<HostSession>[]> {
  return stepOnHosts(io, 'connect', hosts, async (host) => ({ value: await openSession(host, { signal: io.signal }) }))
}

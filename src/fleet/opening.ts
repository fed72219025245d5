/** Sessions that are opened while nobody needs them yet: a connection is mostly waiting, and something else is done meanwhile. */
import { openSession, type SessionOptions } from '../host/open.ts'
import type { HostSession } from '../host/session.ts'
import type { Host } from '../transport/transport.ts'

export interface Opening {
  /**
   * The session of a host, once: whoever takes it closes it. `options` are those that it would be opened with. Undefined when it is not being
   * opened, or was taken.
   */
  take(host: Host, options: Pick<SessionOptions, 'signal' | 'onChoice'>): Promise<HostSession> | undefined
  /** Gives up what nobody took. */
  drop(): Promise<void>
}

interface Begun {
  readonly session: Promise<HostSession>
  readonly ending: AbortController
  /** What was said of the choice of a transport. */
  readonly said: readonly string[]
}

/** A large fleet takes turns, and gains nothing by a head start. */
const MAX_HOSTS = 16

export function openAhead(hosts: readonly Host[], { signal, ...options }: Omit<SessionOptions, 'onChoice'>): Opening {
  const begun = new Map(
    hosts.slice(0, MAX_HOSTS).map((host): [string, Begun] => {
      const said: string[] = []
      const ending = new AbortController()
      const session = openSession(host, {
        ...options,
        signal: AbortSignal.any([signal, ending.signal]),
        onChoice: (text) => said.push(text),
      })
      session.catch(() => undefined)
      return [host.name, { session, ending, said }]
    }),
  )
  return {
    take(host, { signal: late, onChoice }) {
      const found = begun.get(host.name)
      begun.delete(host.name)
      return found && taken(found, late, onChoice)
    },
    async drop() {
      const left = [...begun.values()]
      begun.clear()
      for (const { ending } of left) ending.abort(new Error('nobody needs it'))
      await Promise.allSettled(left.map(async ({ session }) => (await session).close()))
    },
  }
}

async function taken({ session, ending, said }: Begun, signal: AbortSignal, onChoice: SessionOptions['onChoice']) {
  const end = (): void => ending.abort(signal.reason)
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  try {
    return await session
  } finally {
    signal.removeEventListener('abort', end)
    for (const text of said) onChoice?.(text)
  }
}

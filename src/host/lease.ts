/**
 * A held lock, kept alive by a heartbeat. When the host no longer knows the token, or no beat got through for as long as the lease,
 * the lease's signal aborts: everything that runs under it stops by itself.
 */
import { ShipError } from '../errors.ts'
import { newToken, type Token } from '../names.ts'
import type { Lease, Owner } from './session.ts'

/** Resolves to false when the host does not know the token any more, and rejects when the link is bad. */
export type Beat = (token: Token) => Promise<boolean>

export interface KeptLease extends Lease {
  readonly owner: Owner
  /**
   * Goes on with another token. `take` asks the host for `owner` with that one in place of `from`, which is the token of now; and in place
   * of one that was asked for before, when that answer never came. Rejects as `take` does, with reason `locked` when the host knows none.
   */
  change<T>(take: (owner: Owner, from: Token) => Promise<T>): Promise<T>
  /** Beats through another connection from now on. */
  through(beat: Beat): void
  stop(): void
}

/** How long a silent holder is believed. The heartbeat comes three times as often. */
export const LEASE_SECONDS = 30

/** Beats three times per lease. */
export function keepLease(owner: Owner, leaseSeconds: number, firstBeat: Beat): KeptLease {
  let beat = firstBeat
  let token = owner.token
  /** The host knows one of these: the token, and those that it was asked to take and has not answered to. */
  let known: readonly Token[] = [token]
  const controller = new AbortController()
  let lastBeat = performance.now()
  let busy = false
  const lose = (message: string): void => {
    clearInterval(timer)
    controller.abort(
      new ShipError('locked', message, { next: ['run the same command again; it looks at the hosts first'] }),
    )
  }
  const anyOf = async (tokens: readonly Token[]): Promise<boolean> => {
    for (const one of tokens) if (await beat(one)) return true
    return false
  }
  const timer = setInterval(
    () => {
      if ((performance.now() - lastBeat) / 1000 > leaseSeconds)
        lose(`the host could not be reached for ${leaseSeconds} s and the lock ran out`)
      if (busy || controller.signal.aborted) return
      busy = true
      const told = known
      anyOf(told)
        .then(
          (held) => {
            if (held) lastBeat = performance.now()
            else if (told === known) lose('another run took the lock over')
            return undefined
          },
          // A slow or broken link is tolerated until the lease itself has run out.
          () => undefined,
        )
        .finally(() => {
          busy = false
        })
    },
    (leaseSeconds * 1000) / 3,
  )
  timer.unref()
  return {
    owner,
    get token() {
      return token
    },
    signal: controller.signal,
    async change(take) {
      const next = newToken()
      const others = known.slice(1)
      known = [...known, next]
      const from = async (old: Token): ReturnType<typeof take> => {
        try {
          return await take({ ...owner, token: next }, old)
        } catch (error) {
          const other = error instanceof ShipError && error.reason === 'locked' ? others.shift() : undefined
          if (other === undefined) throw error
          return from(other)
        }
      }
      const value = await from(token)
      token = next
      known = [token]
      return value
    },
    through(other) {
      beat = other
    },
    stop: () => clearInterval(timer),
  }
}

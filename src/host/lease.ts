/**
 * A held lock, kept alive by a heartbeat. When the host no longer knows the token, or no beat got through for as long as the lease,
 * the lease's signal aborts: everything that runs under it stops by itself.
 */
import { ShipError } from '../errors.ts'
import type { Token } from '../names.ts'
import type { Lease, Owner } from './session.ts'

/** Resolves to false when the host does not know the token any more, and rejects when the link is bad. */
export type Beat = (token: Token) => Promise<boolean>

export interface KeptLease extends Lease {
  readonly owner: Owner
  /** Goes on with another token; an answer to a beat with the old one counts for nothing. */
  renew(token: Token): void
  /** Beats through another connection from now on. */
  through(beat: Beat): void
  stop(): void
}

/** Beats three times per lease. */
export function keepLease(owner: Owner, leaseSeconds: number, firstBeat: Beat): KeptLease {
  let beat = firstBeat
  let token = owner.token
  const controller = new AbortController()
  let lastBeat = performance.now()
  let busy = false
  const lose = (message: string): void => {
    clearInterval(timer)
    controller.abort(
      new ShipError('locked', message, { next: ['run the same command again; it looks at the hosts first'] }),
    )
  }
  const timer = setInterval(
    () => {
      if ((performance.now() - lastBeat) / 1000 > leaseSeconds)
        lose(`the host could not be reached for ${leaseSeconds} s and the lock ran out`)
      if (busy || controller.signal.aborted) return
      busy = true
      const asked = token
      beat(asked)
        .then(
          (held) => {
            if (held) lastBeat = performance.now()
            else if (asked === token) lose('another run took the lock over')
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
    renew(other) {
      token = other
    },
    through(other) {
      beat = other
    },
    stop: () => clearInterval(timer),
  }
}

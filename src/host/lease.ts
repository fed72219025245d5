/**
 * A held lock, kept alive by a heartbeat. When the host no longer knows the token, or no beat got through for as long as the lease,
 * the lease's signal aborts: everything that runs under it stops by itself.
 */
import { ShipError } from '../errors.ts'
import type { Token } from '../names.ts'
import type { Lease } from './session.ts'

export interface KeptLease extends Lease {
  stop(): void
}

/** Beats three times per lease. `beat` resolves to false when the host does not know the token any more, and rejects when the link is bad. */
export function keepLease(token: Token, leaseSeconds: number, beat: () => Promise<boolean>): KeptLease {
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
      beat()
        .then((held) => {
          if (held) lastBeat = performance.now()
          else lose('another run took the lock over')
        })
        // A slow or broken link is tolerated until the lease itself has run out.
        .catch(() => undefined)
        .finally(() => {
          busy = false
        })
    },
    (leaseSeconds * 1000) / 3,
  )
  timer.unref()
  return { token, signal: controller.signal, stop: () => clearInterval(timer) }
}

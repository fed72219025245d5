/**
 * Finds out what a host runs at the begin of its way back, so that no late answer can change it; and waits for a host that puts itself
 * back.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { LEASE_SECONDS } from '../host/lease.ts'
import type { HostSession, HostState, Lease } from '../host/session.ts'
import { GOING_BACK } from '../host/way-back.ts'
import { doing, newOwner } from './owner.ts'
import { versionIn, type At } from './step.ts'

/** For the hooks with which a host that heard nothing goes back, and until it answers again; as long as its silence comes on top. */
const RETURN_MS = 20_000
const CONNECT_MS = 30_000
const LOOK_AGAIN_MS = 500
const MAX_LINES = 20

export interface Settled {
  readonly state: HostState
  /** Of the run, or a new one on a host that put itself back. */
  readonly lease: Lease
  /** The host put itself back, and ran the hooks for that; `healthy` false: one of them failed. */
  readonly byItself: { readonly isWell: boolean } | undefined
}

/** A session that answers. A host that is expected to put itself back is tried until it had time for that. */
export async function reached(at: At, patience: AbortSignal): Promise<HostSession> {
  const { fleet, environment } = at.run
  const { confirmMs } = environment
  if (confirmMs === undefined) return fleet.reconnect(at.host.name, patience)
  const until = performance.now() + 2 * confirmMs + RETURN_MS
  for (;;) {
    try {
      return await fleet.reconnect(at.host.name, AbortSignal.any([patience, AbortSignal.timeout(CONNECT_MS)]))
    } catch (error) {
      throwIfAborted(patience)
      if (performance.now() > until) {
        const back = versionIn(at.plan.back) || 'nothing'
        const told = `it was told to go back to ${back} by itself after ${confirmMs / 1000} s without contact`
        throw new ShipError('unreachable', `${messageOf(error)}; ${told}`, { cause: error })
      }
      await sleep(LOOK_AGAIN_MS, undefined, { signal: patience }).catch(() => throwIfAborted(patience))
    }
  }
}

/**
 * A switch that was cut off may still be under way on the host, and with a new token of ours, or with another run's, it cannot succeed any
 * more. Who took the lock over may put the host right; it is only read then.
 */
export async function settled(
  at: At,
  session: HostSession,
  { signal, patience }: { readonly signal: AbortSignal; readonly patience: AbortSignal },
): Promise<Settled> {
  const { lease } = at
  try {
    return { state: await session.fence(lease, { signal }), lease, byItself: undefined }
  } catch (error) {
    if (!(error instanceof ShipError) || error.reason !== 'locked') throw error
    const mine = at.run.environment.confirmMs === undefined ? undefined : await afterGuard(at, session, patience)
    return mine ?? { state: await session.probe({ sharedFiles: [] }, { signal: patience }), lease, byItself: undefined }
  }
}

/** The lock again, when the guard that took it is done. Undefined: it was no guard. */
async function afterGuard(at: At, session: HostSession, signal: AbortSignal): Promise<Settled | undefined> {
  const { io, plan } = at.run
  let isGuard = false
  for (;;) {
    const { lock } = await session.probe({ sharedFiles: [] }, { signal })
    if (lock && (lock.owner.run !== io.run || lock.owner.doing !== GOING_BACK)) return undefined
    isGuard ||= lock !== undefined
    if (!lock || lock.expired) {
      const line = (await session.history(MAX_LINES, { signal })).findLast((one) => one.run === io.run)
      const isBack = line?.action === 'put-back'
      if (!isBack && !isGuard) return undefined
      const owner = newOwner(doing(plan.kind, plan.target), io)
      const takeOver = lock?.owner.token
      const held = await session.lock(owner, { sharedFiles: [] }, { leaseSeconds: LEASE_SECONDS, signal, takeOver })
      return { ...held, byItself: isBack ? { isWell: line.note?.endsWith('a hook failed') !== true } : undefined }
    }
    await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => throwIfAborted(signal))
  }
}

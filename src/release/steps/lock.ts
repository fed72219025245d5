/**
 * Locks every host and reads its state again under the lock. The first host, by name, is locked before the others are tried, so of
 * two runs on the same fleet exactly one gets all of it; nobody waits while holding, so nobody deadlocks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ShipError, throwIfAborted } from '../../errors.ts'
import { stepOnHosts } from '../../fleet/fleet.ts'
import { allOrThrow, type HostResult } from '../../fleet/results.ts'
import { LEASE_SECONDS } from '../../host/lease.ts'
import type { CopyAhead, HostSession, HostState, Lease, LockState, Owner } from '../../host/session.ts'
import { describeLock, holder, isGoingBack } from '../owner.ts'
import type { Fleet } from '../../fleet/fleet.ts'
import { withGrace } from '../../grace.ts'
import type { Io } from '../../io.ts'
import type { Host } from '../../transport/transport.ts'

const LOOK_AGAIN_MS = 2000
/** So often a lock that was held may be gone at the next look; then nobody takes turns any more, and something else is in the way. */
const MISSES = 10
const MISS_MS = 50
/** A lock is one round trip; a host that is frozen must not hold Ctrl-C up for long. */
const GRACE_MS = 2000
/** Clock readings of two probes may differ by this much without meaning a heartbeat. */
const JITTER_SECONDS = 1

export interface Locked {
  readonly host: Host
  readonly lease: Lease
  readonly state: HostState
}

/** Locks all hosts or none; rejects with reason `locked` naming the holder. */
export async function lockFleet(
  fleet: Fleet,
  hosts: readonly Host[],
  owner: Owner,
  io: Io,
  copies?: ReadonlyMap<string, CopyAhead>,
): Promise<Locked[]> {
  const sharedFiles = askedFiles(fleet)
  const lockOne = async (host: Host): Promise<{ value: Locked }> => ({
    value: {
      host,
      ...(await lockHost(fleet.session(host.name), owner, {
        sharedFiles,
        environment: fleet.environment.name,
        copy: copies?.get(host.name),
        io,
      })),
    },
  })
  const first = await stepOnHosts(io, 'lock', hosts.slice(0, 1), lockOne)
  const rest = first.every((r) => r.ok) ? await stepOnHosts(io, 'lock', hosts.slice(1), lockOne) : []
  const results = [...first, ...rest]
  if (results.some((r) => !r.ok)) await unlockFleet(fleet, locked(results), io)
  return allOrThrow(results, { state: 'nothing was changed on any host' })
}

/** Gives every lock back; what cannot be given back expires by itself and is a warning, never an error. */
export async function unlockFleet(fleet: Fleet, held: readonly Locked[], io: Io): Promise<void> {
  const signal = AbortSignal.timeout(15_000)
  await Promise.all(
    held.map(async ({ host, lease }) => {
      try {
        const session = await fleet.reconnect(host.name, signal)
        await session.unlock(lease, { signal })
      } catch {
        const message = `the lock could not be given back; it expires within ${LEASE_SECONDS} s`
        io.emit({ event: 'warning', host: host.name, message })
      }
    }),
  )
}

/** Shared files whose existence matters: required ones must be there, optional ones are linked when they are. */
export function askedFiles(fleet: Pick<Fleet, 'environment'>): string[] {
  const { files, optionalFiles } = fleet.environment.shared
  return [...files, ...optionalFiles]
}

/** What to say of a lock somebody holds. */
export function lockedError(lock: LockState, environment: string): ShipError {
  return new ShipError('locked', `locked by ${describeLock(lock)}`, {
    state: 'nothing was changed on any host',
    details: lock.owner.url === undefined ? [] : [lock.owner.url],
    next: ['wait until that run has ended', `or take its lock away: ship unlock --force -e ${environment}`],
  })
}

async function lockHost(
  session: HostSession,
  owner: Owner,
  {
    sharedFiles,
    environment,
    copy,
    io,
  }: {
    readonly sharedFiles: readonly string[]
    readonly environment: string
    readonly copy: CopyAhead | undefined
    readonly io: Io
  },
): Promise<{ lease: Lease; state: HostState }> {
  const { signal } = io
  let takeOver: LockState | undefined
  let misses = 0
  let seen: { readonly lock: LockState; readonly at: number } | undefined
  for (;;) {
    throwIfAborted(signal)
    try {
      // Without the answer the host would keep a lock that nobody gives back.
      const held = await withGrace(signal, GRACE_MS, (late) => {
        const options = { leaseSeconds: LEASE_SECONDS, signal: late, takeOver: takeOver?.owner.token, copy }
        return session.lock(owner, { sharedFiles }, options)
      })
      if (takeOver) warnTakenOver(session.host, takeOver, io)
      return held
    } catch (error) {
      if (!(error instanceof ShipError) || error.reason !== 'locked') throw error
    }
    const { lock } = await session.probe({ sharedFiles }, { signal })
    takeOver = undefined
    if (!lock) {
      misses += 1
      if (misses > MISSES) throw noLock(session.host)
      await sleep(misses * MISS_MS, undefined, { signal }).catch(() => throwIfAborted(signal))
      continue
    }
    if (lock.owner.token === owner.token) throw samePlace(session.host)
    const who = holder(lock)
    if (who === 'gone') takeOver = lock
    else if (who === 'alive' || (seen && hasBeaten(seen, lock) && !isGoingBack(lock)))
      throw lockedError(lock, environment)
    else {
      if (!seen) io.emit({ event: 'warning', host: session.host.name, message: waiting(lock) })
      seen = { lock, at: performance.now() }
      await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => throwIfAborted(signal))
    }
  }
}

/** A folder `.ship/lock` that is not empty, and that no run of ship made. */
function noLock({ name, deployTo }: Host): ShipError {
  return new ShipError('locked', `${deployTo}/.ship/lock holds what is no lock`, {
    host: name,
    state: 'nothing was changed on any host',
    next: ['look what it is, and remove it'],
  })
}

/** Two hosts of one environment that turn out to be one folder of one machine. */
function samePlace({ name, deployTo }: Host): ShipError {
  return new ShipError('config', `"${name}" is the same place as another host of this environment: ${deployTo} there`, {
    state: 'nothing was changed on any host',
    next: ['name the host once, or give each its own deployTo'],
  })
}

/** Whether a holder gave a sign of life between two looks: its silence grew less than time passed, or it is another holder. */
function hasBeaten(seen: { readonly lock: LockState; readonly at: number }, now: LockState): boolean {
  if (seen.lock.owner.token !== now.owner.token) return true
  const passed = (performance.now() - seen.at) / 1000
  return now.silentSeconds < seen.lock.silentSeconds + passed - JITTER_SECONDS
}

function waiting(lock: LockState): string {
  return `locked by ${describeLock(lock)}; looking whether it still lives, for at most ${LEASE_SECONDS} s`
}

function warnTakenOver(host: Host, lock: LockState, io: Io): void {
  io.emit({
    event: 'warning',
    host: host.name,
    message: `took over the lock of a run that ended: ${describeLock(lock)}`,
  })
}

function locked(results: readonly HostResult<Locked>[]): Locked[] {
  return results.flatMap((r) => (r.ok ? [r.value] : []))
}

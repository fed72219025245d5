/** Small changes to hosts under their locks: pin, prune, unlock. None touches `current`. */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { openFleet, stepOnHosts } from '../fleet/fleet.ts'
import { allOrThrow } from '../fleet/results.ts'
import type { HistoryLine, HostSession } from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Version } from '../version.ts'
import { liveRecord } from './observe.ts'
import { size } from '../size.ts'
import { holder, newOwner } from './owner.ts'
import { prunable } from './retention.ts'
import { lockedError, lockFleet, unlockFleet, type Locked } from './steps/lock.ts'

/** Marks a version as never to be pruned, or takes the mark away, on every host; refused when a host does not have it. */
export async function setPinned(environment: Environment, version: Version, pinned: boolean, io: Io): Promise<void> {
  const verb = pinned ? 'pin' : 'unpin'
  await underLock(environment, `${verb} ${version}`, io, async (session, { lease, state }) => {
    const record = state.releases.find((r) => r.version === version)
    if (!record) {
      throw new ShipError('refused', `version ${version} is not on this host`, {
        details: [`on this host: ${state.releases.map((r) => r.version).join(', ') || 'none'}`],
      })
    }
    if (record.pinned === pinned) return { value: undefined, note: 'unchanged' }
    const { problem } = await session.mark([{ ...record, pinned }], line(verb, version, io), lease, {
      signal: io.signal,
    })
    if (problem !== undefined) throw new ShipError('not-switched', `the mark could not be written: ${problem}`)
    return { value: undefined, note: verb }
  })
}

export interface Pruned {
  readonly host: string
  readonly removed: readonly Version[]
  readonly kept: readonly { readonly version: Version; readonly why: string }[]
  readonly freedBytes: number
}

/** Removes what the environment's `keep` does not hold, as the end of a release does. */
export async function pruneHosts(environment: Environment, io: Io): Promise<Pruned[]> {
  return underLock(environment, 'prune', io, async (session, { host, lease, state }) => {
    const live = liveRecord(state)
    const going = live ? prunable(state, live.version, { keep: environment.keep, previous: live.previous }) : []
    if (going.length === 0)
      return { value: { host: host.name, removed: [], kept: [], freedBytes: 0 }, note: 'nothing to remove' }
    const { kept, freedBytes } = await session.prune(going, lease, { signal: io.signal })
    const removed = going.filter((v) => !kept.some((k) => k.version === v))
    const note = `${removed.length} removed, ${size(freedBytes)} freed`
    return { value: { host: host.name, removed, kept, freedBytes }, note }
  })
}

export interface Unlocked {
  readonly host: string
  /** Undefined: was not locked. */
  readonly was?:
    | { readonly doing: string; readonly user: string; readonly since: string; readonly run: string }
    | undefined
}

/**
 * Takes over and gives back the locks of runs that ended. A holder that lives, or may live on another machine, is named and left
 * alone (reason `locked`) unless `force`; a run that loses its lock so can no longer switch anything.
 */
export async function unlockHosts(
  environment: Environment,
  options: { readonly force: boolean },
  io: Io,
): Promise<Unlocked[]> {
  const fleet = await openFleet(environment, io)
  try {
    const results = await stepOnHosts<Unlocked>(io, 'unlock', fleet.hosts, async (host) => {
      const session = fleet.session(host.name)
      const { lock } = await session.probe({ sharedFiles: [] }, { signal: io.signal })
      if (!lock) return { value: { host: host.name }, note: 'was not locked' }
      if (!options.force && holder(lock) !== 'gone') {
        const { next } = lockedError(lock, environment.name)
        throw lockedError(lock, environment.name).at({
          next: [...next.slice(0, 1), 'take it over all the same: ship unlock --force'],
        })
      }
      const owner = newOwner('unlock', io)
      const { lease } = await session.lock(
        owner,
        { sharedFiles: [] },
        { leaseSeconds: 30, signal: io.signal, takeOver: lock.owner.token },
      )
      await session.mark([], line('unlock', null, io), lease, { signal: io.signal })
      await session.unlock(lease, { signal: io.signal })
      const { doing, user, since, run } = lock.owner
      return { value: { host: host.name, was: { doing, user, since, run } }, note: `was "${doing}" by ${user}` }
    })
    return allOrThrow(results)
  } finally {
    await fleet.close()
  }
}

async function underLock<T>(
  environment: Environment,
  doing: string,
  io: Io,
  work: (session: HostSession, held: Locked) => Promise<{ readonly value: T; readonly note?: string }>,
): Promise<T[]> {
  const fleet = await openFleet(environment, io)
  try {
    const held = await lockFleet(fleet, fleet.hosts, newOwner(doing, io), io)
    try {
      const results = await stepOnHosts(io, doing.split(' ')[0] ?? doing, fleet.hosts, async (host) => {
        const mine = held.find((h) => h.host === host)
        if (!mine) throw new TypeError(`"${host.name}" is not locked`)
        return work(fleet.session(host.name), mine)
      })
      return allOrThrow(results)
    } finally {
      await unlockFleet(fleet, held, io)
    }
  } finally {
    await fleet.close()
  }
}

function line(action: HistoryLine['action'], version: Version | null, io: Io): HistoryLine {
  const { run, by, url } = io
  return { schema: 1, at: new Date().toISOString(), run, by, action, version, from: null, outcome: 'ok', url }
}

/** Small changes to hosts under their locks: pin, prune, unlock. None touches `current`. */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { openFleet, stepOnHosts } from '../fleet/fleet.ts'
import { allOrThrow } from '../fleet/results.ts'
import { LEASE_SECONDS } from '../host/lease.ts'
import type { HistoryLine, HostSession } from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Token } from '../names.ts'
import type { Version } from '../version.ts'
import { formatProblem, toolsProblem } from './fit-host.ts'
import { liveRecord } from './observe.ts'
import { size } from '../size.ts'
import { holder, newOwner } from './owner.ts'
import { newestFirst, prunable } from './retention.ts'
import { lockedError, lockFleet, unlockFleet, type Locked } from './steps/lock.ts'

/** Marks a version as never to be pruned, or takes the mark away, on every host; refused when a host does not have it. */
export async function setPinned(environment: Environment, version: Version, pinned: boolean, io: Io): Promise<void> {
  const verb = pinned ? 'pin' : 'unpin'
  const refuse = (held: readonly Locked[]): void => {
    refuseUnfit(held, verb)
    refuseMissing(version, verb, held, environment)
  }
  await underLock({ environment, doing: `${verb} ${version}`, refuse, io }, async (session, { lease, state }) => {
    const record = state.releases.find((r) => r.version === version)
    if (!record || record.pinned === pinned)
      return { value: undefined, note: pinned ? 'was pinned already' : 'was not pinned' }
    const options = { signal: io.signal }
    const { problem } = await session.mark([{ ...record, pinned }], undefined, lease, options)
    if (problem !== undefined) throw new ShipError('not-switched', `the mark could not be written: ${problem}`)
    // The history tells what was done, so it comes when that is done.
    await session.mark([], line(verb, version, io), lease, options)
    return { value: undefined, note: `${verb}ned` }
  })
}

/** All hosts or none: a version that one of them lacks is told before any is marked. */
function refuseMissing(version: Version, verb: string, held: readonly Locked[], environment: Environment): void {
  const lacking = held.filter(({ state }) => !state.releases.some((r) => r.version === version))
  if (lacking.length === 0) return
  const having = held.filter((one) => !lacking.includes(one)).map(({ host }) => host.name)
  const there = Map.groupBy(lacking, ({ state }) =>
    state.releases
      .toSorted(newestFirst)
      .map((r) => r.version)
      .join(', '),
  )
  throw new ShipError('refused', `version ${version} is not there`, {
    host: lacking.map(({ host }) => host.name).join(', '),
    step: verb,
    state: 'nothing was changed on any host',
    details: [...there].map(
      ([versions, hosts]) => `on ${hosts.map(({ host }) => host.name).join(', ')}: ${versions || 'no release'}`,
    ),
    next: [
      ...(having.length > 0
        ? [`where it is: ship ${verb} ${version} --hosts ${having.join(',')} -e ${environment.name}`]
        : []),
      `see what is there: ship releases -e ${environment.name}`,
    ],
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
  return underLock(
    { environment, doing: 'prune', refuse: (held) => refuseUnfit(held, 'prune'), io },
    async (session, { host, lease, state }) => {
      const live = liveRecord(state)
      const going = live ? prunable(state, live.version, { keep: environment.keep, previous: live.previous }) : []
      if (going.length === 0)
        return { value: { host: host.name, removed: [], kept: [], freedBytes: 0 }, note: 'nothing to remove' }
      const { kept, freedBytes } = await session.prune(going, lease, { signal: io.signal })
      const removed = going.filter((v) => !kept.some((k) => k.version === v))
      const note = `${removed.length} removed, ${size(freedBytes)} freed`
      return { value: { host: host.name, removed, kept, freedBytes }, note }
    },
  )
}

/** Without all of its programs a host does not see which release is in use; and a newer ship may have counted otherwise. */
function refuseUnfit(held: readonly Locked[], step: string): void {
  for (const { host, state } of held) {
    const problem = toolsProblem(state) ?? formatProblem(state)
    if (problem) throw problem.at({ host: host.name, step })
  }
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
    const results = await stepOnHosts(io, 'unlock', fleet.hosts, (host) => {
      return unlockHost(fleet.session(host.name), environment, options, io)
    })
    return allOrThrow(results)
  } finally {
    await fleet.close()
  }
}

/** A run that ends between the look and the taking is no other run that took the lock: it is looked again then. */
async function unlockHost(
  session: HostSession,
  environment: Environment,
  { force }: { readonly force: boolean },
  io: Io,
): Promise<{ readonly value: Unlocked; readonly note: string }> {
  const host = session.host.name
  const options = { signal: io.signal }
  let tried: Token | undefined
  for (;;) {
    const { lock } = await session.probe({ sharedFiles: [] }, options)
    if (!lock) return { value: { host }, note: tried === undefined ? 'was not locked' : 'is not locked any more' }
    if (!force && holder(lock) !== 'gone') throw lockedError(lock, environment.name)
    const takeOver = lock.owner.token
    try {
      const owner = newOwner('unlock', io)
      const { lease } = await session.lock(
        owner,
        { sharedFiles: [] },
        { leaseSeconds: LEASE_SECONDS, takeOver, ...options },
      )
      await session.mark([], line('unlock', null, io), lease, options)
      await session.unlock(lease, options)
      const { doing, user, since, run } = lock.owner
      return { value: { host, was: { doing, user, since, run } }, note: `was "${doing}" by ${user}` }
    } catch (error) {
      const isTaken = error instanceof ShipError && error.reason === 'locked'
      if (!isTaken || takeOver === tried) throw error
      tried = takeOver
    }
  }
}

interface UnderLock {
  readonly environment: Environment
  /** Its first word is the name of the step. */
  readonly doing: string
  /** Looks at all hosts before work begins on any. */
  readonly refuse?: ((held: readonly Locked[]) => void) | undefined
  readonly io: Io
}

async function underLock<T>(
  { environment, doing, refuse, io }: UnderLock,
  work: (session: HostSession, held: Locked) => Promise<{ readonly value: T; readonly note?: string }>,
): Promise<T[]> {
  const fleet = await openFleet(environment, io)
  try {
    const held = await lockFleet(fleet, fleet.hosts, newOwner(doing, io), io)
    try {
      refuse?.(held)
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

/**
 * Who holds a lock, and whether that somebody is still alive. A run that died on this machine is recognised at once by its
 * process; one on another machine by its silence, measured by the host's own uptime, never by a wall clock.
 */
import { hostname } from 'node:os'
import { isAlive, ownMark } from '../alive.ts'
import type { LockState, Owner } from '../host/session.ts'
import { GOING_BACK } from '../host/way-back.ts'
import type { Io } from '../io.ts'
import type { Version } from '../version.ts'
import { newToken } from '../names.ts'

/** Time from one sign of life to the next, with room. */
const BEAT_SECONDS = 15

/** An owner for this process, with a new token. `action` is for people: "release 1.4.2". */
export function newOwner(action: string, io: Io): Owner {
  const { space, pid, startTime } = ownMark()
  return {
    schema: 1,
    token: newToken(),
    run: io.run,
    user: io.by,
    client: { host: hostname(), bootId: space, pid, startTime },
    doing: action,
    url: io.url,
    since: new Date().toISOString(),
  }
}

/** What a run says of itself in its locks; the next run reads there what a dead one was about. */
export function doing(kind: 'release' | 'rollback', version: Version): string {
  return `${kind} ${version}`
}

/**
 * `gone`: its process is dead or its lease ran out; the lock may be taken over. `alive`: its process runs here.
 * `unknown`: it is another machine's; only its heartbeat tells.
 */
export function holder(lock: LockState): 'gone' | 'alive' | 'unknown' {
  if (lock.expired) return 'gone'
  const { client } = lock.owner
  const { bootId: space, pid, startTime } = client
  const alive = client.host === hostname() ? isAlive({ space, pid, startTime }) : undefined
  return alive === undefined ? 'unknown' : alive ? 'alive' : 'gone'
}

/** Whether the host itself holds it, to go back by itself: that takes a moment, and then the lock is free. */
export function isGoingBack({ owner, expired }: LockState): boolean {
  return owner.doing === GOING_BACK && !expired
}

/** What people need to know of a lock. */
export function describeLock(lock: LockState): string {
  const { owner } = lock
  const { host } = owner.client
  const where = owner.user.endsWith(`@${host}`) ? '' : ` on ${host}`
  const since = owner.since.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC')
  return `"${owner.doing}" by ${owner.user}${where} since ${since} (run ${owner.run}${silence(lock)})`
}

/** A sign of life comes every ten seconds: less than that is nothing to tell, and would make equal locks of many hosts look different. */
function silence({ silentSeconds }: LockState): string {
  if (!Number.isFinite(silentSeconds)) return ', host rebooted since'
  return silentSeconds < BEAT_SECONDS ? '' : `, silent for ${Math.round(silentSeconds)} s`
}

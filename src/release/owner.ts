/**
 * Who holds a lock, and whether that somebody is still alive. A run that died on this machine is recognised at once by its
 * process; one on another machine by its silence, measured by the host's own uptime, never by a wall clock.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import type { LockState, Owner } from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Version } from '../version.ts'
import { newToken } from '../names.ts'

/** An owner for this process, with a new token. `action` is for people: "release 1.4.2". */
export function newOwner(action: string, io: Io): Owner {
  return {
    schema: 1,
    token: newToken(),
    run: io.run,
    user: io.by,
    client: { host: hostname(), bootId: bootSpace(), pid: process.pid, startTime: startTime(process.pid) ?? '' },
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
  if (client.host !== hostname() || client.bootId !== bootSpace() || client.startTime === '') return 'unknown'
  return startTime(client.pid) === client.startTime ? 'alive' : 'gone'
}

/** What people need to know of a lock. */
export function describeLock(lock: LockState): string {
  const { owner } = lock
  const silent = Number.isFinite(lock.silentSeconds)
    ? `silent for ${Math.round(lock.silentSeconds)} s`
    : 'host rebooted since'
  return `"${owner.doing}" by ${owner.user} on ${owner.client.host} since ${owner.since} (run ${owner.run}, ${silent})`
}

/** Boot id and pid namespace: the space in which a process id means something. Empty where /proc is missing. */
function bootSpace(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); undefined when there is no such process. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

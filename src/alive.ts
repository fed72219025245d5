/** Whether a process of this machine still runs. A process id alone is not enough: ids are used again. Linux; elsewhere nobody knows. */
import { readFileSync, readlinkSync } from 'node:fs'

/** Which process is meant, wherever this is read again. */
export interface ProcessMark {
  /** Boot id with the pid namespace: the space in which a process id means something. */
  readonly space: string
  readonly pid: number
  /** In clock ticks since boot. */
  readonly startTime: string
}

/** The mark of this process; texts are empty where there is no /proc. */
export function ownMark(): ProcessMark {
  return { space: space(), pid: process.pid, startTime: startTime(process.pid) ?? '' }
}

/** Undefined when it cannot be told from here: the process is another machine's or container's, or was before a reboot. */
export function isAlive(mark: ProcessMark): boolean | undefined {
  if (mark.startTime === '' || mark.space === '' || mark.space !== space()) return undefined
  return startTime(mark.pid) === mark.startTime
}

function space(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}

/** Field 22 of /proc/PID/stat; undefined when there is no such process, or only what its parent has not collected. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

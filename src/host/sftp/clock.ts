/**
 * The host's clock. SFTP cannot ask for the time, but the host stamps what is written, so one short file tells how far its clock is
 * from this machine's.
 */
import { randomBytes } from 'node:crypto'
import { removeFile } from './files.ts'
import { writeStamp } from './content.ts'
import type { Place } from './place.ts'

export interface HostClock {
  /** Seconds since 1970 as the host counts them, as far as that is known. */
  now(): number
  /** Takes a stamp that the host gave just now. */
  learn(stamp: number): void
  /** Asks when nothing was learnt yet. Writes a file below `.ship` for a moment; without the right to, this machine's clock must do. */
  ask(place: Place): Promise<number>
}

export function hostClock(): HostClock {
  let ahead: number | undefined
  const here = (): number => Math.floor(Date.now() / 1000)
  const now = (): number => here() + (ahead ?? 0)
  const learn = (stamp: number): void => {
    ahead = stamp - here()
  }
  return {
    now,
    learn,
    async ask({ requests, ship }) {
      // The next lock removes it when this run dies in between.
      const path = `${ship}/lock.clock-${randomBytes(8).toString('hex')}`
      if (ahead === undefined) {
        try {
          learn(await writeStamp(requests, path, 'x'))
          await removeFile(requests, path)
        } catch {
          return now()
        }
      }
      return now()
    },
  }
}

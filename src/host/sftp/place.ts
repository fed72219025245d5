/** Where things lie on a host that is reached by SFTP alone, and the words for what its server refuses. */
import { ShipError } from '../../errors.ts'
import type { Token } from '../../names.ts'
import { lookAt } from './files.ts'
import { SftpProblem, type Requests } from './requests.ts'

/** A deployTo, and the requests of one verb. */
export interface Place {
  readonly requests: Requests
  /** deployTo, without a slash at its end. */
  readonly root: string
  /** `.ship` in it. */
  readonly ship: string
}

/** Longest line that is believed: a record or an owner, with room. */
export const MAX_LINE = 16_384
const LOW_BYTES = 64 * 1024
const LOW_INODES = 8

export function placeAt(deployTo: string, requests: Requests): Place {
  const root = deployTo.replace(/\/+$/, '')
  return { requests, root, ship: `${root}/.ship` }
}

export interface DiskFacts {
  readonly freeBytes: number
  /** Undefined where the file system does not count them. */
  readonly freeInodes: number | undefined
  /** Tells file systems apart. */
  readonly id: string
  readonly readOnly: boolean
}

/** What the disk at a path has left; undefined when the server does not tell. */
export async function diskAt(requests: Requests, path: string): Promise<DiskFacts | undefined> {
  if (!requests.offers('statvfs@openssh.com')) return undefined
  type Raw = Readonly<Record<'f_frsize' | 'f_bavail' | 'f_files' | 'f_favail' | 'f_sid' | 'f_flag', number>>
  const raw = await requests.ask<Raw>(`could not ask for the space at "${path}"`, (sftp, done) =>
    sftp.ext_openssh_statvfs(path, done),
  )
  return {
    freeBytes: raw.f_bavail * raw.f_frsize,
    freeInodes: raw.f_files > 0 ? raw.f_favail : undefined,
    id: String(raw.f_sid),
    readOnly: raw.f_flag % 2 === 1,
  }
}

/** Rejects (reason `locked`) when the lock is not this token's any more. What is visible is guarded more strictly: by a rename. */
export async function holding({ requests, ship }: Place, token: Token): Promise<void> {
  if (!(await lookAt(requests, `${ship}/lock/${token}`))) throw lockLost()
}

export function lockLost(): ShipError {
  return new ShipError('locked', 'the lock was taken over')
}

/**
 * Work under a lock. SFTP has few words for what went wrong, so a refusal is looked into: the lock may be another's by now, the disk
 * may be full.
 */
export async function underLock<T>(place: Place, token: Token, work: () => Promise<T>): Promise<T> {
  await holding(place, token)
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof SftpProblem)) throw error
    await holding(place, token)
    throw await explained(place, error)
  }
}

/** The same error, or the better one that the disk tells. */
export async function explained({ requests, root }: Place, error: SftpProblem): Promise<ShipError> {
  if (error.kind !== 'failed') return error
  const disk = await diskAt(requests, root).catch(() => undefined)
  if (disk === undefined) return error
  const full =
    disk.freeBytes < LOW_BYTES
      ? 'the disk is full'
      : (disk.freeInodes ?? LOW_INODES) < LOW_INODES
        ? 'no inodes are left'
        : undefined
  return full === undefined ? error : new ShipError('not-switched', full, { details: [error.message], cause: error })
}

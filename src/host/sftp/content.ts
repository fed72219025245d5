/** Content of a host's files by SFTP requests, many of them in flight for each. */
import { ShipError } from '../../errors.ts'
import { MAX_MANIFEST_BYTES } from '../sizes.ts'
import { rename, unlessMissing, type Stats } from './files.ts'
import { makePool } from './pool.ts'
import type { Requests } from './requests.ts'

/** Bytes of one request, which every server takes at once. */
const CHUNK = 32 * 1024
/** Requests in flight for one file. */
const WINDOW = 32

/** The first bytes of a file as text; undefined when there is none. */
export async function readStart(requests: Requests, path: string, bytes: number): Promise<string | undefined> {
  return unlessMissing(() =>
    withHandle(requests, path, 'r', async (handle) =>
      (await readAt(requests, { handle, path }, 0, bytes)).toString('utf8'),
    ),
  )
}

/** All of a file as text; undefined when there is none. More than `maxBytes` is refused. */
export async function readWhole(
  requests: Requests,
  path: string,
  maxBytes = MAX_MANIFEST_BYTES,
): Promise<string | undefined> {
  return unlessMissing(async () => {
    const { size } = await requests.ask<Stats>(`could not look at "${path}"`, (sftp, done) => sftp.stat(path, done))
    if (size > maxBytes) throw new ShipError('refused', `"${path}" is larger than ${maxBytes} bytes`)
    const chunks: Buffer[] = []
    await readChunks(requests, path, size, (chunk) => chunks.push(chunk))
    return Buffer.concat(chunks).toString('utf8')
  })
}

/** Content of a file in order, read ahead. */
export async function readChunks(
  requests: Requests,
  path: string,
  size: number,
  onChunk: (chunk: Buffer) => void,
): Promise<void> {
  await withHandle(requests, path, 'r', async (handle) => {
    const ahead: Promise<Buffer>[] = []
    const ask = (at: number): void => {
      const reading = readAt(requests, { handle, path }, at, Math.min(CHUNK, size - at))
      // Its failure is seen when its turn comes.
      reading.catch(() => undefined)
      ahead.push(reading)
    }
    let at = 0
    while (at < size || ahead.length > 0) {
      for (; at < size && ahead.length < WINDOW; at += CHUNK) ask(at)
      const chunk = await ahead.shift()
      if (chunk) onChunk(chunk)
    }
  })
}

export interface Written {
  readonly mode: number
  /** Default: now. */
  readonly mtime?: number | undefined
}

/** Writes a new file, whole and on the disk as far as the server can say so, with its mode and time. */
export async function writeFile(
  requests: Requests,
  path: string,
  content: Buffer | AsyncIterable<Buffer>,
  { mode, mtime }: Written,
): Promise<void> {
  await withHandle(requests, path, 'w', async (handle) => {
    const pool = makePool(WINDOW)
    let at = 0
    try {
      for await (const part of Buffer.isBuffer(content) ? [content] : content) {
        for (let from = 0; from < part.length; from += CHUNK) {
          const chunk = part.subarray(from, from + CHUNK)
          const position = at
          at += chunk.length
          await pool.add(() => writeAt(requests, { handle, path }, chunk, position))
        }
      }
    } finally {
      await pool.drain()
    }
    await finishFile(requests, { handle, path }, { mode, mtime })
  })
}

interface Open {
  readonly handle: Buffer
  readonly path: string
}

/** Mode, time and fsync of an open file. */
export async function finishFile(requests: Requests, { handle, path }: Open, { mode, mtime }: Written): Promise<void> {
  const times = mtime === undefined ? {} : { atime: mtime, mtime }
  // One behind the other without waiting: what concerns one file is done in the order in which it came.
  await Promise.all([
    requests.ask(`could not set the mode of "${path}"`, (sftp, done) =>
      sftp.fsetstat(handle, { mode, ...times }, done),
    ),
    requests.offers('fsync@openssh.com')
      ? requests.ask(`could not sync "${path}"`, (sftp, done) => sftp.ext_openssh_fsync(handle, done))
      : undefined,
  ])
}

/** Adds a line to the end of a file. What a power cut left there without its end stays a line of its own. */
export async function appendLine(requests: Requests, path: string, line: string): Promise<void> {
  await withHandle(requests, path, 'a+', async (handle) => {
    const { size } = await requests.ask<Stats>(`could not look at "${path}"`, (sftp, done) => sftp.fstat(handle, done))
    const last = size === 0 ? '\n' : (await readAt(requests, { handle, path }, size - 1, 1)).toString('latin1')
    await writeAt(requests, { handle, path }, Buffer.from(`${last === '\n' ? '' : '\n'}${line}\n`), size)
  })
}

/** Writes a line to a file by a rename, so that nobody reads half of it. */
export async function replaceLine(requests: Requests, path: string, line: string): Promise<void> {
  await writeFile(requests, `${path}.new`, Buffer.from(`${line}\n`), { mode: 0o644 })
  await rename(requests, `${path}.new`, path)
}

/** Writes a short text and resolves with the time that the host gives the file: what its clock says now. */
export async function writeStamp(requests: Requests, path: string, text: string): Promise<number> {
  return withHandle(requests, path, 'w', async (handle) => {
    await writeAt(requests, { handle, path }, Buffer.from(text), 0)
    const { mtime } = await requests.ask<Stats>(`could not look at "${path}"`, (sftp, done) => sftp.fstat(handle, done))
    return mtime
  })
}

/** Brings a folder's names to the disk, where the server opens folders and syncs; elsewhere nothing is promised. */
export async function syncFolder(requests: Requests, path: string): Promise<void> {
  if (!requests.offers('fsync@openssh.com')) return
  try {
    await withHandle(requests, path, 'r', (handle) =>
      requests.ask(`could not sync "${path}"`, (sftp, done) => sftp.ext_openssh_fsync(handle, done)),
    )
  } catch {
    // Not every server opens a folder like a file.
  }
}

/** Opens, works, closes. What close says counts, for a disk may be found full only then. */
export async function withHandle<T>(
  requests: Requests,
  path: string,
  flags: 'r' | 'w' | 'a+',
  work: (handle: Buffer) => Promise<T>,
): Promise<T> {
  const what = flags === 'r' ? `could not read "${path}"` : `could not write "${path}"`
  const handle = await requests.ask<Buffer>(what, (sftp, done) => sftp.open(path, flags, done))
  const close = (): Promise<void> => requests.ask(what, (sftp, done) => sftp.close(handle, done))
  let value: T
  try {
    value = await work(handle)
  } catch (error) {
    await close().catch(() => undefined)
    throw error
  }
  await close()
  return value
}

async function writeAt(requests: Requests, { handle, path }: Open, chunk: Buffer, position: number): Promise<void> {
  await requests.ask(`could not write "${path}"`, (sftp, done) =>
    sftp.write(handle, chunk, 0, chunk.length, position, (error) => done(error)),
  )
}

/** At most so many bytes from a position; fewer only at the file's end. */
async function readAt(requests: Requests, { handle, path }: Open, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes)
  let got = 0
  while (got < bytes) {
    const count = await requests.ask<number>(`could not read "${path}"`, (sftp, done) =>
      sftp.read(handle, buffer, got, bytes - got, position + got, done),
    )
    if (count === 0) break
    got += count
  }
  return buffer.subarray(0, got)
}

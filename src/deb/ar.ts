/**
 * The outer container of a .deb: the magic line, then members, each behind a header of 60 ASCII bytes and padded to even length
 * (deb(5), ar(5)). Names are plain and at most 15 characters; owner, group and mode are the same for all.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { ShipError, throwIfAborted } from '../errors.ts'

export interface ArMember {
  readonly name: string
  /** Bytes, or the absolute path of a file that holds them. */
  readonly content: Buffer | string
}

const MAGIC = '!<arch>\n'
/** The size field has ten decimal digits. */
const MAX_SIZE = 9_999_999_999
const CHUNK = 4 * 1024 * 1024

/** Writes an archive and syncs it. `epoch`: seconds since 1970 for every member. Rejects (reason `build`) what the container cannot hold. */
export async function writeAr(
  file: string,
  members: readonly ArMember[],
  options: { readonly epoch: number; readonly signal: AbortSignal },
): Promise<void> {
  const to = await open(file, 'wx')
  try {
    await to.writeFile(MAGIC)
    for (const { name, content } of members) {
      const size = typeof content === 'string' ? statSync(content).size : content.length
      await to.writeFile(arHeader(name, size, options.epoch))
      for (const chunk of typeof content === 'string' ? chunksOf(content) : [content]) {
        throwIfAborted(options.signal)
        await to.writeFile(chunk)
      }
      if (size % 2 === 1) await to.writeFile('\n')
    }
    await to.sync()
  } finally {
    await to.close()
  }
}

/** The header of one member. */
function arHeader(name: string, size: number, epoch: number): Buffer {
  if (!/^[A-Za-z0-9._-]{1,15}$/.test(name)) throw new Error(`"${name}" is no name for a member`)
  if (size > MAX_SIZE)
    throw new ShipError('build', `"${name}" has ${size} bytes, and a .deb holds at most ${MAX_SIZE} in one member`, {
      next: ['leave files out of the package with deb.exclude, or divide it with deb.packages'],
    })
  const fields = [name.padEnd(16), String(epoch).padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)]
  return Buffer.from(`${fields.join('')}${String(size).padEnd(10)}\`\n`, 'latin1')
}

function* chunksOf(file: string): Generator<Buffer> {
  const fd = openSync(file, 'r')
  try {
    const buffer = Buffer.allocUnsafe(CHUNK)
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) yield buffer.subarray(0, read)
  } finally {
    closeSync(fd)
  }
}

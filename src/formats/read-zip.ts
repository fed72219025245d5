/**
 * Reads a zip strictly: the central directory must describe every byte of the file, in order, once. A zip says most things twice, and
 * readers differ in what they believe; here both must agree, so that no other reader can see another bundle in the same bytes.
 */
import { createReadStream } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw } from 'node:zlib'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { ArchiveEntry, EntryVisitor } from './format.ts'
import { readDirectory, type ZipEntry } from './zip-directory.ts'

const LOCAL_HEADER = 0x04034b50
const LOCAL_BYTES = 30
const TARGET_BYTES = 4096
/** Content of entries up to this size is read whole. */
const SMALL_BYTES = 1024 * 1024

/** Visits every entry in order. Rejects with reason `refused` for whatever an archive of ship never holds. */
export async function readZip(file: string, visit: EntryVisitor, signal: AbortSignal): Promise<void> {
  const handle = await open(file, 'r')
  try {
    const { entries, start } = await readDirectory(handle)
    let offset = 0
    for (const entry of entries) {
      throwIfAborted(signal)
      if (entry.offset !== offset)
        throw new ShipError('refused', `"${escapeControls(entry.name)}" does not follow the entry before it`)
      const data = await dataOffset(handle, entry)
      await visitEntry({ file, handle, entry, data }, visit)
      offset = data + entry.compressed + entry.descriptorBytes
    }
    if (offset !== start) throw new ShipError('refused', 'the archive holds bytes that belong to no entry')
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof ShipError) throw error
    throw new ShipError('refused', `the archive is damaged: ${messageOf(error)}`, { cause: error })
  } finally {
    await handle.close()
  }
}

/** Where an entry's content begins, its local header held against the central one. */
async function dataOffset(handle: FileHandle, entry: ZipEntry): Promise<number> {
  const head = await readAt(handle, entry.offset, LOCAL_BYTES)
  const nameBytes = head.readUInt16LE(26)
  const extraBytes = head.readUInt16LE(28)
  const name = await readAt(handle, entry.offset + LOCAL_BYTES, nameBytes)
  const same =
    head.readUInt32LE(0) === LOCAL_HEADER &&
    head.readUInt16LE(6) === entry.flags &&
    head.readUInt16LE(8) === entry.method &&
    extraBytes === 0 &&
    name.equals(entry.rawName)
  if (!same) throw new ShipError('refused', `"${escapeControls(entry.name)}" is described in two ways`)
  return entry.offset + LOCAL_BYTES + nameBytes
}

interface Place {
  readonly file: string
  readonly handle: FileHandle
  readonly entry: ZipEntry
  readonly data: number
}

async function visitEntry(place: Place, visit: EntryVisitor): Promise<void> {
  const { name, type, mode, size } = place.entry
  const base: ArchiveEntry = { path: name.replace(/\/$/, ''), type, mode, size: type === 'file' ? size : 0 }
  if (type === 'file') return visit(base, contentOf(place))
  if (type === 'dir') return visit(base, undefined)
  if (size > TARGET_BYTES) throw new ShipError('refused', `"${escapeControls(name)}" is a link with a target too long`)
  const target: Buffer[] = []
  for await (const chunk of contentOf(place)) target.push(chunk)
  return visit({ ...base, target: Buffer.concat(target).toString('utf8') }, undefined)
}

/** An entry's content, held against the size and the checksum that the directory names. */
async function* contentOf(place: Place): AsyncGenerator<Buffer> {
  const { entry } = place
  let size = 0
  let sum = 0
  for await (const chunk of entry.method === 0 ? stored(place) : inflated(place)) {
    size += chunk.length
    // Before the chunk is handed on: a bomb ends here.
    if (size > entry.size) throw new ShipError('refused', `"${escapeControls(entry.name)}" is longer than it says`)
    sum = crc32(chunk, sum)
    yield chunk
  }
  if (size !== entry.size) throw new ShipError('refused', `"${escapeControls(entry.name)}" is shorter than it says`)
  if (sum !== entry.crc) throw new ShipError('refused', `"${escapeControls(entry.name)}" has a wrong checksum`)
}

async function* stored({ file, handle, entry, data }: Place): AsyncGenerator<Buffer> {
  if (entry.compressed === 0) return
  if (entry.compressed <= SMALL_BYTES) yield await readAt(handle, data, entry.compressed)
  else yield* createReadStream(file, { start: data, end: data + entry.compressed - 1 }) as AsyncIterable<Buffer>
}

async function* inflated(place: Place): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw({ chunkSize: 256 * 1024 })
  const done = pipeline(stored(place), inflate)
  // Its failure reaches the loop below as well; here it is only kept from being unhandled.
  done.catch(() => undefined)
  for await (const chunk of inflate as AsyncIterable<Buffer>) yield chunk
  await done
  if (inflate.bytesWritten !== place.entry.compressed) {
    throw new ShipError('refused', `"${escapeControls(place.entry.name)}" holds bytes after its end`)
  }
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, offset)
  if (bytesRead < length) throw new ShipError('refused', 'the archive ends in the middle of an entry')
  return buffer
}

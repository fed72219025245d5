/** The central directory of a zip: the list of entries at its end, with 64-bit fields where they are needed. */
import type { FileHandle } from 'node:fs/promises'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'

export interface ZipEntry {
  readonly name: string
  readonly rawName: Buffer
  readonly type: 'file' | 'dir' | 'link'
  /** Permission bits. */
  readonly mode: number
  readonly flags: number
  /** 0: stored, 8: deflated. */
  readonly method: number
  readonly crc: number
  readonly compressed: number
  readonly size: number
  readonly offset: number
  /** Length of the data descriptor behind the content; 0 without one. */
  readonly descriptorBytes: number
}

const END = 0x06054b50
const END_BYTES = 22
const END64 = 0x06064b50
const END64_BYTES = 56
const LOCATOR = 0x07064b50
const LOCATOR_BYTES = 20
const CENTRAL = 0x02014b50
const CENTRAL_BYTES = 46
const MAX_DIRECTORY_BYTES = 512 * 1024 * 1024
const MAX_32 = 0xffffffff
/** Data descriptor; UTF-8 names. Anything else (encryption, patches) is no bundle. */
const FLAGS = 0x0808
const DESCRIPTOR = 0x0008
const TYPES = new Map([
  [0o10, 'file'],
  [0o4, 'dir'],
  [0o12, 'link'],
] as const)

/** All entries in the order of the directory, and the offset where it starts. Rejects with reason `refused`. */
export async function readDirectory(
  handle: FileHandle,
): Promise<{ readonly entries: readonly ZipEntry[]; readonly start: number }> {
  const { size } = await handle.stat()
  const end = await at(handle, size - END_BYTES, END_BYTES)
  if (end.readUInt32LE(0) !== END || end.readUInt16LE(20) !== 0) throw damaged('does not end as a zip ends')
  const wide = await wideEnd(handle, size - END_BYTES)
  const count = wide?.count ?? end.readUInt16LE(10)
  const length = wide?.length ?? end.readUInt32LE(12)
  const start = wide?.start ?? end.readUInt32LE(16)
  if (start + length !== (wide?.at ?? size - END_BYTES))
    throw damaged('has a directory that does not end where the archive does')
  if (length > MAX_DIRECTORY_BYTES) throw damaged('has a directory beyond all measure')
  const directory = await at(handle, start, length)
  const entries: ZipEntry[] = []
  let offset = 0
  for (let i = 0; i < count; i++) {
    const { entry, next } = centralEntry(directory, offset)
    entries.push(entry)
    offset = next
  }
  if (offset !== length) throw damaged('has a directory with bytes that belong to no entry')
  return { entries, start }
}

interface WideEnd {
  readonly at: number
  readonly count: number
  readonly length: number
  readonly start: number
}

async function wideEnd(handle: FileHandle, end: number): Promise<WideEnd | undefined> {
  if (end < LOCATOR_BYTES + END64_BYTES) return undefined
  const locator = await at(handle, end - LOCATOR_BYTES, LOCATOR_BYTES)
  if (locator.readUInt32LE(0) !== LOCATOR) return undefined
  const offset = end - LOCATOR_BYTES - END64_BYTES
  const record = await at(handle, offset, END64_BYTES)
  if (record.readUInt32LE(0) !== END64 || number64(locator, 8) !== offset) throw damaged('has a broken 64-bit end')
  return { at: offset, count: number64(record, 32), length: number64(record, 40), start: number64(record, 48) }
}

function centralEntry(directory: Buffer, offset: number): { readonly entry: ZipEntry; readonly next: number } {
  const nameAt = offset + CENTRAL_BYTES
  if (nameAt > directory.length || directory.readUInt32LE(offset) !== CENTRAL) throw damaged('has a broken directory')
  const field16 = (within: number): number => directory.readUInt16LE(offset + within)
  const field32 = (within: number): number => directory.readUInt32LE(offset + within)
  const extraAt = nameAt + field16(28)
  const next = extraAt + field16(30)
  if (next > directory.length || field16(32) !== 0) throw damaged('has a broken directory')
  const rawName = directory.subarray(nameAt, extraAt)
  const name = rawName.toString('utf8')
  const flags = field16(8)
  const method = field16(10)
  const attributes = field32(38) >>> 16
  const type = TYPES.get((attributes >> 12) as 0o10)
  if ((flags & ~FLAGS) !== 0 || (method !== 0 && method !== 8))
    throw damaged(`has an entry "${name}" that is encrypted or packed in another way`)
  if (field16(4) >> 8 !== 3 || type === undefined)
    throw damaged(`has an entry "${name}" that is no file, directory or link`)
  const wide = wideFields(directory.subarray(extraAt, next), name, {
    size: field32(24),
    compressed: field32(20),
    offset: field32(42),
  })
  const descriptor = (flags & DESCRIPTOR) === 0 ? 0 : wide.size > MAX_32 || wide.compressed > MAX_32 ? 24 : 16
  const mode = attributes & 0o7777
  return {
    entry: { name, rawName, type, mode, flags, method, crc: field32(16), ...wide, descriptorBytes: descriptor },
    next,
  }
}

interface Extent {
  readonly size: number
  readonly compressed: number
  readonly offset: number
}

/** Sizes and offset, from the 64-bit extra field where the short ones say so. */
function wideFields(extra: Buffer, name: string, short: Extent): Extent {
  if (extra.length === 0) return short
  const known = extra.length === 28 && extra.readUInt16LE(0) === 1 && extra.readUInt16LE(2) === 24
  if (!known || [short.size, short.compressed, short.offset].some((n) => n !== MAX_32)) {
    throw damaged(`has an entry "${name}" with fields that ship does not write`)
  }
  return { size: number64(extra, 4), compressed: number64(extra, 12), offset: number64(extra, 20) }
}

function number64(buffer: Buffer, offset: number): number {
  const value = Number(buffer.readBigUInt64LE(offset))
  if (!Number.isSafeInteger(value)) throw damaged('has a number beyond all measure')
  return value
}

async function at(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  if (offset < 0) throw damaged('is too short for a zip')
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, offset)
  if (bytesRead < length) throw damaged('ends too early')
  return buffer
}

function damaged(what: string): ShipError {
  return new ShipError('refused', `the archive ${escapeControls(what)}`)
}

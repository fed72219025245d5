/**
 * Reads a compressed tar strictly: files, directories and links, long names in GNU's records, an end mark, and nothing behind it.
 * Headers are decoded by the `tar` package; what a lenient reader passes over is refused here.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Header } from 'tar/header'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { ByteReader } from './bytes.ts'
import type { ArchiveEntry, Content, EntryVisitor } from './format.ts'
import { BLOCK } from './tar.ts'

/** A name record longer than this is no name. */
const MAX_RECORD_BYTES = 64 * 1024

/** A decompressor that counts what it consumed. */
export type Decoder = Transform & { readonly bytesWritten: number }

/** Where in a file an archive lies. */
export interface Extent {
  readonly start: number
  readonly size: number
}

/** Visits every entry in order. Rejects with reason `refused` for whatever an archive of ship never holds. `within`: default the whole. */
export async function readTar(
  file: string,
  decoder: () => Decoder,
  visit: EntryVisitor,
  signal: AbortSignal,
  within?: Extent,
): Promise<void> {
  const decode = decoder()
  const size = within?.size ?? (await stat(file)).size
  try {
    const range = within && { start: within.start, end: within.start + within.size - 1 }
    const source = createReadStream(file, { ...range, highWaterMark: 1024 * 1024 })
    await pipeline(source, decode, (decoded: AsyncIterable<Buffer>) => readEntries(new ByteReader(decoded), visit), {
      signal,
    })
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof ShipError) throw error
    throw new ShipError('refused', `the archive is damaged: ${messageOf(error)}`, { cause: error })
  }
  // A decoder may stop after the first member or frame without a word; what follows was never looked at.
  if (decode.bytesWritten < size) throw new ShipError('refused', 'the archive holds more bytes after its end')
}

/** The same for a tar that comes as a stream; what is behind its end is for the decoder to refuse. */
export async function readTarStream(
  source: Readable,
  decoder: Transform,
  visit: EntryVisitor,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pipeline(source, decoder, (decoded: AsyncIterable<Buffer>) => readEntries(new ByteReader(decoded), visit), {
      signal,
    })
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof ShipError) throw error
    throw new ShipError('refused', `what was sent is damaged: ${messageOf(error)}`, { cause: error })
  }
}

async function readEntries(bytes: ByteReader, visit: EntryVisitor): Promise<void> {
  for (;;) {
    const entry = await nextEntry(bytes)
    if (!entry) break
    await visit(entry, entry.type === 'file' ? contentOf(entry.size, bytes) : undefined)
    const gap = (BLOCK - (entry.size % BLOCK)) % BLOCK
    const padding = bytes.here(gap) ?? (await bytes.take(gap))
    if (!padding.equals(ZEROS.subarray(0, gap)))
      throw new ShipError('refused', 'the archive holds bytes that belong to no entry')
  }
  const end = await bytes.take(BLOCK)
  if (end.some((byte) => byte !== 0)) throw new ShipError('refused', 'the archive has half an end mark')
  for await (const rest of bytes.rest()) {
    if (rest.some((byte) => byte !== 0)) throw new ShipError('refused', 'the archive holds more bytes after its end')
  }
}

const ZEROS = Buffer.alloc(BLOCK)

function contentOf(size: number, bytes: ByteReader): Content {
  const whole = bytes.here(size)
  return whole ? [whole] : bytes.chunks(size)
}

interface LongNames {
  readonly path?: string
  readonly linkpath?: string
}

/** The next entry with its long names put in place; undefined at the end mark. */
async function nextEntry(bytes: ByteReader): Promise<ArchiveEntry | undefined> {
  let long: LongNames = {}
  for (;;) {
    const block = bytes.here(BLOCK) ?? (await bytes.take(BLOCK))
    if (block.equals(ZEROS)) {
      if (Object.keys(long).length > 0) throw new ShipError('refused', 'the archive ends after a long name')
      return undefined
    }
    const header = new Header(block)
    if (!header.cksumValid) throw new ShipError('refused', 'the archive has a header with a wrong checksum')
    const type: string = header.type
    switch (type) {
      case 'NextFileHasLongPath':
        long = { ...long, path: untilZero(await record(bytes, header)) }
        break
      case 'NextFileHasLongLinkpath':
        long = { ...long, linkpath: untilZero(await record(bytes, header)) }
        break
      default:
        return entryOf(header, long)
    }
  }
}

function entryOf(header: Header, long: LongNames): ArchiveEntry {
  const path = long.path ?? header.path ?? ''
  const mode = (header.mode ?? 0) & 0o7777
  const size = header.size ?? 0
  if (!Number.isSafeInteger(size) || size < 0)
    throw new ShipError('refused', `"${escapeControls(path)}" has a size that is none`)
  const type: string = header.type
  switch (type) {
    case 'File':
    case 'OldFile':
      return { path, type: 'file', mode, size }
    case 'Directory':
      return { path: path.replace(/\/$/, ''), type: 'dir', mode, size: 0 }
    case 'SymbolicLink':
      return { path, type: 'link', mode, size: 0, target: long.linkpath ?? header.linkpath ?? '' }
    default:
      throw new ShipError(
        'refused',
        `"${escapeControls(path)}" is of type ${type}; only files, directories and links may be in a bundle`,
      )
  }
}

async function record(bytes: ByteReader, header: Header): Promise<string> {
  const size = header.size ?? 0
  if (size > MAX_RECORD_BYTES) throw new ShipError('refused', `the archive has a name of ${size} bytes`)
  const text = (await bytes.take(size)).toString('utf8')
  await bytes.take((BLOCK - (size % BLOCK)) % BLOCK)
  return text
}

function untilZero(text: string): string {
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

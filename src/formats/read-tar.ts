/**
 * Reads a compressed tar strictly: files, directories and links, long names in GNU's records, an end mark, and nothing behind it.
 * Headers are decoded by the `tar` package; what a lenient reader passes over is refused here.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Header } from 'tar'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { ByteReader } from './bytes.ts'
import type { ArchiveEntry, EntryVisitor } from './format.ts'
import { BLOCK } from './tar.ts'

/** A name record longer than this is no name. */
const MAX_RECORD_BYTES = 64 * 1024

/** A decompressor that counts what it consumed. */
export type Decoder = Transform & { readonly bytesWritten: number }

/** Visits every entry in order. Rejects with reason `refused` for whatever an archive of ship never holds. */
export async function readTar(
  file: string,
  decoder: () => Decoder,
  visit: EntryVisitor,
  signal: AbortSignal,
): Promise<void> {
  const decode = decoder()
  const { size } = await stat(file)
  try {
    const source = createReadStream(file, { highWaterMark: 1024 * 1024 })
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

async function readEntries(bytes: ByteReader, visit: EntryVisitor): Promise<void> {
  for (;;) {
    const entry = await nextEntry(bytes)
    if (!entry) break
    const content = entry.type === 'file' ? bytes.chunks(entry.size) : undefined
    await visit(entry, content)
    await bytes.take((BLOCK - (entry.size % BLOCK)) % BLOCK)
  }
  const end = await bytes.take(BLOCK)
  if (end.some((byte) => byte !== 0)) throw new ShipError('refused', 'the archive has half an end mark')
  for await (const rest of bytes.rest()) {
    if (rest.some((byte) => byte !== 0)) throw new ShipError('refused', 'the archive holds more bytes after its end')
  }
}

interface LongNames {
  readonly path?: string
  readonly linkpath?: string
}

/** The next entry with its long names put in place; undefined at the end mark. */
async function nextEntry(bytes: ByteReader): Promise<ArchiveEntry | undefined> {
  let long: LongNames = {}
  for (;;) {
    const block = await bytes.take(BLOCK)
    if (block.every((byte) => byte === 0)) {
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
  if (!Number.isSafeInteger(size) || size < 0) throw new ShipError('refused', `"${path}" has a size that is none`)
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
        `"${path}" is of type ${type}; only files, directories and links may be in a bundle`,
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

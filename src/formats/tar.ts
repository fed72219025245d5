/**
 * Tar archives with exactly the metadata we choose: owner root, one time for all, modes of the manifest, names in its order. Headers
 * come from the `tar` package; the loop is ours, for reading file by file into one big block is many times faster than a stream each.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Header } from 'tar/header'
import { ShipError, throwIfAborted } from '../errors.ts'
import type { Entry, Tree } from '../tree/manifest.ts'
import type { WriteOptions } from './format.ts'

export const BLOCK = 512
const CHUNK = 1024 * 1024
const TURN_MS = 40
/** Room of the name and link fields of a ustar header. */
const SHORT = 100

/** An archive entry before it is bytes. */
export interface TarEntry {
  readonly path: string
  readonly type: Entry['type']
  readonly mode: number
  readonly size: number
  readonly target?: string | undefined
}

/** An entry and where its bytes come from: as many as its size says. */
export interface TarItem extends TarEntry {
  readonly content?: (() => Iterable<Buffer>) | undefined
}

/** The tree as a stream of tar bytes, entries below `prefix/`. A file that is not what the manifest says is an error naming it. */
export function tarStream(tree: Tree, prefix: string, options: WriteOptions): Readable {
  return tarOf(treeItems(tree, prefix), tree.manifest.epoch, options)
}

function* treeItems({ root, manifest }: Tree, prefix: string): Generator<TarItem> {
  yield { path: `${prefix}/`, type: 'dir', mode: 0o755, size: 0 }
  for (const entry of manifest.entries) {
    const { type, mode } = entry
    const path = `${prefix}/${entry.path}`
    if (type === 'dir') yield { path: `${path}/`, type, mode, size: 0 }
    else if (type === 'link') yield { path, type, mode, size: 0, target: entry.target }
    else yield { path, type, mode, size: entry.size, content: () => fileChunks(join(root, entry.path), entry) }
  }
}

/** Entries as a stream of tar bytes, in the order given, all with one time. */
export function tarOf(items: Iterable<TarItem>, epoch: number, options: WriteOptions): Readable {
  return Readable.from(tarChunks(items, epoch, options), { objectMode: false, highWaterMark: 2 * CHUNK })
}

async function* tarChunks(items: Iterable<TarItem>, epoch: number, options: WriteOptions): AsyncGenerator<Buffer> {
  let done = 0
  let turn = performance.now()
  const pending: Buffer[] = []
  let held = 0
  for (const item of items) {
    const header = tarHeader(item, epoch)
    pending.push(header)
    held += header.length
    for (const chunk of item.content?.() ?? []) {
      pending.push(chunk)
      held += chunk.length
      done += chunk.length
      if (held >= CHUNK) {
        yield Buffer.concat(pending.splice(0))
        held = 0
      }
    }
    pending.push(padding(item.size))
    if (performance.now() - turn > TURN_MS) {
      options.onProgress?.(done)
      await nextTurn()
      throwIfAborted(options.signal)
      turn = performance.now()
    }
  }
  pending.push(tarEnd())
  yield Buffer.concat(pending)
  options.onProgress?.(done)
}

interface FileFacts {
  /** As errors name it. */
  readonly path: string
  readonly size: number
  readonly sha256: string
}

/** Content of a file, checked against the manifest while it is read: the tree must not change between walk and write. */
export function* fileChunks(file: string, entry: FileFacts): Generator<Buffer> {
  const changed = (): ShipError =>
    new ShipError('build', `"${entry.path}" changed while it was packed`, {
      next: ['build again when nothing writes to the sources'],
    })
  const sum = createHash('sha256')
  const fd = openSync(file, 'r')
  let left = entry.size
  try {
    while (left > 0) {
      const buffer = Buffer.allocUnsafe(Math.min(left, CHUNK))
      const read = readSync(fd, buffer, 0, buffer.length, null)
      if (read === 0) throw changed()
      const chunk = buffer.subarray(0, read)
      sum.update(chunk)
      left -= read
      yield chunk
    }
    if (readSync(fd, Buffer.allocUnsafe(1), 0, 1, null) > 0) throw changed()
  } finally {
    closeSync(fd)
  }
  if (sum.digest('hex') !== entry.sha256) throw changed()
}

/**
 * The header blocks of one entry. Names that do not fit go before it in GNU's own records, which every tar in use reads, dpkg's and
 * BusyBox's too; PAX records BusyBox passes over.
 */
export function tarHeader(entry: TarEntry, epoch: number): Buffer {
  const { path, type, mode, size, target } = entry
  const long = Buffer.byteLength(path) > SHORT
  const longTarget = target !== undefined && Buffer.byteLength(target) > SHORT
  const kind = type === 'dir' ? 'Directory' : type === 'link' ? 'SymbolicLink' : 'File'
  const names = { path: long ? shortened(path) : path, linkpath: longTarget ? shortened(target) : target }
  const plain = headerBlock({ ...names, type: kind, mode, size }, epoch)
  return Buffer.concat([
    ...(longTarget ? [gnuRecord('K', target)] : []),
    ...(long ? [gnuRecord('L', path)] : []),
    plain,
  ])
}

/** How many bytes `tarHeader` makes of an entry. */
export function headerSize({ path, target = '' }: Pick<TarEntry, 'path' | 'target'>): number {
  // A record is a block of its own, and the name with a zero at its end.
  const record = (name: string): number => {
    const bytes = Buffer.byteLength(name)
    return bytes > SHORT ? BLOCK + Math.ceil((bytes + 1) / BLOCK) * BLOCK : 0
  }
  return record(target) + record(path) + BLOCK
}

/** Zeros up to the next block. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
}

/** Two empty blocks: the end of an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK)
}

interface HeaderFields {
  readonly path: string
  readonly type: 'File' | 'Directory' | 'SymbolicLink'
  readonly mode: number
  readonly size: number
  readonly linkpath?: string | undefined
}

function headerBlock(fields: HeaderFields, epoch: number): Buffer {
  const header = new Header({
    ...fields,
    linkpath: fields.linkpath ?? '',
    uid: 0,
    gid: 0,
    uname: 'root',
    gname: 'root',
    mtime: new Date(epoch * 1000),
  })
  const block = Buffer.alloc(BLOCK)
  header.encode(block, 0)
  return block
}

/** GNU's record for a long name: a pseudo file that holds it. */
function gnuRecord(kind: 'L' | 'K', name: string): Buffer {
  const content = Buffer.from(`${name}\0`)
  const block = headerBlock({ path: '././@LongLink', type: 'File', mode: 0, size: content.length }, 0)
  block.write(kind, 156, 'latin1')
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([block, content, padding(content.length)])
}

/** A name cut to what the field holds, at a character's border; readers take the long one. With a slash at its end it would be a folder. */
function shortened(name: string): string {
  let text = name
  while (Buffer.byteLength(text) > SHORT - 1) text = Array.from(text).slice(0, -1).join('')
  return text.replace(/\/+$/, '')
}

/**
 * What a host unpacks: a plain tar (ustar with GNU's long names), compressed with gzip or zstd. Members, in this order:
 *
 *   checks            `sha256sum -c` input for exactly `sums`, `links`, `manifest.json`, in this order
 *   sums              `sha256sum -c` input for every file; paths are relative to the tree; empty when there is no file
 *   links             two lines per link: path relative to the tree, target; empty when there is no link
 *   manifest.json     the canonical manifest; its sha256 is the digest of the bundle
 *   <name>-<version>/ the tree: 0755, then every entry of the manifest below it, directories before what they hold, with modes
 *
 * Lines of `sums` and `checks` are `<64 hex>  <path>`: no path holds a control character or a backslash, so nothing is escaped;
 * a file at the top named "-" stands as "./-". The sha256 of `checks` goes to the host as an argument: it vouches for the lists,
 * the lists vouch for every file. `entries` is what `find | wc -l` says in the tree, less one for the tree itself.
 *
 * With a base (a release that is whole on the host) the lists come as edits of the base's (`sums.edits` and so on, see delta.ts), and two
 * more members stand before the tree, which holds only what is sent:
 *
 *   kept              which lines of the base's `sums` are files that are copied from it, in the form of edits
 *   copies            two lines per file that lies at another path: from, relative to `releases/`, and to, relative to the tree
 *   gone              paths of the base that are not in the tree
 *
 * Both compressions allow one stream after another to be read as one. So a `.tar.gz` or `.tar.zst` is sent as it lies in `dist/`, behind a
 * small stream with the lists; only a host that cannot unpack it, or a zip, makes ship pack anew.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Entry } from '../tree/manifest.ts'
import type { Version } from '../version.ts'
import type { Bundle } from './bundle.ts'
import { checkLists, digestOf, LISTS, uncheckedLists, type Lists } from './check-lists.ts'
import { bestDelta, keepsMost, type Base, type Delta } from './delta.ts'
import { keptLines, lineEdits } from './line-edits.ts'
import { nearCopies, nearOf, type Near } from './near.ts'
import { compressed, packTree } from './pack-tree.ts'
import { padding, tarHeader } from './tar.ts'
import { contentBytes } from '../tree/entries.ts'

/** How a payload of a tree is compressed. */
type Compression = 'gzip' | 'zstd'

export interface PackedPayload {
  readonly compression: Compression | 'none'
  /** The release on the host that the rest is copied from; undefined: the payload holds everything. */
  readonly base: Version | undefined
  readonly keepsMost: boolean
  /** Files that rsync puts on the host before the stream, which copies them from there. */
  readonly near?: Near | undefined
  /** Its bytes, which are being packed: all the rest is known before. */
  readonly content: Promise<PackedContent>
  /** sha256 of `checks`. */
  readonly checksDigest: string
  readonly entries: number
  /** Name of the tree's folder. */
  readonly tree: string
  /** What the tree takes on a disk, in whole blocks. */
  readonly treeBytes: number
}

export interface PackedContent {
  readonly sizeBytes: number
  /** Digest of all the bytes: the name under which a host keeps what came before a cut. */
  readonly id: string
  /** A new stream, from this byte on. */
  readonly open: (offset?: number) => Readable
}

const DISK_BLOCK = 4096
const CHUNK = 256 * 1024

/** The archive format whose bytes are a payload's tree, by compression. */
const NATIVE = { gzip: 'tar.gz', zstd: 'tar.zst' } as const

/** The compression that costs nothing to send: the bundle's own, if it has one. */
export function nativeCompression({ format }: Bundle): Compression | undefined {
  return format === NATIVE.gzip ? 'gzip' : format === NATIVE.zstd ? 'zstd' : undefined
}

export interface PackOptions {
  readonly compression: Compression
  /** Where what must be packed anew is written. */
  readonly folder: string
  /** Releases that are whole on the host. With none of use the payload holds everything. */
  readonly bases?: readonly Base[]
  /** Whether big files that changed can be sent by their differences. */
  readonly near?: boolean | undefined
  readonly signal: AbortSignal
}

/** From this share of the bytes on, an archive that need not be packed anew is quicker. */
const WORTH_A_DELTA = 0.8

/**
 * The payload of a bundle that was verified before. An archive is read strictly, and what is not as listed is refused: then `content`
 * rejects.
 */
export function packPayload(bundle: Bundle, options: PackOptions): PackedPayload {
  const { manifest } = bundle
  const { compression, bases = [], folder } = options
  const lists = checkLists(manifest)
  const delta = bestDelta(manifest, bases, options)
  const useful = delta && delta.sentBytes < WORTH_A_DELTA * contentBytes(manifest.entries) ? delta : undefined
  const near = nearOf(manifest, useful, folder)
  const content = packContent(bundle, { lists, delta: useful, near }, options)
  // Whoever waits for it is told; nobody may do so before it fails.
  content.catch(() => undefined)
  return {
    compression,
    base: useful?.base.version,
    keepsMost: useful !== undefined && keepsMost(useful, manifest),
    near,
    content,
    checksDigest: digestOf(lists.checks),
    entries: manifest.entries.length,
    tree: `${manifest.name}-${manifest.version}`,
    treeBytes: manifest.entries.reduce((sum, e) => sum + diskBytes(e), 0),
  }
}

interface Parts {
  readonly lists: Lists
  readonly delta: Delta | undefined
  readonly near: Near | undefined
}

async function packContent(
  bundle: Bundle,
  { lists, delta, near }: Parts,
  options: PackOptions,
): Promise<PackedContent> {
  const { compression, signal } = options
  // Whoever waits for what is known already goes first.
  await nextTurn()
  const isNative = !delta && bundle.format === NATIVE[compression]
  const packing = isNative ? bundle.archive : packTree(bundle, { ...options, sends: delta?.sends, near })
  // The one waits for the disk and other threads, the other for this one.
  const heading = async (): Promise<Buffer> => {
    const members = delta ? await deltaMembers(lists, delta, near) : lists
    return compressed(tarOf(members, bundle.manifest.epoch), compression)
  }
  const [archive, head] = await Promise.all([packing, heading()])
  const { size } = await stat(archive)
  return {
    sizeBytes: head.length + size,
    id: await digestOfBoth(head, archive, signal),
    open: (offset = 0) =>
      Readable.from(oneAfterAnother(head, archive, offset), { objectMode: false, highWaterMark: CHUNK }),
  }
}

/** The lists as edits of the base's, and what the host copies by itself. Others have their turn in between: a connection may be waiting. */
async function deltaMembers(
  lists: Lists,
  { base, kept, copies, gone }: Delta,
  near: Near | undefined,
): Promise<Record<string, string>> {
  const before = uncheckedLists(base.manifest)
  const edits: [string, string][] = []
  for (const name of LISTS) {
    await nextTurn()
    edits.push([`${name}.edits`, lineEdits(before[name], lists[name])])
  }
  await nextTurn()
  return {
    checks: lists.checks,
    ...Object.fromEntries(edits),
    kept: keptLines(before.sums, (line) => kept.has(pathIn(line))),
    copies: copies.map(({ from, to }) => `${from}\n${to}\n`).join('') + (near ? nearCopies(near) : ''),
    gone: gone.map((path) => `${path}\n`).join(''),
  }
}

/** Path in a line of `sums`. */
function pathIn(line: string): string {
  const path = line.slice(66)
  return path === './-' ? '-' : path
}

async function digestOfBoth(head: Buffer, archive: string, signal: AbortSignal): Promise<string> {
  const sum = createHash('sha256').update(head)
  await pipeline(createReadStream(archive, { highWaterMark: CHUNK }), sum, { signal })
  return sum.digest('hex').slice(0, 32)
}

async function* oneAfterAnother(head: Buffer, archive: string, offset: number): AsyncGenerator<Buffer> {
  if (offset < head.length) yield head.subarray(offset)
  const start = Math.max(0, offset - head.length)
  yield* createReadStream(archive, { highWaterMark: CHUNK, start }) as AsyncIterable<Buffer>
}

/** Texts as tar members, without an end mark: the tree follows. */
function tarOf(members: Lists | Record<string, string>, epoch: number): Buffer {
  const blocks = Object.entries(members as Record<string, string>).flatMap(([name, text]) => {
    const content = Buffer.from(text)
    const header = tarHeader({ path: name, type: 'file', mode: 0o644, size: content.length }, epoch)
    return [header, content, padding(content.length)]
  })
  return Buffer.concat(blocks)
}

function diskBytes(entry: Entry): number {
  return entry.type === 'file' ? Math.ceil(entry.size / DISK_BLOCK) * DISK_BLOCK : DISK_BLOCK
}

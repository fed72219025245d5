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
 * Both compressions allow one stream after another to be read as one. So a `.tar.gz` or `.tar.zst` is sent as it lies in `dist/`, behind a
 * small stream with the lists; only a host that cannot unpack it, or a zip, makes ship pack anew.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip, createZstdCompress } from 'node:zlib'
import { canonicalManifest, type Entry, type Manifest } from '../tree/manifest.ts'
import { readBundle, type Bundle } from './bundle.ts'
import { padding, tarEnd, tarHeader } from './tar.ts'

export interface PackedPayload {
  readonly compression: 'gzip' | 'zstd'
  readonly sizeBytes: number
  /** A new stream from the start. */
  open(): Readable
  /** sha256 of `checks`. */
  readonly checksDigest: string
  readonly entries: number
  /** Name of the tree's folder. */
  readonly tree: string
  /** What the tree takes on a disk, in whole blocks. */
  readonly treeBytes: number
}

const DISK_BLOCK = 4096
/** Small writes are gathered to this, for each costs a turn of the compressor. */
const CHUNK = 256 * 1024

/** The check lists of a manifest: what a host holds the tree against. */
function checkLists(manifest: Manifest): {
  readonly checks: string
  readonly sums: string
  readonly links: string
} {
  const sums = manifest.entries
    .flatMap((e) => (e.type === 'file' ? [`${e.sha256}  ${e.path === '-' ? './-' : e.path}\n`] : []))
    .join('')
  const links = manifest.entries.flatMap((e) => (e.type === 'link' ? [`${e.path}\n${e.target}\n`] : [])).join('')
  const lines = [
    `${digestOf(sums)}  sums`,
    `${digestOf(links)}  links`,
    `${digestOf(canonicalManifest(manifest))}  manifest.json`,
  ]
  return { checks: `${lines.join('\n')}\n`, sums, links }
}

/** The archive format whose bytes are a payload's tree, by compression. */
const NATIVE = { gzip: 'tar.gz', zstd: 'tar.zst' } as const

/** The compression that costs nothing to send: the bundle's own, if it has one. */
export function nativeCompression({ format }: Bundle): PackedPayload['compression'] | undefined {
  return format === NATIVE.gzip ? 'gzip' : format === NATIVE.zstd ? 'zstd' : undefined
}

/**
 * The payload of a bundle that was verified before. What must be packed anew goes to a file in `folder`; an archive in it is read strictly,
 * and what is not as listed is refused.
 */
export async function packPayload(
  bundle: Bundle,
  compression: PackedPayload['compression'],
  folder: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<PackedPayload> {
  const { manifest } = bundle
  const lists = checkLists(manifest)
  const head = await compressed(headTar(manifest, lists), compression)
  const archive =
    bundle.format === NATIVE[compression] ? bundle.archive : await repacked(bundle, compression, folder, signal)
  const { size } = await stat(archive)
  return {
    compression,
    sizeBytes: head.length + size,
    open: () => Readable.from(oneAfterAnother(head, archive), { objectMode: false, highWaterMark: CHUNK }),
    checksDigest: digestOf(lists.checks),
    entries: manifest.entries.length,
    tree: `${manifest.name}-${manifest.version}`,
    treeBytes: manifest.entries.reduce((sum, e) => sum + diskBytes(e), 0),
  }
}

async function* oneAfterAnother(head: Buffer, archive: string): AsyncGenerator<Buffer> {
  yield head
  yield* createReadStream(archive, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>
}

/** The lists as tar members, without an end mark: the tree follows. */
function headTar(manifest: Manifest, lists: ReturnType<typeof checkLists>): Buffer {
  const members = { ...lists, 'manifest.json': canonicalManifest(manifest) }
  const blocks = (['checks', 'sums', 'links', 'manifest.json'] as const).flatMap((name) => {
    const content = Buffer.from(members[name])
    const header = tarHeader({ path: name, type: 'file', mode: 0o644, size: content.length }, manifest.epoch)
    return [header, content, padding(content.length)]
  })
  return Buffer.concat(blocks)
}

async function compressed(tar: Buffer, compression: PackedPayload['compression']): Promise<Buffer> {
  const stream = compressor(compression)
  const chunks = stream.toArray() as Promise<Buffer[]>
  stream.end(tar)
  return Buffer.concat(await chunks)
}

async function repacked(
  bundle: Bundle,
  compression: PackedPayload['compression'],
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  const file = join(folder, `payload.${compression}`)
  const tar = new PassThrough({ highWaterMark: 4 * CHUNK })
  const packing = pack(bundle, tar, signal).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)))
    throw error
  })
  // The reader's own error says more than the pipeline that it broke.
  const [packed, written] = await Promise.allSettled([
    packing,
    pipeline(tar, compressor(compression), createWriteStream(file), { signal }),
  ])
  if (packed.status === 'rejected') throw packed.reason
  if (written.status === 'rejected') throw written.reason
  return file
}

async function pack(bundle: Bundle, tar: PassThrough, signal: AbortSignal): Promise<void> {
  const { name, version, epoch } = bundle.manifest
  const root = `${name}-${version}`
  const out = gathered(tar)
  await out.push(tarHeader({ path: `${root}/`, type: 'dir', mode: 0o755, size: 0 }, epoch))
  await readBundle(
    bundle,
    async (entry, content) => {
      const path = `${root}/${entry.path}${entry.type === 'dir' ? '/' : ''}`
      const size = entry.type === 'file' ? entry.size : 0
      const target = entry.type === 'link' ? entry.target : undefined
      await out.push(tarHeader({ path, type: entry.type, mode: entry.mode, size, target }, epoch))
      for await (const chunk of content) await out.push(chunk)
      await out.push(padding(size))
    },
    { signal },
  )
  await out.push(tarEnd())
  await out.end()
}

/** Writes in big chunks, and waits when the reader is behind. */
function gathered(to: PassThrough) {
  let held: Buffer[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    const chunk = Buffer.concat(held)
    held = []
    bytes = 0
    if (to.write(chunk)) return
    await new Promise<void>((resolve) => {
      const go = (): void => {
        to.off('drain', go)
        to.off('close', go)
        resolve()
      }
      to.once('drain', go)
      to.once('close', go)
    })
  }
  return {
    async push(chunk: Buffer): Promise<void> {
      held.push(chunk)
      bytes += chunk.length
      if (bytes >= CHUNK) await flush()
    },
    async end(): Promise<void> {
      await flush()
      to.end()
    },
  }
}

/** Fast levels: what is packed here is read once. */
function compressor(compression: PackedPayload['compression']): Transform {
  if (compression === 'gzip') return createGzip({ level: 3, chunkSize: CHUNK })
  return createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
    chunkSize: CHUNK,
  })
}

function diskBytes(entry: Entry): number {
  return entry.type === 'file' ? Math.ceil(entry.size / DISK_BLOCK) * DISK_BLOCK : DISK_BLOCK
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

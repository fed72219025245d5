/**
 * What a host unpacks: one file, a plain tar (ustar; GNU `L`/`K` records for long names, no PAX, so that GNU and BusyBox `tar x`
 * read it alike), compressed with gzip or zstd. Members, in this order:
 *
 *   checks         `sha256sum -c` input for exactly `sums`, `links`, `manifest.json`, in this order
 *   sums           `sha256sum -c` input for every file; paths are relative to `tree/`; empty when there is no file
 *   links          two lines per link: path relative to `tree/`, target; empty when there is no link
 *   manifest.json  the canonical manifest; its sha256 is the digest of the bundle
 *   tree/          0755, then every entry of the manifest below it, directories before what they hold, with modes
 *
 * Lines of `sums` and `checks` are `<64 hex>  <path>`: no path holds a control character or a backslash, so nothing is escaped;
 * a file at the top named "-" stands as "./-". The sha256 of `checks` goes to the host as an argument: it vouches for the lists,
 * the lists vouch for every file. `entries` is what `find tree | wc -l` says, less one for `tree` itself.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Readable, type Transform } from 'node:stream'
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

/** Writes the payload of a bundle to a file in `folder`. The archive is read strictly: what is not as listed is refused. */
export async function packPayload(
  bundle: Bundle,
  compression: PackedPayload['compression'],
  folder: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<PackedPayload> {
  const { manifest } = bundle
  const file = join(folder, `payload.${compression}`)
  const lists = checkLists(manifest)
  const tar = new PassThrough({ highWaterMark: 4 * CHUNK })
  const packing = pack(bundle, lists, tar, signal).catch((error: unknown) => {
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
  const { size: sizeBytes } = await stat(file)
  return {
    compression,
    sizeBytes,
    open: () => createReadStream(file, { highWaterMark: CHUNK }),
    checksDigest: digestOf(lists.checks),
    entries: manifest.entries.length,
    treeBytes: manifest.entries.reduce((sum, e) => sum + diskBytes(e), 0),
  }
}

async function pack(
  bundle: Bundle,
  lists: ReturnType<typeof checkLists>,
  tar: PassThrough,
  signal: AbortSignal,
): Promise<void> {
  const { manifest } = bundle
  const { epoch } = manifest
  const out = gathered(tar)
  const members = { ...lists, 'manifest.json': canonicalManifest(manifest) }
  for (const name of ['checks', 'sums', 'links', 'manifest.json'] as const) {
    const content = Buffer.from(members[name])
    await out.push(tarHeader({ path: name, type: 'file', mode: 0o644, size: content.length }, epoch, 'gnu'))
    await out.push(content)
    await out.push(padding(content.length))
  }
  await out.push(tarHeader({ path: 'tree/', type: 'dir', mode: 0o755, size: 0 }, epoch, 'gnu'))
  await readBundle(
    bundle,
    async (entry, content) => {
      const path = `tree/${entry.path}${entry.type === 'dir' ? '/' : ''}`
      const size = entry.type === 'file' ? entry.size : 0
      const target = entry.type === 'link' ? entry.target : undefined
      await out.push(tarHeader({ path, type: entry.type, mode: entry.mode, size, target }, epoch, 'gnu'))
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

/** Fast levels: the stream is read once, and the network between is seldom slower than the compressor. */
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

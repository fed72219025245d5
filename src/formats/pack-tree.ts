/** The tree of a bundle, or some of it, as a compressed tar: what must be packed anew for a host. */
import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip, createZstdCompress } from 'node:zlib'
import type { Entry } from '../tree/manifest.ts'
import { readBundle, type Bundle, type BundleVisitor } from './bundle.ts'
import { pickFiles } from './pick.ts'
import { writeNear, type Near } from './near.ts'
import { padding, tarEnd, tarHeader } from './tar.ts'

type Compression = 'gzip' | 'zstd'

export interface TreeParts {
  readonly compression: Compression
  /** Where it is written, and `near` below it. */
  readonly folder: string
  /** Which entries; undefined: all. */
  readonly sends?: ((entry: Entry) => boolean) | undefined
  /** Files that are written as they are, beside. */
  readonly near?: Near | undefined
  readonly signal: AbortSignal
}

/** Small writes are gathered to this, for each costs a turn of the compressor. */
const CHUNK = 256 * 1024

/** A small text at once. */
export async function compressed(tar: Buffer, compression: Compression): Promise<Buffer> {
  const stream = compressor(compression)
  const chunks = stream.toArray() as Promise<Buffer[]>
  stream.end(tar)
  return Buffer.concat(await chunks)
}

/** Packs the tree, or some of it, into a file of `folder`. */
export async function packTree(bundle: Bundle, parts: TreeParts): Promise<string> {
  const { compression, folder, signal } = parts
  const file = join(folder, `payload-${randomUUID()}.${compression}`)
  const tar = new PassThrough({ highWaterMark: 4 * CHUNK })
  const packing = pack(bundle, parts, tar).catch((error: unknown) => {
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

async function pack(bundle: Bundle, { sends, near, signal }: TreeParts, tar: PassThrough): Promise<void> {
  const { name, version, epoch } = bundle.manifest
  const root = `${name}-${version}`
  const out = gathered(tar)
  const beside = new Set(near?.paths)
  await out.push(tarHeader({ path: `${root}/`, type: 'dir', mode: 0o755, size: 0 }, epoch))
  const visit: BundleVisitor = async (entry, content) => {
    if (near && beside.has(entry.path)) return writeNear(near, entry, content, signal)
    if (sends && !sends(entry)) return
    const path = `${root}/${entry.path}${entry.type === 'dir' ? '/' : ''}`
    const size = entry.type === 'file' ? entry.size : 0
    const target = entry.type === 'link' ? entry.target : undefined
    await out.push(tarHeader({ path, type: entry.type, mode: entry.mode, size, target }, epoch))
    for await (const chunk of content) await out.push(chunk)
    await out.push(padding(size))
  }
  const { manifest } = bundle
  const isSent = (entry: Entry): boolean => sends?.(entry) !== false || beside.has(entry.path)
  const content = bundle.content ?? (sends ? await pickFiles(bundle, isSent, signal) : undefined)
  if (content) for (const entry of manifest.entries.filter(isSent)) await visit(entry, content.get(entry.path) ?? [])
  else await readBundle(bundle, visit, { signal })
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
function compressor(compression: Compression): Transform {
  if (compression === 'gzip') return createGzip({ level: 3, chunkSize: CHUNK })
  return createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
    chunkSize: CHUNK,
  })
}

/**
 * `.zip`: for people without tar. Written with archiver, entry by entry with every field given, for what archiver looks up itself comes
 * in the order of the disk and with the time of now. Links are entries of mode 0120777 whose content is the target, as Info-ZIP does.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { EntryData, ZipArchive } from 'archiver'
import { throwIfAborted } from '../errors.ts'
import type { Entry, Tree } from '../tree/manifest.ts'
import { bundleName, type Format, type WriteOptions } from './format.ts'
import { readZip } from './read-zip.ts'
import { fileChunks } from './tar.ts'

const LEVEL = 6
/** Up to this a file is read whole; a stream for each of thousands of small files would take most of the time. */
const SMALL_BYTES = 1024 * 1024
/** Above these a zip needs 64-bit fields; the limits leave room for headers. */
const ZIP32_BYTES = 4_000_000_000
const ZIP32_ENTRIES = 65_000

export const zip = {
  name: 'zip',
  fileName: (manifest) => `${bundleName(manifest)}.zip`,
  async write(tree, to, options) {
    const { entries } = tree.manifest
    const bytes = entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0)
    const forceZip64 = bytes > ZIP32_BYTES || entries.length > ZIP32_ENTRIES
    // Loaded only where a zip is written: it takes longer than most commands.
    const { ZipArchive: Zip } = await import('archiver')
    const archive = new Zip({ zlib: { level: LEVEL }, forceZip64 })
    // What archiver cannot read it leaves out of the archive with a mere warning.
    archive.on('warning', (error: Error) => archive.destroy(error))
    const filled = fill(archive, tree, options).catch((error: unknown) => {
      archive.destroy(error instanceof Error ? error : new Error(String(error)))
      throw error
    })
    await Promise.all([filled, pipeline(archive, to, { signal: options.signal })])
  },
  read: (file, visit, { signal }) => readZip(file, visit, signal),
} as const satisfies Format

async function fill(archive: ZipArchive, { root, manifest }: Tree, options: WriteOptions): Promise<void> {
  const prefix = `${manifest.name}-${manifest.version}`
  const date = new Date(manifest.epoch * 1000)
  let done = 0
  await append(archive, Buffer.alloc(0), { name: `${prefix}/`, type: 'directory', mode: 0o755, date })
  for (const entry of manifest.entries) {
    throwIfAborted(options.signal)
    const data = { name: `${prefix}/${entry.path}`, type: TYPES[entry.type], mode: entry.mode, date }
    const link = entry.type === 'link' ? { linkname: entry.target } : {}
    await append(archive, contentOf(join(root, entry.path), entry), { ...data, ...link })
    done += entry.type === 'file' ? entry.size : 0
    options.onProgress?.(done)
  }
  await archive.finalize()
}

const TYPES = { file: 'file', dir: 'directory', link: 'symlink' } as const

/** One entry at a time, so that memory stays flat; archiver itself would take them all into its queue. */
async function append(archive: ZipArchive, content: Buffer | Readable, data: EntryData): Promise<void> {
  const written = once(archive, 'entry')
  archive.append(content, data)
  await written
}

function contentOf(file: string, entry: Entry): Buffer | Readable {
  if (entry.type !== 'file') return Buffer.alloc(0)
  if (entry.size <= SMALL_BYTES) return Buffer.concat([...fileChunks(file, entry)])
  return Readable.from(fileChunks(file, entry), { objectMode: false })
}

/** A bundle: a manifest and an archive that holds exactly what it lists, in its order. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ShipError } from '../errors.ts'
import { manifestDigest, parseManifest, type Entry, type Manifest } from '../tree/manifest.ts'
import type { ArchiveEntry } from './format.ts'
import { formatOfFile, formats } from './index.ts'
import { parseSums, SUMS_FILE } from './sums.ts'

export interface Bundle {
  readonly manifest: Manifest
  /** sha256 of the canonical manifest, hexadecimal: the identity of the bundle. */
  readonly digest: string
  /** Absolute path of the archive that is read. */
  readonly archive: string
  /** Name of the archive's format. */
  readonly format: string
}

/** Name of the manifest's file beside the archives. */
export function manifestFileName({ name, version }: Pick<Manifest, 'name' | 'version'>): string {
  return `${name}-${version}.manifest.json`
}

/**
 * Opens an archive with the manifest beside it. Rejects with reason `usage` when the file is no archive or there is no manifest, and
 * `refused` when the two do not belong together. The content is not read yet: see `verifyBundle`.
 */
export async function openBundle(file: string): Promise<Bundle> {
  const archive = resolve(file)
  const format = formatOfFile(archive)
  if (!format) {
    throw new ShipError('usage', `"${basename(file)}" is no bundle`, {
      next: [`give a file that ends in ${formats.map((f) => `.${f.name}`).join(', ')}, or a version`],
    })
  }
  const manifest = await manifestBeside(archive, basename(archive).slice(0, -format.name.length - 1))
  if (format.fileName(manifest) !== basename(archive)) {
    throw new ShipError('refused', `"${basename(archive)}" does not belong to ${manifestFileName(manifest)}`, {
      details: [`the manifest's archive is ${format.fileName(manifest)}`],
    })
  }
  return { manifest, digest: manifestDigest(manifest), archive, format: format.name }
}

/** Gets each entry once, in the order of the manifest. What it leaves of `content` is read and checked all the same. */
export type BundleVisitor = (entry: Entry, content: AsyncIterable<Buffer>) => Promise<void>

export interface ReadOptions {
  readonly signal: AbortSignal
  /** Called with the bytes of file contents read so far. */
  readonly onProgress?: ((doneBytes: number) => void) | undefined
}

/** Reads the whole archive against the manifest. Rejects with reason `refused` naming the first entry that is not as listed. */
export async function readBundle(bundle: Bundle, visit: BundleVisitor, options: ReadOptions): Promise<void> {
  const { manifest, archive } = bundle
  const format = formats.find((f) => f.name === bundle.format)
  if (!format) throw new ShipError('refused', `"${bundle.format}" is no format of this version of ship`)
  const wanted = expectedEntries(manifest)
  let done = 0
  await format.read(
    archive,
    async (found, content) => {
      const { value: want } = wanted.next()
      if (want === undefined) throw refusal(bundle, `holds "${found.path}", which its manifest does not list`)
      const difference = differenceOf(found, want.path, want.entry ?? ROOT)
      if (difference !== undefined) throw refusal(bundle, difference)
      const hashed = hashing(content)
      if (want.entry) await visit(want.entry, hashed.content)
      // What the visitor left is read all the same: it counts for the digest.
      for await (const rest of hashed.content) void rest
      if (want.entry?.type !== 'file') return
      if (hashed.digest() !== want.entry.sha256) throw refusal(bundle, `holds "${want.entry.path}" with other bytes`)
      options.onProgress?.((done += want.entry.size))
    },
    { signal: options.signal },
  )
  const { value: missing } = wanted.next()
  if (missing) throw refusal(bundle, `lacks "${missing.path}"`)
}

/** Checks an archive's own digest against SHA256SUMS, when it stands there, and every byte in it against the manifest. */
export async function verifyBundle(bundle: Bundle, options: ReadOptions): Promise<void> {
  const folder = dirname(bundle.archive)
  const name = basename(bundle.archive)
  const text = await readFile(join(folder, SUMS_FILE), 'utf8').catch(() => '')
  const sums = parseSums(text)
  for (const file of [name, manifestFileName(bundle.manifest)]) {
    const expected = sums.get(file)
    if (expected === undefined) continue
    const digest = await fileDigest(join(folder, file), options.signal)
    if (digest !== expected) {
      throw new ShipError('refused', `"${file}" is not the file that ${SUMS_FILE} lists`, {
        details: [`it has sha256 ${digest}`, `listed is   ${expected}`],
        state: 'nothing was changed on any host',
        next: ['get the file again, or build it again'],
      })
    }
  }
  await readBundle(bundle, () => Promise.resolve(), options)
}

/** sha256 of a file, hexadecimal. */
export async function fileDigest(file: string, signal: AbortSignal): Promise<string> {
  const sum = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), sum, { signal })
  return sum.digest('hex')
}

async function manifestBeside(archive: string, stem: string): Promise<Manifest> {
  // `shop-1.4.2-linux-x64` has its manifest in `shop-1.4.2.manifest.json`.
  const stems = [stem, stem.replace(/-[a-z0-9]+-[a-z0-9]+$/, '')]
  for (const file of stems.map((s) => join(dirname(archive), `${s}.manifest.json`))) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (text !== undefined) return parseManifest(text)
  }
  throw new ShipError('usage', `there is no manifest beside "${basename(archive)}"`, {
    details: [`looked for ${stems[0]}.manifest.json in ${dirname(archive)}`],
    next: ['keep the files of a build together, or build it again: ship build'],
  })
}

interface Expected {
  /** As it stands in the archive. */
  readonly path: string
  /** Undefined for the one folder that all entries lie in. */
  readonly entry: Entry | undefined
}

const ROOT = { type: 'dir', mode: 0o755 } as const

function* expectedEntries({ name, version, entries }: Manifest): Generator<Expected, undefined> {
  const root = `${name}-${version}`
  yield { path: root, entry: undefined }
  for (const entry of entries) yield { path: `${root}/${entry.path}`, entry }
}

/** What is different in an entry, as the rest of a sentence about the archive. */
function differenceOf(found: ArchiveEntry, path: string, entry: Entry | typeof ROOT): string | undefined {
  if (found.path !== path) return `holds "${found.path}" where its manifest lists "${path}"`
  if (found.type !== entry.type) return `holds "${path}" as a ${found.type}, not a ${entry.type}`
  if (found.mode !== entry.mode)
    return `holds "${path}" with mode ${found.mode.toString(8)}, not ${entry.mode.toString(8)}`
  if ('size' in entry && found.size !== entry.size) return `holds "${path}" with ${found.size} bytes, not ${entry.size}`
  if ('target' in entry && found.target !== entry.target)
    return `holds "${path}" as a link to "${found.target ?? ''}", not "${entry.target}"`
  return undefined
}

/** Content as it passes, and the digest of what passed. */
function hashing(source: AsyncIterable<Buffer> | undefined) {
  const sum = createHash('sha256')
  async function* pass(): AsyncGenerator<Buffer> {
    for await (const chunk of source ?? []) {
      sum.update(chunk)
      yield chunk
    }
  }
  return { content: pass(), digest: () => sum.digest('hex') }
}

function refusal({ archive }: Bundle, what: string): ShipError {
  return new ShipError('refused', `${basename(archive)} ${what}`, {
    state: 'nothing was changed on any host',
    next: ['get the archive again, or build it again'],
  })
}

/** A bundle: a manifest and an archive that holds exactly what it lists, in its order. */
import { createHash, hash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { fileDigest } from '../file-digest.ts'
import { readForeign } from '../foreign.ts'
import { escapeControls } from '../names.ts'
import { manifestDigest, MAX_MANIFEST_BYTES, type Entry, type Manifest } from '../tree/manifest.ts'
import { readManifest } from '../tree/seen.ts'
import { wasBuiltHere } from './built-here.ts'
import type { ArchiveEntry, Content, Format } from './format.ts'
import { formatOfFile, formats } from './index.ts'
import { parseSums, readSums, SUMS_FILE } from './sums.ts'
import { contentBytes } from '../tree/entries.ts'

export interface Bundle {
  readonly manifest: Manifest
  /** sha256 of the canonical manifest, hexadecimal: the identity of the bundle. */
  readonly digest: string
  /** Absolute path of the archive that is read. */
  readonly archive: string
  /** Name of the archive's format. */
  readonly format: string
  /** Content of every file by its path, where a check has read it and it is little: then nothing is read twice. */
  readonly content?: ReadonlyMap<string, readonly Buffer[]> | undefined
  /** Folder that it was probably built from, absolute: what is still there as its manifest lists it need not be unpacked. */
  readonly sources?: string | undefined
  /** The tar in the archive, which nobody has looked at, where it is being unpacked already: see `unpackAhead`. */
  readonly unpacked?: Promise<Buffer | undefined> | undefined
}

/** Name of the manifest's file beside the archives. */
export function manifestFileName({ name, version }: { readonly name: string; readonly version: string }): string {
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
  const there = await stat(archive).catch(() => undefined)
  if (there && !there.isFile()) throw new ShipError('usage', `"${basename(file)}" is not a file`)
  const manifest = await manifestBeside(archive, format)
  return { manifest, digest: manifestDigest(manifest), archive, format: format.name }
}

/** Gets each entry once, in the order of the manifest. What it leaves of `content` is read and checked all the same. */
export type BundleVisitor = (entry: Entry, content: Content) => Promise<void>

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
      if (!want.entry) return
      const digest = await visited(want.entry, content ?? [], visit)
      if (want.entry.type !== 'file') return
      if (digest !== want.entry.sha256) throw refusal(bundle, `holds "${want.entry.path}" with other bytes`)
      options.onProgress?.((done += want.entry.size))
    },
    { signal: options.signal },
  )
  const { value: missing } = wanted.next()
  if (missing) throw refusal(bundle, `lacks "${missing.path}"`)
}

/** Bytes of files up to which a check holds on to what it read. */
const MAX_HELD_BYTES = 64 * 1024 * 1024

/**
 * Checks an archive's own digest against SHA256SUMS, when it stands there, and every byte in it against the manifest, unless it was built
 * here. Resolves with the bundle, and with its content where that was read and is little.
 */
export async function verifyBundle(bundle: Bundle, options: ReadOptions): Promise<Bundle> {
  const archive = await verifyListed(bundle, options.signal)
  if (await wasBuiltHere({ format: bundle.format, archive, manifest: bundle.digest })) return bundle
  const content = new Map<string, readonly Buffer[]>()
  const isLittle = contentBytes(bundle.manifest.entries) <= MAX_HELD_BYTES
  const hold: BundleVisitor = async (entry, pieces) => {
    if (entry.type !== 'file') return
    const held: Buffer[] = []
    for await (const piece of pieces) held.push(piece)
    content.set(entry.path, held)
  }
  await readBundle(bundle, isLittle ? hold : () => Promise.resolve(), options)
  return isLittle ? { ...bundle, content } : bundle
}

/** Checks archive and manifest against SHA256SUMS, where it lists them; resolves with the archive's digest. Rejects with reason `refused`. */
export async function verifyListed(bundle: Bundle, signal: AbortSignal): Promise<string> {
  const folder = dirname(bundle.archive)
  const name = basename(bundle.archive)
  const text = await readSums(folder)
  const sums = parseSums(text?.toString('utf8') ?? '')
  const archive = await fileDigest(bundle.archive, signal).catch((cause: unknown) => {
    throwIfAborted(signal)
    throw new ShipError('refused', `the archive is damaged: ${messageOf(cause)}`, { cause })
  })
  for (const file of [name, manifestFileName(bundle.manifest)]) {
    const expected = sums.get(file)
    if (expected === undefined) continue
    const digest = file === name ? archive : await fileDigest(join(folder, file), signal)
    if (digest !== expected) {
      throw new ShipError('refused', `"${file}" is not the file that ${SUMS_FILE} lists`, {
        details: [`it has sha256 ${digest}`, `listed is   ${expected}`],
        state: 'nothing was changed on any host',
        next: ['get the file again, or build it again'],
      })
    }
  }
  return archive
}

/**
 * What a bundle is made of, from its manifest alone: given the manifest's own file, or an archive that may be gone. Rejects with reason
 * `usage` when there is no manifest, and `refused` when it is damaged; both name the file.
 */
export async function openManifest(file: string): Promise<Manifest> {
  const format = formatOfFile(file)
  if (format) return manifestBeside(file, format)
  const manifest = await readManifestFile(file)
  if (manifest) return manifest
  throw new ShipError('usage', `"${basename(file)}" does not exist`)
}

/** Undefined when there is no such file. */
async function readManifestFile(file: string): Promise<Manifest | undefined> {
  const bytes = await readForeign(file, MAX_MANIFEST_BYTES)
  return bytes && namedAfter(file, () => readManifest(bytes))
}

async function manifestBeside(archive: string, format: Format): Promise<Manifest> {
  const stem = basename(archive).slice(0, -format.name.length - 1)
  // `shop-1.4.2-linux-x64` has its manifest in `shop-1.4.2.manifest.json`.
  const stems = [stem, stem.replace(/-[a-z0-9]+-[a-z0-9]+$/, '')]
  for (const file of stems.map((s) => join(dirname(archive), `${s}.manifest.json`))) {
    const manifest = await readManifestFile(file)
    if (!manifest) continue
    const name = format.fileName(manifest)
    if (name === basename(archive) && manifestFileName(manifest) === basename(file)) return manifest
    throw new ShipError(
      'refused',
      `"${escapeControls(basename(archive))}" does not belong to ${escapeControls(basename(file))}`,
      { details: [`the manifest is of ${manifest.name} ${manifest.version}, its archive is ${name}`] },
    )
  }
  throw new ShipError('usage', `there is no manifest beside "${basename(archive)}"`, {
    details: [`looked for ${stems[0]}.manifest.json in ${dirname(archive)}`],
    next: ['keep the files of a build together, or build it again: ship build'],
  })
}

/** What is wrong in a file is told with the file's name. */
async function namedAfter<T>(file: string, parse: () => Promise<T>): Promise<T> {
  try {
    return await parse()
  } catch (error) {
    if (!(error instanceof ShipError)) throw error
    throw new ShipError(error.reason, `${escapeControls(basename(file))}: ${error.message}`, {
      cause: error,
      next: error.next.length > 0 ? error.next : ['get the files of the build again, or build it again'],
    })
  }
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

/** Lets content be visited and returns its digest. What the visitor leaves is read all the same: it counts. */
async function visited(entry: Entry, content: Content, visit: BundleVisitor): Promise<string> {
  if (!(Symbol.asyncIterator in content) && content.length < 2) {
    await visit(entry, content)
    return hash('sha256', content[0] ?? '', 'hex')
  }
  const sum = createHash('sha256')
  async function* pass(): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      sum.update(chunk)
      yield chunk
    }
  }
  const passing = pass()
  await visit(entry, passing)
  for await (const rest of passing) void rest
  return sum.digest('hex')
}

function refusal({ archive }: Bundle, what: string): ShipError {
  // Names come from strangers: a line end in one would forge a line of ours.
  return new ShipError('refused', escapeControls(`${basename(archive)} ${what}`), {
    state: 'nothing was changed on any host',
    next: ['get the archive again, or build it again'],
  })
}

/** A .deb that ship built, opened again: what it says of itself, what it installs, and whether it holds the tree of its manifest. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { ShipError } from '../errors.ts'
import { manifestFileName, openManifest, type Bundle, type ReadOptions } from '../formats/bundle.ts'
import type { ArchiveEntry, Content } from '../formats/format.ts'
import { escapeControls } from '../names.ts'
import { manifestDigest, type Entry, type Manifest } from '../tree/manifest.ts'
import { readPackedTar, type PackedTar } from './decompress.ts'
import { readMembers } from './read-ar.ts'
import { withoutEpoch } from './version.ts'

export interface DebBundle extends Bundle {
  readonly format: 'deb'
  /** Fields of `control`, in their order. */
  readonly fields: Readonly<Record<string, string>>
  /** Names of the other files of the control archive: `postinst`, `md5sums`. */
  readonly controlFiles: readonly string[]
}

const MAX_CONTROL_BYTES = 256 * 1024 * 1024
/** What a package may install besides the tree. */
const MAX_OTHER_BYTES = 4 * 1024 * 1024 * 1024
/** Of an entry's header, its long names and its padding. */
const MAX_ENTRY_BYTES = 16 * 1024

export function isDebFile(file: string): boolean {
  return file.endsWith('.deb')
}

/** Rejects with reason `refused` for what is no .deb of ship, and `usage` when there is no manifest beside it. */
export async function openDeb(file: string, signal: AbortSignal): Promise<DebBundle> {
  if (!existsSync(file)) throw new ShipError('usage', `"${file}" does not exist`)
  try {
    return await opened(resolve(file), signal)
  } catch (error) {
    const isNamed =
      !(error instanceof ShipError) || error.reason !== 'refused' || error.message.includes(basename(file))
    if (isNamed) throw error
    const { details, next } = error
    throw new ShipError('refused', `${basename(file)}: ${error.message}`, { cause: error, details, next })
  }
}

async function opened(archive: string, signal: AbortSignal): Promise<DebBundle> {
  const { control } = await archivesOf(archive)
  const files = await controlTexts(control, signal)
  const fields = fieldsOf(files.get('control') ?? '')
  const { Package: name = '', Source: source = name, Version: version = '' } = fields
  const release = releaseOf(name, files.get('md5sums') ?? '') ?? semverOf(version)
  const beside = manifestFileName({ name: source, version: release })
  const place = join(dirname(archive), basename(beside))
  if (!existsSync(place)) {
    throw new ShipError('usage', `there is no manifest beside "${basename(archive)}"`, {
      details: [`looked for ${escapeControls(beside)} in ${dirname(archive)}`],
      next: ['keep the files of a build together, or build it again: ship build'],
    })
  }
  const manifest = await openManifest(place)
  if (manifest.name !== source || manifest.version !== release)
    throw new ShipError('refused', `"${basename(archive)}" does not belong to ${beside}`)
  const controlFiles = [...files.keys()].filter((n) => n !== 'control')
  return { manifest, digest: manifestDigest(manifest), archive, format: 'deb', fields, controlFiles }
}

/** Every entry that it installs, in the order of the archive; paths without `./`. */
export async function debEntries(deb: DebBundle, signal: AbortSignal): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = []
  const { data } = await archivesOf(deb.archive, deb.manifest)
  await readPackedTar(
    data,
    async (entry, content) => {
      entries.push({ ...entry, path: bare(entry.path) })
      for await (const passed of content ?? []) void passed
    },
    signal,
  )
  return entries.filter((e) => e.path !== '')
}

export interface DebCheck {
  /** Entries of the manifest that it holds, each as listed. */
  readonly held: number
  /** Files and links that it installs besides the tree. */
  readonly others: number
}

/** Reads all of it. Rejects with reason `refused` naming the first entry that is not as the manifest or its own sums say. */
export async function checkDeb(bundle: Bundle, { signal, onProgress }: ReadOptions): Promise<DebCheck> {
  const { control, data } = await archivesOf(bundle.archive, bundle.manifest)
  const files = await controlTexts(control, signal)
  const sums = sumsOf(files.get('md5sums') ?? '')
  const home = `opt/${fieldsOf(files.get('control') ?? '')['Package'] ?? ''}/releases/${bundle.manifest.version}/`
  const listed = new Map<string, Entry>(bundle.manifest.entries.map((e) => [e.path, e]))
  const count = { held: 0, others: 0 }
  let done = 0
  const refuse = (path: string, what: string): never => {
    throw new ShipError('refused', `${basename(bundle.archive)} holds "${escapeControls(path)}" ${what}`)
  }
  await readPackedTar(
    data,
    async (found, content) => {
      const path = bare(found.path)
      const inTree = path.startsWith(home) ? path.slice(home.length) : undefined
      const entry = inTree === undefined ? undefined : listed.get(inTree)
      if (inTree !== undefined && !entry) refuse(path, 'twice, or its manifest does not list it')
      listed.delete(inTree ?? '')
      const { md5, sha256 } = await digestsOf(content)
      if (found.type === 'file' && sums.get(path) !== md5) refuse(path, 'with other bytes than its md5sums say')
      if (entry && !isAs(entry, found, sha256)) refuse(path, 'in another form than its manifest lists')
      sums.delete(path)
      if (entry) count.held += 1
      else if (found.type !== 'dir') count.others += 1
      onProgress?.((done += found.size))
    },
    signal,
  )
  const [missing] = sums.keys()
  if (missing !== undefined)
    throw new ShipError('refused', `${basename(bundle.archive)} lacks "${escapeControls(missing)}" of its md5sums`)
  return count
}

function isAs(entry: Entry, found: ArchiveEntry, sha256: string): boolean {
  if (entry.type !== found.type || entry.mode !== found.mode) return false
  if (entry.type === 'link') return entry.target === found.target
  return entry.type === 'dir' || (entry.size === found.size && entry.sha256 === sha256)
}

async function digestsOf(content: Content | undefined) {
  const [md5, sha256] = [createHash('md5'), createHash('sha256')]
  for await (const chunk of content ?? []) {
    md5.update(chunk)
    sha256.update(chunk)
  }
  return { md5: md5.digest('hex'), sha256: sha256.digest('hex') }
}

async function archivesOf(file: string, manifest?: Manifest): Promise<Readonly<Record<'control' | 'data', PackedTar>>> {
  const { control, data, extension } = await readMembers(file)
  // Blocks of names and paddings count as well.
  const sizes = manifest?.entries.map((e) => (e.type === 'file' ? e.size : 0) + MAX_ENTRY_BYTES) ?? []
  const maxBytes = sizes.reduce((sum, size) => sum + size, MAX_OTHER_BYTES)
  return {
    control: { ...control, file, extension: '.gz', maxBytes: MAX_CONTROL_BYTES },
    data: { ...data, file, extension, maxBytes },
  }
}

async function controlTexts(control: PackedTar, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  let left = control.maxBytes
  await readPackedTar(
    control,
    async ({ path, size }, content) => {
      left -= size
      if (left < 0) throw new ShipError('refused', 'the package says more of itself than any does')
      if (!content) return
      const chunks: Buffer[] = []
      for await (const chunk of content) chunks.push(chunk)
      files.set(bare(path), Buffer.concat(chunks).toString('utf8'))
    },
    signal,
  )
  return files
}

function fieldsOf(control: string): Readonly<Record<string, string>> {
  const fields = control.replace(/\n$/, '').replaceAll(/\n(?=[ \t])/g, '\0')
  return Object.fromEntries(
    fields.split('\n').flatMap((line) => {
      const [, name, value] = /^([A-Za-z][A-Za-z0-9-]*): *(.*)$/s.exec(line) ?? []
      return name === undefined || value === undefined ? [] : [[name, value.replaceAll('\0', '\n')]]
    }),
  )
}

/** md5 sums by path. */
function sumsOf(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, sum, path] = /^([0-9a-f]{32}) {2}(.+)$/.exec(line) ?? []
      return sum === undefined || path === undefined ? [] : [[path, sum] as const]
    }),
  )
}

/** The release that it installs, from the place of its files. */
function releaseOf(name: string, md5sums: string): string | undefined {
  const start = `opt/${name}/releases/`
  const path = [...sumsOf(md5sums).keys()].find((p) => p.startsWith(start))
  return path?.slice(start.length).split('/')[0]
}

/** The app's version of a package without a tree, as `debVersion` wrote it. */
function semverOf(version: string): string {
  return withoutEpoch(version)
    .replace(/-[^-]*$/, '')
    .replace('~', '-')
}

/** `./opt/shop` -> `opt/shop`; empty for the root. */
function bare(path: string): string {
  return path.replace(/^\.\/?/, '')
}

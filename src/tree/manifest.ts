/**
 * The manifest: every path of a staged tree, with its digest. It is the identity of a bundle: two bundles are the same
 * exactly when the digests of their manifests are equal, whatever archive carries them.
 *
 * The text on disk and on hosts is the canonical one: fixed order of keys, one entry per line, one newline at the end. The reader
 * takes an allow-list of keys and refuses everything else by name.
 */
import { createHash } from 'node:crypto'
import { ShipError } from '../errors.ts'
import { parseForeignJson } from '../foreign.ts'
import { escapeControls, parseAppName, type AppName, type RelPath } from '../names.ts'
import type { Component } from '../recipe.ts'
import { isVersion, type Version } from '../version.ts'
import { checkComponents, COMPONENT_KEYS, mergeComponents, parseComponent } from './components.ts'
import { compareBytes, entriesProblem, MAX_ENTRIES } from './entries.ts'
import { allow, inOrder, list, number, record, shown, text } from './fields.ts'

/** `mode` holds the permission bits only (0o644, 0o755); owner and times are not part of a tree. */
export type Entry =
  | {
      readonly path: RelPath
      readonly type: 'file'
      readonly mode: number
      readonly size: number
      readonly sha256: string
    }
  | { readonly path: RelPath; readonly type: 'dir'; readonly mode: number }
  | { readonly path: RelPath; readonly type: 'link'; readonly mode: number; readonly target: string }

export type FileEntry = Extract<Entry, { readonly type: 'file' }>

export interface Manifest {
  readonly schema: 1
  readonly name: AppName
  readonly version: Version
  /** `<os>-<cpu>` as Node names them (`linux-x64`), or `any` when nothing in the tree depends on a platform. */
  readonly platform: string
  /** Seconds since 1970 that every archive stamps on its entries: SOURCE_DATE_EPOCH, else the commit's time. */
  readonly epoch: number
  /** Full commit id of the sources, when they come from git. `dirty` when the work tree differed from it. */
  readonly commit?: string | undefined
  readonly dirty?: boolean | undefined
  readonly components: readonly Component[]
  /** Sorted by path, bytewise; a directory stands before what it holds. */
  readonly entries: readonly Entry[]
}

/** A tree on disk and what it holds, frozen: every format reads the same one. */
export interface Tree {
  readonly root: string
  readonly manifest: Manifest
}

const PLATFORM = /^(?:any|[a-z0-9]+-[a-z0-9]+)$/
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
/** The last second that every archive format can hold: end of 2107, where zip's clock stops. */
const MAX_EPOCH = 4_354_819_199
const MAX_COMPONENTS = 10_000
/** Above what the largest tree's manifest takes: six values for each of a million entries, some 200 bytes each. */
export const MAX_MANIFEST_BYTES = 384 * 1024 * 1024
const MAX_VALUES = 10_000_000

/** A manifest from its parts, entries sorted. Rejects what no tree may be, with reason `build`. */
export function makeManifest(parts: Omit<Manifest, 'schema'>): Manifest {
  const { name, version, platform, epoch, commit, dirty } = parts
  const components = mergeComponents(parts.components)
  const entries = parts.entries.toSorted((a, b) => compareBytes(a.path, b.path))
  const manifest: Manifest = { schema: 1, name, version, platform, epoch, commit, dirty, components, entries }
  check(manifest, 'build')
  return manifest
}

/** A manifest is never changed, and its text is wanted for its digest, for the lists of a host, and to be kept. */
const texts = new WeakMap<Manifest, string>()

/** The canonical text of a manifest: what `<name>-<version>.manifest.json` holds. */
export function canonicalManifest(manifest: Manifest): string {
  const known = texts.get(manifest)
  if (known !== undefined) return known
  const made = canonicalText(manifest)
  texts.set(manifest, made)
  return made
}

function canonicalText(manifest: Manifest): string {
  const { schema, name, version, platform, epoch, commit, dirty } = manifest
  const head = JSON.stringify({ schema, name, version, platform, epoch, commit, dirty: dirty === true || undefined })
  const components = manifest.components.map((c) => JSON.stringify(inOrder(c, COMPONENT_KEYS)))
  const entries = manifest.entries.map(entryText)
  return `${head.slice(0, -1)},\n"components":${lines(components)},\n"entries":${lines(entries)}}\n`
}

/** One of thousands: a text in the order of `ENTRY_KEYS`. */
function entryText(entry: Entry): string {
  const { path, type, mode } = entry
  const head = `{"path":${JSON.stringify(path)},"type":"${type}","mode":${mode}`
  if (type === 'dir') return `${head}}`
  if (type === 'link') return `${head},"target":${JSON.stringify(entry.target)}}`
  return `${head},"size":${entry.size},"sha256":${JSON.stringify(entry.sha256)}}`
}

/** sha256 of the canonical text, hexadecimal. */
export function manifestDigest(manifest: Manifest): string {
  return createHash('sha256').update(canonicalManifest(manifest)).digest('hex')
}

/** Reads what `canonicalManifest` wrote, where somebody vouches for that: nothing is looked at again. */
export function manifestOfCanonical(canonical: string): Manifest {
  const manifest = JSON.parse(canonical) as Manifest
  texts.set(manifest, canonical)
  return manifest
}

/**
 * Reads a manifest from its text or its bytes. Refuses (reason `refused`) unknown keys, a schema of the future, paths that are none, duplicates,
 * files below files, links that lead out and every value out of its range; each by name.
 */
export function parseManifest(input: unknown): Manifest {
  const value = record(
    typeof input === 'string' || Buffer.isBuffer(input) ? parseForeignJson(input, 'the manifest', MAX_VALUES) : input,
    'the manifest',
  )
  if (value['schema'] !== 1) {
    throw new ShipError('refused', `the manifest has schema ${shown(value['schema'])}, this version of ship reads 1`, {
      next: ['update ship, or build the bundle again with this version'],
    })
  }
  allow(value, MANIFEST_KEYS, 'the manifest')
  const manifest: Manifest = {
    schema: 1,
    name: parseName(value['name']),
    version: text(value['version'], 'version') as Version,
    platform: text(value['platform'], 'platform'),
    epoch: number(value['epoch'], 'epoch'),
    commit: value['commit'] === undefined ? undefined : text(value['commit'], 'commit'),
    dirty: flag(value['dirty']),
    components: list(value['components'], 'components', MAX_COMPONENTS).map(parseComponent),
    entries: list(value['entries'], 'entries', MAX_ENTRIES).map(parseEntry),
  }
  check(manifest, 'refused')
  return manifest
}

const MANIFEST_KEYS = ['schema', 'name', 'version', 'platform', 'epoch', 'commit', 'dirty', 'components', 'entries']
const ENTRY_KEYS = {
  file: ['path', 'type', 'mode', 'size', 'sha256'],
  dir: ['path', 'type', 'mode'],
  link: ['path', 'type', 'mode', 'target'],
} satisfies Record<Entry['type'], readonly string[]>

/** The rules that hold for built and for read manifests alike. */
function check(manifest: Manifest, reason: 'build' | 'refused'): void {
  const { version, platform, epoch, commit } = manifest
  const wrong = (what: string, value: unknown): ShipError =>
    new ShipError(reason, `the manifest has ${what} ${shown(value)}`)
  if (!isVersion(version)) throw wrong('a version that is none,', version)
  if (!PLATFORM.test(platform)) throw wrong('a platform that is none,', platform)
  if (!Number.isSafeInteger(epoch) || epoch < 0 || epoch > MAX_EPOCH) throw wrong('a time out of range,', epoch)
  if (commit !== undefined && !COMMIT.test(commit)) throw wrong('a commit that is none,', commit)
  checkComponents(manifest.components, reason)
  const found = entriesProblem(manifest.entries)
  if (!found) return
  throw new ShipError(
    reason,
    `${reason === 'build' ? '' : 'the manifest: '}"${escapeControls(found.path)}" ${escapeControls(found.problem)}`,
  )
}

function parseEntry(input: unknown): Entry {
  const value = record(input, 'an entry of the manifest')
  const path = value['path']
  const type = value['type']
  if (typeof path !== 'string') throw new ShipError('refused', `the manifest has an entry with path ${shown(path)}`)
  const where = `entry "${escapeControls(path)}" of the manifest`
  if (type !== 'file' && type !== 'dir' && type !== 'link')
    throw new ShipError('refused', `${where} is of type ${shown(type)}`)
  allow(value, ENTRY_KEYS[type], where)
  const base = { path: path as RelPath, mode: number(value['mode'], 'mode', where) }
  if (type === 'dir') return { ...base, type }
  if (type === 'link') return { ...base, type, target: text(value['target'], 'target', { where, max: 4096 }) }
  const sha256 = text(value['sha256'], 'sha256', { where })
  return { ...base, type, size: number(value['size'], 'size', where), sha256 }
}

function parseName(value: unknown): AppName {
  try {
    return parseAppName(text(value, 'name'))
  } catch (cause) {
    throw cause instanceof ShipError ? cause.as('refused') : cause
  }
}

function flag(value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  throw new ShipError('refused', `the manifest has ${shown(value)} as dirty`)
}

function lines(items: readonly string[]): string {
  return items.length === 0 ? '[]' : `[\n${items.join(',\n')}\n]`
}

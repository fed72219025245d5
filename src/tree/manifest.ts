/**
 * The manifest: every path of a staged tree, with its digest. It is the identity of a bundle: two bundles are the same
 * exactly when the digests of their manifests are equal, whatever archive carries them.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import { escapeControls, parseAppName, relPathProblem, type AppName, type RelPath } from '../names.ts'
import type { Component } from '../recipe.ts'
import { isVersion, type Version } from '../version.ts'

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

/** Modes a tree may have; owner and special bits are not part of one. */
export const FILE_MODES: readonly number[] = [0o644, 0o755]
export const DIR_MODE = 0o755
export const LINK_MODE = 0o777
/** Above this a tree is no app. */
const MAX_ENTRIES = 1_000_000

/** The canonical text: fixed order of keys, one entry a line. Equal manifests are equal bytes. */
export function manifestText(manifest: Manifest): string {
  const { schema, name, version, platform, epoch, commit, dirty, components } = manifest
  const head = JSON.stringify({ schema, name, version, platform, epoch, commit, dirty, components: components.map(canonicalComponent) })
  const lines = manifest.entries.map((e) => JSON.stringify(canonicalEntry(e)))
  return `${head.slice(0, -1)},"entries":[\n${lines.join(',\n')}\n]}\n`
}

/** sha256 of the canonical text: the identity of a bundle. */
export function manifestDigest(manifest: Manifest): string {
  return createHash('sha256').update(manifestText(manifest)).digest('hex')
}

function canonicalEntry(entry: Entry): object {
  const { path, type, mode } = entry
  if (entry.type === 'file') return { path, type, mode, size: entry.size, sha256: entry.sha256 }
  return entry.type === 'link' ? { path, type, mode, target: entry.target } : { path, type, mode }
}

function canonicalComponent({ name, version, license }: Component): object {
  return { name, version, license }
}

const entrySchema = z.discriminatedUnion('type', [
  z.strictObject({ path: z.string(), type: z.literal('file'), mode: z.literal([0o644, 0o755]), size: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  z.strictObject({ path: z.string(), type: z.literal('dir'), mode: z.literal(0o755) }),
  z.strictObject({ path: z.string(), type: z.literal('link'), mode: z.literal(0o777), target: z.string() }),
])

const manifestSchema = z.strictObject({
  schema: z.literal(1),
  name: z.string(),
  version: z.string().refine(isVersion, 'is not a version'),
  platform: z.string().regex(/^[a-z0-9]+(-[a-z0-9_]+)?$/),
  epoch: z.int().min(0),
  commit: z.string().max(128).optional(),
  dirty: z.boolean().optional(),
  components: z.array(z.strictObject({ name: z.string().max(256), version: z.string().max(256), license: z.string().max(1024).optional() })).max(100_000),
  entries: z.array(entrySchema).max(MAX_ENTRIES, `more than ${MAX_ENTRIES} entries`),
})

/**
 * Reads a manifest of unknown origin. Rejects (reason `refused`) by name whatever could do harm or be unpacked in two ways: unsafe paths,
 * duplicates, names that differ only in Unicode form, things below files, links that leave the tree, unsorted entries.
 */
export function parseManifest(text: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ShipError('refused', 'the manifest is not JSON', { cause })
  }
  const parsed = manifestSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new ShipError('refused', `the manifest is not valid: ${escapeControls(`${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim())}`)
  }
  const manifest = { ...parsed.data, name: parseAppName(parsed.data.name) } as Manifest
  checkEntries(manifest.entries)
  return manifest
}

/** What every tree must hold to, built or read. Throws a ShipError of reason `refused` naming the first path that does not. */
export function checkEntries(entries: readonly Entry[]): void {
  const kinds = new Map<string, Entry['type']>()
  const folded = new Set<string>()
  let before: Buffer | undefined
  for (const entry of entries) {
    const problem = relPathProblem(entry.path) ?? placeProblem(entry, kinds)
    if (problem !== undefined) throw new ShipError('refused', `path "${escapeControls(entry.path)}" ${problem}`)
    const bytes = Buffer.from(entry.path)
    if (before && Buffer.compare(before, bytes) >= 0) {
      const what = kinds.has(entry.path) ? 'is there twice' : 'is not in order'
      throw new ShipError('refused', `path "${escapeControls(entry.path)}" ${what}`)
    }
    const form = entry.path.normalize('NFC')
    if (folded.has(form)) throw new ShipError('refused', `path "${entry.path}" differs from another one only in its Unicode form`)
    folded.add(form)
    kinds.set(entry.path, entry.type)
    before = bytes
  }
}

function placeProblem(entry: Entry, kinds: ReadonlyMap<string, Entry['type']>): string | undefined {
  const slash = entry.path.lastIndexOf('/')
  const parent = slash < 0 ? undefined : entry.path.slice(0, slash)
  if (parent !== undefined && kinds.get(parent) !== 'dir') {
    return kinds.has(parent) ? `lies below "${escapeControls(parent)}", which is no folder` : 'has no entry for its folder'
  }
  return entry.type === 'link' ? linkProblem(entry.path, entry.target) : undefined
}

/** Why a link may not be in a tree, or undefined: it must be relative and stay inside. */
export function linkProblem(path: string, target: string): string | undefined {
  if (target === '') return 'is a link to nothing'
  if (target.startsWith('/')) return `is a link to the absolute path "${escapeControls(target)}"`
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (/[\u0000-\u001f\u007f\\]/.test(target) || !target.isWellFormed()) return 'is a link whose target holds characters that are not allowed'
  let depth = path.split('/').length - 1
  for (const segment of target.split('/')) {
    if (segment === '..') depth--
    else if (segment !== '' && segment !== '.') depth++
    if (depth < 0) return `is a link that leaves the tree: "${escapeControls(target)}"`
  }
  return undefined
}

/**
 * What a host lacks of a release, held against the releases it has. Pure. Content is matched by sha256, and laid down path by path: a
 * file that stays where it was is copied from the base, one that moved is copied from its old place, and only the rest is sent.
 */
import { alongside } from '../tree/alongside.ts'
import type { Entry, FileEntry, Manifest } from '../tree/manifest.ts'
import type { Version } from '../version.ts'

/** A release that is whole on a host. */
export interface Base {
  readonly version: Version
  readonly manifest: Manifest
  /** Digest of the manifest. */
  readonly digest: string
  /** Links into shared/ that were laid over it: what was below them is not there. */
  readonly shared: readonly string[]
}

export interface Delta {
  /** The release that most is taken from. */
  readonly base: Base
  /** Paths of files that are copied from the same path of the base. */
  readonly kept: ReadonlySet<string>
  /** Files that lie at other paths: `from` is relative to `releases/`, `to` to the tree. */
  readonly copies: readonly { readonly from: string; readonly to: string }[]
  /** Big files that lie there with other content, and are sent by their differences alone. Only when that was asked for. */
  readonly near: ReadonlySet<string>
  /** What lies in the base and not in the target. */
  readonly gone: readonly string[]
  /** Content bytes of the files that are sent whole. */
  readonly sentBytes: number
  /** Whether an entry travels in the archive. */
  readonly sends: (entry: Entry) => boolean
}

/** Each file that moved is a process on the host; beyond this many, sending is quicker. */
const MAX_COPIES = 2000
/** A file below this is sent sooner than it is copied. */
const MIN_COPIED_BYTES = 512
/** To find out what of a file is new takes some round trips; a file below this is sent sooner. */
const MIN_NEAR_BYTES = 256 * 1024

/**
 * The delta with the fewest bytes to send; undefined when no file of the target stands in a base. `near`: big files that changed can be
 * sent by their differences.
 */
export function bestDelta(
  target: Manifest,
  bases: readonly Base[],
  { near = false }: { readonly near?: boolean } = {},
): Delta | undefined {
  const files = bases.map(heldFiles)
  const minNear = near ? MIN_NEAR_BYTES : Number.POSITIVE_INFINITY
  const deltas = bases.map((base, index) => {
    const own = files[index] ?? []
    return deltaFrom(target, base, [own, ...files.filter((others) => others !== own)], minNear)
  })
  const [best] = deltas.filter((d) => d.kept.size + d.near.size > 0).toSorted((a, b) => a.sentBytes - b.sentBytes)
  return best
}

/** Files whose content no base holds. */
export function lackingFiles(target: Pick<Manifest, 'entries'>, bases: readonly Base[]): FileEntry[] {
  const there = new Set(bases.flatMap((base) => heldFiles(base).map(({ sha256 }) => sha256)))
  return target.entries.filter((e): e is FileEntry => e.type === 'file' && !there.has(e.sha256))
}

interface HeldFile {
  readonly path: string
  readonly mode: number
  readonly sha256: string
  /** Relative to `releases/`. */
  readonly place: string
}

/** A base is asked more than once. */
const listed = new WeakMap<Base, readonly HeldFile[]>()

/** The files that really lie in a release. */
function heldFiles(base: Base): readonly HeldFile[] {
  const files = listed.get(base) ?? filesOf(base)
  listed.set(base, files)
  return files
}

function filesOf({ version, manifest, shared }: Base): HeldFile[] {
  const covered = (path: string): boolean => shared.some((s) => path === s || path.startsWith(`${s}/`))
  return manifest.entries.flatMap((e) =>
    e.type === 'file' && !covered(e.path)
      ? [{ path: e.path, mode: e.mode, sha256: e.sha256, place: `${version}/${e.path}` }]
      : [],
  )
}

/** `held`: the files of the base, then those of the others. */
function deltaFrom(target: Manifest, base: Base, held: readonly (readonly HeldFile[])[], minNear: number): Delta {
  const [own = []] = held
  const kept = new Set<string>()
  const changed: { readonly entry: FileEntry; readonly isThere: boolean }[] = []
  alongside(own, target.entries, (there, entry) => {
    if (entry?.type !== 'file') return
    // Of another mode it is another file: two names for one file have one mode.
    if (there?.sha256 === entry.sha256 && there.mode === entry.mode) kept.add(entry.path)
    else changed.push({ entry, isThere: there !== undefined })
  })
  const places = placesOf(new Set(changed.map(({ entry }) => entry.sha256)), held)
  const near = new Set<string>()
  const copies: { from: string; to: string }[] = []
  let sentBytes = 0
  for (const { entry, isThere } of changed) {
    const from = places.get(entry.sha256)
    if (from !== undefined && entry.size >= MIN_COPIED_BYTES && copies.length < MAX_COPIES)
      copies.push({ from, to: entry.path })
    else if (entry.size >= minNear && isThere) near.add(entry.path)
    else sentBytes += entry.size
  }
  const copied = new Set(copies.map((c) => c.to))
  // What is copied to a folder makes it, in the mode that all folders have.
  const appearing = foldersOf(kept)
  const sends = (entry: Entry): boolean =>
    entry.type === 'file'
      ? !kept.has(entry.path) && !copied.has(entry.path) && !near.has(entry.path)
      : entry.type === 'link' || !appearing.has(entry.path)
  return { base, kept, copies, near, gone: goneFrom(base.manifest, target), sentBytes, sends }
}

/** Where each content lies, the base's own place before others. */
function placesOf(wanted: ReadonlySet<string>, held: readonly (readonly HeldFile[])[]): ReadonlyMap<string, string> {
  const places = new Map<string, string>()
  for (const files of held) {
    for (const { sha256, place } of files) if (wanted.has(sha256) && !places.has(sha256)) places.set(sha256, place)
  }
  return places
}

function goneFrom(base: Manifest, target: Manifest): string[] {
  const gone: string[] = []
  alongside(base.entries, target.entries, (before, after) => {
    if (before && !after) gone.push(before.path)
  })
  return gone
}

/** From this share of the base's files on, it is copied as a whole. */
const MOST = 0.75

/** Whether a base is copied as a whole: nearly all of it stays, and nothing that is a folder in one is none in the other. */
export function keepsMost({ base, kept }: Delta, target: Manifest): boolean {
  const files = base.manifest.entries.filter(({ type }) => type === 'file').length
  let isSameKind = true
  alongside(base.manifest.entries, target.entries, (before, after) => {
    if (before && after && (before.type === 'dir') !== (after.type === 'dir')) isSameKind = false
  })
  return isSameKind && kept.size >= MOST * files
}

/** All folders above some paths, which come in their order. */
function foldersOf(paths: Iterable<string>): Set<string> {
  const folders = new Set<string>()
  let last = ''
  for (const path of paths) {
    let at = path.lastIndexOf('/')
    // Mostly the folder of the one before.
    if (at === last.length && path.startsWith(last)) continue
    last = path.slice(0, Math.max(at, 0))
    for (; at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at)
      if (folders.has(folder)) break
      folders.add(folder)
    }
  }
  return folders
}

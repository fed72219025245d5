/**
 * What a host lacks of a release, held against the releases it has. Pure. Content is matched by sha256, and laid down path by path: a
 * file that stays where it was is copied from the base, one that moved is copied from its old place, and only the rest is sent.
 */
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

/** Mode of folders that appear by themselves where a file is copied to. */
const PLAIN_FOLDER = 0o755
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
const held = new WeakMap<Base, readonly HeldFile[]>()

/** The files that really lie in a release. */
function heldFiles(base: Base): readonly HeldFile[] {
  const known = held.get(base) ?? filesOf(base)
  held.set(base, known)
  return known
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
  const inBase = new Map((held[0] ?? []).map((f) => [f.path, f]))
  const places = new Map<string, string>()
  for (const { sha256, place } of held.flat()) if (!places.has(sha256)) places.set(sha256, place)
  const kept = new Set<string>()
  const near = new Set<string>()
  const copies: { from: string; to: string }[] = []
  let sentBytes = 0
  for (const entry of target.entries) {
    if (entry.type !== 'file') continue
    const from = places.get(entry.sha256)
    const there = inBase.get(entry.path)
    // Of another mode it is another file: two names for one file have one mode.
    if (there?.sha256 === entry.sha256 && there.mode === entry.mode) kept.add(entry.path)
    else if (from !== undefined && entry.size >= MIN_COPIED_BYTES && copies.length < MAX_COPIES)
      copies.push({ from, to: entry.path })
    else if (entry.size >= minNear && inBase.has(entry.path)) near.add(entry.path)
    else sentBytes += entry.size
  }
  const copied = new Set(copies.map((c) => c.to))
  const appearing = foldersOf(kept)
  const odd = new Set(base.manifest.entries.flatMap((e) => (e.mode === PLAIN_FOLDER ? [] : [e.path as string])))
  const appears = (entry: Entry): boolean =>
    entry.mode === PLAIN_FOLDER && appearing.has(entry.path) && !odd.has(entry.path)
  const sends = (entry: Entry): boolean =>
    entry.type === 'file'
      ? !kept.has(entry.path) && !copied.has(entry.path) && !near.has(entry.path)
      : entry.type === 'link' || !appears(entry)
  const wanted = new Set(target.entries.map(({ path }) => path))
  const gone = base.manifest.entries.flatMap(({ path }) => (wanted.has(path) ? [] : [path]))
  return { base, kept, copies, near, gone, sentBytes, sends }
}

/** From this share of the base's files on, it is copied as a whole. */
const MOST = 0.75

/** Whether a base is copied as a whole: nearly all of it stays, and nothing that is a folder in one is none in the other. */
export function keepsMost({ base, kept }: Delta, target: Manifest): boolean {
  const folders = new Map(base.manifest.entries.map((e) => [e.path as string, e.type === 'dir']))
  const files = base.manifest.entries.filter(({ type }) => type === 'file').length
  const isSameKind = (e: Entry): boolean => (folders.get(e.path) ?? e.type === 'dir') === (e.type === 'dir')
  return kept.size >= MOST * files && target.entries.every(isSameKind)
}

/** All folders above some paths. */
function foldersOf(paths: Iterable<string>): Set<string> {
  const folders = new Set<string>()
  for (const path of paths) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at)
      if (folders.has(folder)) break
      folders.add(folder)
    }
  }
  return folders
}

/** How far ahead a line is looked for before all lines are; so many that are not found there count as new. */
const NEAR_LINES = 500
const MAX_NEW = 200

/**
 * A text as edits of another one, line by line: `k 3 17` keeps its lines 3 to 17, `+text` is a new one. Lists are sent like this, for
 * most of a list is digests, which do not compress. Both texts have the same order, and little differs: what follows mostly stands next.
 */
export function lineEdits(before: string, after: string): string {
  const old = linesOf(before)
  const ranges = keptRanges()
  let places: Map<string, number[]> | undefined
  let unknown = 0
  let next = 0
  for (const line of linesOf(after)) {
    const at = old[next] === line ? next : placeOf(line)
    if (at === undefined) ranges.add(line)
    else {
      ranges.keep(at + 1)
      next = at + 1
    }
  }
  return ranges.text()

  function placeOf(line: string): number | undefined {
    const end = Math.min(old.length, next + NEAR_LINES)
    for (let at = next; at < end; at++) if (old[at] === line) return at
    if (end === old.length || ++unknown <= MAX_NEW) return undefined
    places ??= Map.groupBy(old.keys(), (at) => old[at] ?? '')
    return places.get(line)?.find((at) => at >= next)
  }
}

/** The text that `lineEdits(before, text)` came from. Edits of unknown origin give a wrong text, never an error: its digest tells. */
export function applyEdits(before: string, edits: string): string {
  const lines = linesOf(before)
  const made = linesOf(edits).flatMap((edit) => {
    if (edit.startsWith('+')) return [edit.slice(1)]
    const [, from = '', to = ''] = /^k (\d{1,9}) (\d{1,9})$/.exec(edit) ?? []
    return from === '' ? [] : lines.slice(Number(from) - 1, Number(to))
  })
  return made.map((line) => `${line}\n`).join('')
}

/** Which lines of a list stay, in the same form. */
export function keptLines(text: string, isKept: (line: string) => boolean): string {
  const ranges = keptRanges()
  for (const [index, line] of linesOf(text).entries()) if (isKept(line)) ranges.keep(index + 1)
  return ranges.text()
}

/** Edits as they are written. Lines count from 1. */
function keptRanges() {
  const edits: string[] = []
  let from = 0
  let to = 0
  const close = (): void => {
    if (to > 0) edits.push(`k ${from} ${to}\n`)
    to = 0
  }
  return {
    keep(line: number): void {
      if (line !== to + 1 || to === 0) {
        close()
        from = line
      }
      to = line
    },
    add(line: string): void {
      close()
      edits.push(`+${line}\n`)
    },
    text(): string {
      close()
      return edits.join('')
    },
  }
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  lines.pop()
  return lines
}

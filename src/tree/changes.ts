/**
 * What changed between two bundles, for people who decide whether to release the second one: files, moves, modes, growth, components,
 * licences and shared libraries. Pure: two manifests in, plain data out. See diff.ts for the bare question what a host gets.
 */
import type { Component } from '../recipe.ts'
import { contentBytes, compareBytes } from './entries.ts'
import type { Entry, Manifest } from './manifest.ts'

/** One side of an entry. `size` is that of a file, in bytes; `target` that of a link. */
interface Side {
  readonly type: Entry['type']
  readonly mode: number
  readonly size?: number | undefined
  readonly target?: string | undefined
}

export interface OneSided extends Side {
  readonly path: string
}

export interface Changed {
  readonly path: string
  readonly from: Side
  readonly to: Side
  readonly content: boolean
  /** Bytes that it grew by; negative when it shrank, 0 for links and folders. */
  readonly growth: number
}

/** A file whose bytes were at another path before. */
export interface Renamed {
  readonly from: string
  readonly to: string
  readonly size: number
  readonly modes: readonly [before: number, after: number]
}

interface ComponentChange {
  readonly name: string
  readonly from: Omit<Component, 'name'>
  readonly to: Omit<Component, 'name'>
}

interface Names {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

export interface BundleChanges {
  readonly added: readonly OneSided[]
  readonly removed: readonly OneSided[]
  readonly changed: readonly Changed[]
  readonly renamed: readonly Renamed[]
  readonly unchanged: number
  /** Bytes of all files before and after. */
  readonly bytes: { readonly from: number; readonly to: number }
  readonly components: {
    readonly added: readonly Component[]
    readonly removed: readonly Component[]
    readonly changed: readonly ComponentChange[]
  }
  readonly licenses: Names
  /** Paths of files named like shared libraries: `*.so`, `*.so.1.2`, `*.node`. */
  readonly libraries: Names
}

const LIBRARY = /[^/]\.(?:so(?:\.\d[^/]*)?|node)$/

/** Lists are in the order of paths and names. */
export function changesBetween(a: Manifest, b: Manifest): BundleChanges {
  const before = new Map<string, Entry>(a.entries.map((e) => [e.path, e]))
  const after = new Map<string, Entry>(b.entries.map((e) => [e.path, e]))
  const gone = a.entries.filter((e) => !after.has(e.path))
  const fresh = b.entries.filter((e) => !before.has(e.path))
  const renamed = renames(gone, fresh)
  const from = new Set(renamed.map((r) => r.from))
  const to = new Set(renamed.map((r) => r.to))
  const changed = b.entries.flatMap((e) => changeOf(before.get(e.path), e) ?? [])
  const added = fresh.filter((e) => !to.has(e.path)).map(oneSided)
  const removed = gone.filter((e) => !from.has(e.path)).map(oneSided)
  return {
    added,
    removed,
    changed,
    renamed,
    unchanged: b.entries.length - fresh.length - changed.length,
    bytes: { from: contentBytes(a.entries), to: contentBytes(b.entries) },
    components: componentChanges(a.components, b.components),
    licenses: newAndLost(
      a.components.flatMap((c) => c.license ?? []),
      b.components.flatMap((c) => c.license ?? []),
    ),
    libraries: newAndLost(removed.filter(isLibrary).map(pathOf), added.filter(isLibrary).map(pathOf)),
  }
}

function changeOf(a: Entry | undefined, b: Entry): Changed | undefined {
  if (!a) return undefined
  const [from, to] = [sideOf(a), sideOf(b)]
  const content = a.type === 'file' && b.type === 'file' && a.sha256 !== b.sha256
  if (!content && a.type === b.type && a.mode === b.mode && from.target === to.target) return undefined
  return { path: b.path, from, to, content, growth: (to.size ?? 0) - (from.size ?? 0) }
}

/**
 * Pairs files that went with files that came and hold the same bytes: one of the same name first, then in order. Empty files are all
 * alike and pair with nothing.
 */
function renames(gone: readonly Entry[], fresh: readonly Entry[]): readonly Renamed[] {
  const left = Map.groupBy(
    gone.filter((e) => e.type === 'file' && e.size > 0),
    (e) => (e.type === 'file' ? e.sha256 : ''),
  )
  const found: Renamed[] = []
  const pair = (sameName: boolean): void => {
    const taken = new Set(found.map((r) => r.to))
    for (const entry of fresh) {
      if (entry.type !== 'file' || taken.has(entry.path)) continue
      const candidates = left.get(entry.sha256) ?? []
      const index = candidates.findIndex((c) => !sameName || nameOf(c.path) === nameOf(entry.path))
      const [match] = index < 0 ? [] : candidates.splice(index, 1)
      if (match) found.push({ from: match.path, to: entry.path, size: entry.size, modes: [match.mode, entry.mode] })
    }
  }
  pair(true)
  pair(false)
  const order = new Map<string, number>(fresh.map((e, i) => [e.path, i]))
  return found.toSorted((x, y) => (order.get(x.to) ?? 0) - (order.get(y.to) ?? 0))
}

/** A name with exactly one version on each side changed; names with several versions are told version by version. */
function componentChanges(a: readonly Component[], b: readonly Component[]): BundleChanges['components'] {
  const key = ({ name, version, license }: Component): string => JSON.stringify([name, version, license])
  const [before, after] = [new Set(a.map(key)), new Set(b.map(key))]
  const gone = a.filter((c) => !after.has(key(c)))
  const fresh = b.filter((c) => !before.has(key(c)))
  const changed = fresh.flatMap((to): ComponentChange[] => {
    const [from, ...more] = gone.filter((c) => c.name === to.name)
    const alone = more.length === 0 && fresh.filter((c) => c.name === to.name).length === 1
    return from && alone ? [{ name: to.name, from: bare(from), to: bare(to) }] : []
  })
  const names = new Set(changed.map((c) => c.name))
  return {
    added: byName(fresh.filter((c) => !names.has(c.name))),
    removed: byName(gone.filter((c) => !names.has(c.name))),
    changed: byName(changed),
  }
}

function bare({ version, license }: Component): Omit<Component, 'name'> {
  return { version, license }
}

function byName<T extends { readonly name: string }>(items: readonly T[]): readonly T[] {
  return items.toSorted((x, y) => compareBytes(x.name, y.name))
}

/** What is on one side alone, in the order of bytes. */
export function newAndLost(before: readonly string[], after: readonly string[]): Names {
  const [a, b] = [new Set(before), new Set(after)]
  const only = (names: Set<string>, others: Set<string>): string[] =>
    [...names].filter((name) => !others.has(name)).toSorted(compareBytes)
  return { added: only(b, a), removed: only(a, b) }
}

function sideOf(entry: Entry): Side {
  const { type, mode } = entry
  if (entry.type === 'file') return { type, mode, size: entry.size }
  return entry.type === 'link' ? { type, mode, target: entry.target } : { type, mode }
}

function oneSided(entry: Entry): OneSided {
  return { path: entry.path, ...sideOf(entry) }
}

function isLibrary({ type, path }: OneSided): boolean {
  return type === 'file' && LIBRARY.test(path)
}

function pathOf({ path }: OneSided): string {
  return path
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Parts laid over each other as one tree, by hard links: nothing is copied, and nothing may be written to afterwards. */
import { linkSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import picomatch from 'picomatch'
import { ShipError } from '../errors.ts'
import type { Entry } from '../tree/manifest.ts'

export interface Part {
  readonly name: string
  readonly root: string
  readonly entries: readonly Entry[]
}

/** What dependents see when they are built, and hosts do not need. */
const FOR_BUILDING = [
  'embedded/include',
  'embedded/include/**',
  'embedded/lib/**/*.a',
  'embedded/lib/**/*.la',
  'embedded/**/pkgconfig',
  'embedded/**/pkgconfig/**',
  'embedded/**/cmake/**',
  'embedded/share/{man,doc,info,aclocal,gtk-doc}',
  'embedded/share/{man,doc,info,aclocal,gtk-doc}/**',
]

/** Entries of a part that are shipped. Links to what stays behind stay behind with it, and so do folders that end up empty. */
export function shippedEntries(part: Part): readonly Entry[] {
  const left = picomatch(FOR_BUILDING, { dot: true })
  const kept = part.entries.filter((e) => !left(e.path))
  const was = new Set<string>()
  for (const { path } of part.entries) was.add(dirname(path))
  const needed = new Set<string>()
  for (const { path, type } of kept) {
    if (type === 'dir' && was.has(path)) continue
    needed.add(path)
    // A folder that was empty from the start is meant, and so are the ones that it is in.
    for (let at = dirname(path); at !== '.'; at = dirname(at)) needed.add(at)
  }
  return kept.filter((e) => needed.has(e.path))
}

/**
 * Returns the entries of the whole. Rejects (reason `build`) when two parts have a path with different content. Of parts, `placed` lie
 * in `to` already.
 */
export function mergeParts(parts: readonly Part[], to: string, placed: readonly Part[] = []): readonly Entry[] {
  const owner = new Map<string, { readonly part: string; readonly entry: Entry }>()
  mkdirSync(to, { recursive: true })
  for (const part of [...placed, ...parts]) {
    const { name, root, entries } = part
    for (const entry of entries) {
      const before = owner.get(entry.path)
      if (before) {
        if (equal(before.entry, entry)) continue
        throw new ShipError('build', `two parts of the build have "${entry.path}"`, {
          details: [`one is of ${before.part}, the other of ${name}`],
          next: ['let one of the recipes leave it out'],
        })
      }
      owner.set(entry.path, { part: name, entry })
      if (!placed.includes(part)) place(join(root, entry.path), join(to, entry.path), entry)
    }
  }
  return [...owner.values()].map(({ entry }) => entry)
}

function equal(a: Entry, b: Entry): boolean {
  if (a.type === 'dir' || b.type === 'dir') return a.type === b.type
  if (a.type === 'link' || b.type === 'link') return a.type === 'link' && b.type === 'link' && a.target === b.target
  return a.sha256 === b.sha256 && a.mode === b.mode
}

function place(from: string, to: string, entry: Entry): void {
  if (entry.type === 'dir') mkdirSync(to, { recursive: true })
  else if (entry.type === 'link') {
    mkdirSync(dirname(to), { recursive: true })
    symlinkSync(entry.target, to)
  } else {
    mkdirSync(dirname(to), { recursive: true })
    linkSync(from, to)
  }
}

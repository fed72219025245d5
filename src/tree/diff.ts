/** What changes from one manifest to another. Pure. */
import type { Entry, Manifest } from './manifest.ts'

export interface Change {
  readonly path: string
  /** Size of a file after the change (before it, when removed); 0 for folders and links. */
  readonly size: number
}

export interface TreeDiff {
  readonly added: readonly Change[]
  readonly changed: readonly Change[]
  readonly removed: readonly Change[]
}

/** Files and links that differ; folders count only by what is in them. */
export function diffManifests(before: Manifest, after: Manifest): TreeDiff {
  const old = new Map(before.entries.filter((e) => e.type !== 'dir').map((e) => [e.path as string, e]))
  const now = new Map(after.entries.filter((e) => e.type !== 'dir').map((e) => [e.path as string, e]))
  return {
    added: [...now.values()].filter((e) => !old.has(e.path)).map(change),
    changed: [...now.values()].filter((e) => differs(old.get(e.path), e)).map(change),
    removed: [...old.values()].filter((e) => !now.has(e.path)).map(change),
  }
}

function differs(a: Entry | undefined, b: Entry): boolean {
  if (!a) return false
  if (a.type !== b.type || a.mode !== b.mode) return true
  if (a.type === 'file' && b.type === 'file') return a.sha256 !== b.sha256
  return a.type === 'link' && b.type === 'link' && a.target !== b.target
}

function change(entry: Entry): Change {
  return { path: entry.path, size: entry.type === 'file' ? entry.size : 0 }
}

/** Two manifests -> what a host gets new, gets anew, and loses. Compared path by path: equal content elsewhere is no match. */
import { alongside } from './alongside.ts'
import type { Entry, Manifest } from './manifest.ts'

interface Change {
  readonly path: string
  readonly type: Entry['type']
  /** Bytes of a file on its side of the difference (the new side for changed ones); undefined for directories and links. */
  readonly size?: number | undefined
}

export interface ManifestDiff {
  readonly added: readonly Change[]
  readonly changed: readonly Change[]
  readonly removed: readonly Change[]
  readonly unchanged: number
  /** Bytes of the added and changed files, and of the removed ones. */
  readonly addedBytes: number
  readonly removedBytes: number
}

/** What changes from `a` to `b`, each list in the order of its manifest. Another type, mode, content or target is a change. */
export function diffManifests(a: Pick<Manifest, 'entries'>, b: Pick<Manifest, 'entries'>): ManifestDiff {
  const [added, changed, removed]: [Change[], Change[], Change[]] = [[], [], []]
  alongside(a.entries, b.entries, (before, after) => {
    if (before && after) {
      if (differs(before, after)) changed.push(changeOf(after))
    } else if (after) added.push(changeOf(after))
    else if (before) removed.push(changeOf(before))
  })
  return {
    added,
    changed,
    removed,
    unchanged: b.entries.length - added.length - changed.length,
    addedBytes: bytesOf(added) + bytesOf(changed),
    removedBytes: bytesOf(removed),
  }
}

function differs(a: Entry, b: Entry): boolean {
  if (a.type !== b.type || a.mode !== b.mode) return true
  if (a.type === 'file' && b.type === 'file') return a.sha256 !== b.sha256
  return a.type === 'link' && b.type === 'link' && a.target !== b.target
}

function changeOf(entry: Entry): Change {
  return { path: entry.path, type: entry.type, size: entry.type === 'file' ? entry.size : undefined }
}

function bytesOf(changes: readonly Change[]): number {
  return changes.reduce((sum, { size }) => sum + (size ?? 0), 0)
}

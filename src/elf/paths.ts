/** Where a path leads in a tree, links followed as the kernel follows them, without ever leaving the tree. */
import type { Entry } from '../tree/manifest.ts'

/** As many links in a row as the kernel follows. */
const MAX_LINKS = 40

export interface TreePaths {
  /**
   * The place of `path` (relative to the root, `.` and `..` allowed) with all links followed; undefined when nothing is there. A path
   * that leads out of the tree leads nowhere.
   */
  resolve(path: string): string | undefined
  /** Paths whose last name is `name`, in the order of the entries. */
  named(name: string): readonly string[]
}

/** `prefix`: absolute folder that the tree will be at, for links that are absolute. */
export function treePaths(entries: readonly Entry[], prefix: string | undefined): TreePaths {
  const tree = new Map<string, Entry>(entries.map((e) => [e.path, e]))
  const names = Map.groupBy(
    entries.filter((e) => e.type !== 'dir').map((e) => e.path as string),
    (path) => path.slice(path.lastIndexOf('/') + 1),
  )
  const known = new Map<string, string | undefined>()

  const walk = (path: string): string | undefined => {
    const left = path.split('/').toReversed()
    const place: string[] = []
    for (let links = 0, step = left.pop(); step !== undefined; step = left.pop()) {
      if (step === '' || step === '.') continue
      if (step === '..') {
        if (place.pop() === undefined) return undefined
        continue
      }
      const entry = tree.get([...place, step].join('/'))
      if (!entry) return undefined
      if (entry.type !== 'link') {
        place.push(step)
        continue
      }
      const target = inTree(entry.target, prefix)
      if (target === undefined || (links += 1) > MAX_LINKS) return undefined
      if (entry.target.startsWith('/')) place.length = 0
      left.push(...target.split('/').toReversed())
    }
    return place.join('/')
  }
  return {
    resolve: (path) => {
      if (!known.has(path)) known.set(path, walk(path))
      return known.get(path)
    },
    named: (name) => names.get(name) ?? [],
  }
}

/** An absolute path below the prefix, as a path of the tree; a relative one as it is; undefined when it leads elsewhere. */
export function inTree(path: string, prefix: string | undefined): string | undefined {
  if (!path.startsWith('/')) return path
  if (prefix === undefined) return undefined
  const base = prefix.replace(/\/+$/, '')
  if (path === base) return '.'
  return path.startsWith(`${base}/`) ? path.slice(base.length + 1) : undefined
}

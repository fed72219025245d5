/** Copies what is taken of the app's sources into the tree. */
import {
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  type Stats,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ShipError, throwIfAborted } from '../errors.ts'
import type { Entry } from '../tree/manifest.ts'
import { walkTree } from '../tree/walk.ts'
import type { SourceFilter } from './filter.ts'

const TURN_MS = 40

export interface CopyParts {
  readonly sources: string
  readonly out: string
  readonly filter: SourceFilter
  readonly signal: AbortSignal
  readonly onProgress: (files: number) => void
}

/**
 * `from` is relative to the sources, `to` to the tree; '' is the whole. A folder that holds nothing but what was left out is left out
 * too; an empty one stays. Rejects (reason `build`) for what is neither file, folder nor link.
 */
export async function copyTree(parts: CopyParts, from: string, to: string): Promise<void> {
  const { sources, out, filter, signal, onProgress } = parts
  const started = { turn: performance.now(), files: 0 }
  const breathe = async (): Promise<void> => {
    if (performance.now() - started.turn < TURN_MS) return
    onProgress(started.files)
    await nextTurn()
    throwIfAborted(signal)
    started.turn = performance.now()
  }
  const visit = async (path: string, target: string): Promise<boolean> => {
    const stats = lstatSync(join(sources, path), { throwIfNoEntry: false })
    if (!stats) return false
    if (!stats.isDirectory()) {
      if (!filter.file(path)) return false
      mkdirSync(dirname(target), { recursive: true })
      copyOne(join(sources, path), target, stats)
      started.files++
      await breathe()
      return true
    }
    if (path !== '' && !filter.enter(path)) return false
    const names = readdirSync(join(sources, path))
    let took = names.length === 0 && (path === '' || filter.file(path))
    if (took) mkdirSync(target, { recursive: true })
    for (const name of names) took = (await visit(path === '' ? name : `${path}/${name}`, join(target, name))) || took
    return took
  }
  if (lstatSync(join(sources, from), { throwIfNoEntry: false }) === undefined)
    throw new ShipError('build', `the sources have no "${from}"`, { next: ['look at what the recipe copies'] })
  await visit(from, join(out, to))
}

/** What `copyTree` would copy of the whole, in the order of paths. */
export async function takenEntries(
  sources: string,
  filter: SourceFilter,
  signal: AbortSignal,
): Promise<readonly Entry[]> {
  const include = (path: string, isDir: boolean): boolean => (isDir ? filter.enter(path) : filter.file(path))
  const entries = await walkTree(sources, { signal, include })
  const taken = new Set<string>()
  // What a folder holds stands behind it.
  for (const { path, type } of entries.toReversed()) {
    const isTaken =
      type !== 'dir' || taken.has(path) || (filter.file(path) && readdirSync(join(sources, path)).length === 0)
    if (isTaken) taken.add(path).add(dirname(path))
  }
  return entries.filter((e) => taken.has(e.path))
}

function copyOne(source: string, target: string, stats: Stats): void {
  if (stats.isSymbolicLink()) symlinkSync(readlinkSync(source), target)
  else if (stats.isFile()) copyFileSync(source, target, constants.COPYFILE_FICLONE)
  else
    throw new ShipError('build', `"${source}" is neither file, folder nor link, and cannot be released`, {
      next: ['leave it out: build.exclude'],
    })
}

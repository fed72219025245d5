/** What a build consists of before anything is made: its recipes, and which bytes their sources stand for. */
import { mkdir } from 'node:fs/promises'
import { cacheFolder } from '../cache-folder.ts'
import { loadGraph, type Node } from '../components/graph.ts'
import { lockSources, type LockMode, type LockResult } from '../components/lock.ts'
import { sourceContext } from '../components/workshop.ts'
import type { Project } from '../config/load.ts'
import { messageOf, ShipError } from '../errors.ts'
import { inStep, type Io } from '../io.ts'

/** The recipes of a build. Rejects with reason `config`. */
export function recipesOf(project: Project, sources: string): Promise<readonly Node[]> {
  const { recipe, layout, components, bin } = project.config.build
  const platform = `${process.platform}-${process.arch}`
  const context = { app: project.name, layout, platform, sources, bin }
  return loadGraph({ recipe, projectDir: project.dir, configFile: project.file, context, versions: components })
}

/** What the sources stand for, from `ship.lock` or looked up. `only`: ids of nodes, for `update`. */
export async function lockedSources(
  project: Project,
  nodes: readonly Node[],
  mode: LockMode,
  { emit, signal }: Io,
  only?: readonly string[],
): Promise<LockResult> {
  const cache = cacheFolder()
  const lock = (): Promise<LockResult> =>
    lockSources(nodes, { projectDir: project.dir, mode, only, signal }, (node, both) =>
      sourceContext({ projectDir: project.dir, cache, signal: both, emit }, node),
    )
  if (nodes.every((n) => Object.keys(n.sources).length === 0)) return lock()
  let result: LockResult | undefined
  await inStep(emit, { step: 'lock' }, async () => {
    await openCache(cache)
    result = await lock()
    return result.changes.length === 0 ? 'as locked' : result.changes.join(', ')
  })
  if (!result) throw new Error('a step that ended well has its result')
  return result
}

async function openCache(cache: string): Promise<void> {
  await mkdir(cache, { recursive: true }).catch((cause: unknown) => {
    throw new ShipError('config', `the folder for downloads cannot be made: ${messageOf(cause)}`, {
      cause,
      next: ['name another one: SHIP_CACHE_DIR=/path/to/cache'],
    })
  })
}

/** Runs one recipe: sources fetched, its programs in a scratch folder of its own, what came out frozen. */
import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import type { BuildStep } from '../recipe.ts'
import type { Resolved } from '../sources/index.ts'
import { refuseLeaks } from '../tree/leaks.ts'
import { walkTree } from '../tree/walk.ts'
import type { Node } from './graph.ts'
import { declaredEnv } from './inputs.ts'
import type { KeptPart } from './kept.ts'
import { collectLicences } from './licences.ts'
import { relocatePart } from './relocate-part.ts'
import { buildStep } from './step.ts'
import { sourceContext, stepOf, type Workshop } from './workshop.ts'

export interface RecipePlace extends Workshop {
  /** The part's own. */
  readonly scratch: string
  /** Where the part is made. */
  readonly root: string
  /** What its dependencies put into `embedded/`. */
  readonly embedded: string
}

/** Rejects with reason `build`, with the last lines of its output and the place of all of it. */
export async function runRecipe(node: Node, resolved: readonly Resolved[], place: RecipePlace): Promise<KeptPart> {
  const { scratch, root, signal } = place
  const { recipe, role, context } = node
  const log = logTo(node, place)
  let ran = false
  const nothing = join(scratch, 'nothing')
  const sources = role === 'app' ? place.sources : nothing
  const out = join(root, role === 'component' ? 'embedded' : context.layout === 'omnibus' ? 'app' : '')
  try {
    for (const folder of [out, nothing, join(scratch, 'home'), join(scratch, 'tmp')])
      await mkdir(folder, { recursive: true })
    const fetched = await fetchSources(node, resolved, place, log.add)
    const step = buildStep({
      context: { ...context, sources },
      sources,
      root,
      out,
      fetched,
      scratch,
      signal,
      embedded: place.embedded,
      prefix: place.prefix,
      epoch: place.epoch,
      filter: place.filter,
      declared: declaredEnv(node),
      log: log.add,
      onRun: () => void (ran = true),
      onProgress: (done) =>
        place.emit({ event: 'step.progress', step: stepOf(node), progress: { done, unit: 'files' } }),
    })
    await recipe.build(step)
    const shipped = resolved.filter(({ source }) => !('buildOnly' in source && source.buildOnly === true))
    const places = role === 'app' ? [sources] : shipped.flatMap((r) => fetched.get(r.name) ?? [])
    if (context.layout === 'omnibus') collectLicences(node.name, places, recipe.licenseFiles, root)
    // What was only copied says nothing of the build.
    if (ran || context.layout === 'omnibus')
      relocatePart({ ...place, name: node.name, layout: context.layout, log: log.add })
    return await frozen(step, node, place, ran && role === 'app')
  } catch (error) {
    throwIfAborted(signal)
    throw withLog(recipeError(error, node), log.written() ? log.file : undefined)
  }
}

async function fetchSources(
  node: Node,
  resolved: readonly Resolved[],
  place: RecipePlace,
  log: (text: string) => void,
): Promise<ReadonlyMap<string, string>> {
  const fetched = new Map<string, string>()
  for (const source of resolved) {
    const folder = join(place.scratch, 'sources', source.name)
    await source.fetch(folder, { ...sourceContext(place, node), log })
    fetched.set(source.name, folder)
  }
  return fetched
}

/** A path of fewer parts is no place of one machine: it may stand in any text. */
const TELLING_PARTS = 3

async function frozen(step: BuildStep, node: Node, place: RecipePlace, sawSources: boolean): Promise<KeptPart> {
  const { root, scratch, sources, allow, emit } = place
  const onProgress = (done: number): void =>
    emit({ event: 'step.progress', step: stepOf(node), progress: { done, unit: 'files' } })
  const parts = (await node.recipe.components?.(step)) ?? []
  const entries = await walkTree(root, { signal: step.signal, onProgress })
  const telling = sawSources && sources.split('/').filter((part) => part !== '').length >= TELLING_PARTS
  refuseLeaks(root, entries, { folders: [scratch, ...(telling ? [sources] : [])], allow })
  return { entries, parts }
}

/** The whole output of a part's recipe, kept after the build. Without a place for it there is none. */
function logTo(node: Node, { logs, emit }: Workshop) {
  const file = join(logs, `${node.id}.log`)
  let state: 'new' | 'open' | 'none' = 'new'
  const write = (line: string): void => {
    try {
      if (state === 'new') {
        mkdirSync(logs, { recursive: true })
        rmSync(file, { force: true })
      }
      if (state !== 'none') appendFileSync(file, line)
      state = state === 'none' ? 'none' : 'open'
    } catch {
      state = 'none'
    }
  }
  const add = (text: string): void => {
    write(`${text}\n`)
    emit({ event: 'log', step: stepOf(node), text })
  }
  return { file, add, written: () => state === 'open' }
}

/** What a recipe throws is its own failure, not one of ship. */
function recipeError(error: unknown, { recipe }: Node): ShipError {
  if (error instanceof ShipError) return error
  const stack = error instanceof Error ? (error.stack ?? '').split('\n').slice(1) : []
  const [own] = stack.filter((line) => !line.includes('node:internal'))
  return new ShipError('build', `the recipe "${recipe.name}" failed: ${messageOf(error)}`, {
    cause: error,
    details: own === undefined ? [] : [own.trim()],
    state: 'nothing was written to dist/',
  })
}

function withLog(error: ShipError, file: string | undefined): ShipError {
  if (file === undefined) return error
  const { message, host, step, state, details, next } = error
  return new ShipError(error.reason, message, {
    host,
    step,
    state,
    details,
    cause: error,
    next: [...next, `the whole log: ${file}`],
  })
}

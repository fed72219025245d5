/** Which recipes a build needs, in an order in which each comes after what it depends on. */
import { messageOf, ShipError } from '../errors.ts'
import type { Recipe, RecipeContext, Source } from '../recipe.ts'
import { loadRecipe, type RecipePlace } from './load-recipe.ts'
import type { RecipeText } from './recipe-text.ts'

/** What the app is called among recipes: a component may have the app's own name. */
const APP_ID = '@app'

/** A recipe with its questions answered. */
export interface Node {
  /** Name of the recipe, or `@app`: one of a kind in a build. */
  readonly id: string
  /** Name of the recipe; of the app for the last one. */
  readonly name: string
  readonly role: 'app' | 'component'
  readonly recipe: Recipe
  readonly text: RecipeText
  readonly context: RecipeContext
  readonly sources: Readonly<Record<string, Source>>
  /** Programs of this machine whose version counts. */
  readonly tools: readonly string[]
  /** Names of recipes, direct ones only. */
  readonly dependencies: readonly string[]
}

export interface GraphRequest extends RecipePlace {
  readonly recipe: string | Recipe
  /** What all recipes are told; `wanted` is added for each. */
  readonly context: Omit<RecipeContext, 'wanted'>
  /** Versions that the configuration asks for, by component. */
  readonly versions: Readonly<Record<string, string>>
}

/** Rejects (reason `config`) for unknown recipes, cycles, and versions for components that there are not. */
export async function loadGraph(request: GraphRequest): Promise<readonly Node[]> {
  const { versions } = request
  const nodes = new Map<string, Node>()
  const visit = async (wanted: string, path: readonly string[]): Promise<void> => {
    if (path.includes(wanted)) {
      const circle = [...path.slice(path.indexOf(wanted)), wanted]
      throw new ShipError('config', `recipes depend on each other in a circle: ${circle.join(' -> ')}`)
    }
    if (nodes.has(wanted)) return
    const node = await open(wanted, path.at(-1), request)
    for (const dependency of node.dependencies) await visit(dependency, [...path, wanted])
    nodes.set(wanted, node)
  }
  await visit(APP_ID, [])
  const used = [...nodes.keys()].filter((id) => id !== APP_ID)
  const stray = Object.keys(versions).find((name) => !used.includes(name))
  if (stray !== undefined) {
    throw new ShipError('config', `build.components has "${stray}", which this build does not use`, {
      next: [used.length === 0 ? 'it uses no components' : `it uses ${used.join(', ')}`],
    })
  }
  return [...nodes.values()]
}

/** `by`: id of the recipe that needs it. */
async function open(id: string, by: string | undefined, request: GraphRequest): Promise<Node> {
  const role = id === APP_ID ? 'app' : 'component'
  const { recipe, text } = await loadRecipe(role === 'app' ? request.recipe : id, request).catch((error: unknown) => {
    if (!(error instanceof ShipError) || role === 'app' || by === undefined) throw error
    throw error.at({ details: [`it is needed by ${by === APP_ID ? 'the app' : `the recipe "${by}"`}`] })
  })
  const name = role === 'app' ? request.context.app : id
  const wanted = role === 'app' ? undefined : request.versions[id]
  // What a component makes must not depend on what nobody sees: programs of the app are the app's.
  const context: RecipeContext = { ...request.context, ...(role === 'app' ? {} : { bin: {} }), wanted }
  const [dependencies, sources, tools] = await Promise.all([
    answer(recipe, 'dependencies', recipe.dependencies, context, []),
    answer(recipe, 'sources', recipe.sources, context, {}),
    answer(recipe, 'tools', recipe.tools, context, []),
  ])
  for (const [key, list] of Object.entries({ dependencies, tools })) {
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) continue
    throw new ShipError('config', `the recipe "${recipe.name}" has ${key} that are no list of names`)
  }
  if (typeof sources !== 'object' || Array.isArray(sources))
    throw new ShipError('config', `the recipe "${recipe.name}" has sources that are no map from name to source`)
  for (const source of Object.keys(sources)) {
    if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(source)) continue
    throw new ShipError('config', `the recipe "${recipe.name}" has a source with the name "${source}"`, {
      next: ['use letters, digits and "._-"'],
    })
  }
  return { id, name, role, recipe, text, context, sources, tools, dependencies: [...new Set(dependencies)] }
}

/** Ids of a node's dependencies and all of theirs, each once, in building order. */
export function allDependencies(node: Node, nodes: readonly Node[]): readonly string[] {
  const found = new Set<string>()
  const add = (id: string): void => {
    for (const dependency of nodes.find((n) => n.id === id)?.dependencies ?? []) {
      if (found.has(dependency)) continue
      found.add(dependency)
      add(dependency)
    }
  }
  add(node.id)
  return nodes.map((n) => n.id).filter((id) => found.has(id))
}

async function answer<T>(
  recipe: Recipe,
  key: string,
  given: T | ((context: RecipeContext) => T | Promise<T>) | undefined,
  context: RecipeContext,
  without: T,
): Promise<T> {
  if (given === undefined) return without
  if (typeof given !== 'function') return given
  try {
    return await (given as (c: RecipeContext) => T | Promise<T>)(context)
  } catch (cause) {
    if (cause instanceof ShipError) throw cause
    throw new ShipError('config', `the recipe "${recipe.name}" failed to tell its ${key}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

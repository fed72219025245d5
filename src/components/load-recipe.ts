/** Finds a recipe: a value in the configuration, a file of the project, or a built-in one, in this order. */
import { hash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { importModule } from '../config/modules.ts'
import { nearest } from '../config/nearest.ts'
import { ShipError } from '../errors.ts'
import type { Recipe } from '../recipe.ts'
import { builtIn, builtInNames, type BuiltIn } from './built-in.ts'
import { recipeText, type RecipeText } from './recipe-text.ts'

const ENDINGS = ['.ts', '.mts', '.js', '.mjs']
const NAME = /^[a-z0-9][a-z0-9-]*$/

export interface LoadedRecipe {
  readonly recipe: Recipe
  readonly text: RecipeText
}

export interface RecipePlace {
  readonly projectDir: string
  /** The configuration: where a recipe that is a value was written. */
  readonly configFile: string
}

/** Rejects with reason `config` naming the recipes there are, or what is wrong with the one that was found. */
export async function loadRecipe(
  wanted: string | Recipe,
  { projectDir, configFile }: RecipePlace,
): Promise<LoadedRecipe> {
  if (typeof wanted !== 'string') {
    const text = { ...recipeText(configFile, projectDir), 'in the configuration': hash('sha256', valueText(wanted)) }
    return { recipe: checked(wanted, `the recipe "${wanted.name}" of the configuration`), text }
  }
  const own = join(projectDir, 'recipes')
  const found = await findRecipe(wanted, own, projectDir)
  if (found) {
    const { value, text, place } = found
    const recipe = checked(value, `"${place}"`)
    if (recipe.name !== wanted) {
      throw new ShipError('config', `"${place}" holds a recipe with another name: "${recipe.name}"`, {
        next: [`give the recipe the name "${wanted}", or the file the name of the recipe`],
      })
    }
    return { recipe, text }
  }
  const known = [...new Set([...builtInNames(), ...names(own)])]
  const near = nearest(wanted, known)
  throw new ShipError('config', `there is no recipe "${wanted}"`, {
    next: [
      ...(near === undefined ? [] : [`did you mean "${near}"?`]),
      `recipes: ${known.join(', ')}; or write recipes/<name>.ts`,
    ],
  })
}

async function findRecipe(wanted: string, own: string, projectDir: string): Promise<BuiltIn | undefined> {
  if (!NAME.test(wanted)) return undefined
  const file = ENDINGS.map((e) => join(own, `${wanted}${e}`)).find((f) => existsSync(f))
  if (file !== undefined) return { value: await importModule(file), text: recipeText(file, projectDir), place: file }
  return builtInNames().includes(wanted) ? builtIn(wanted) : undefined
}

function names(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => ENDINGS.some((e) => name.endsWith(e)) && !name.endsWith('.d.ts'))
    .map((name) => basename(name).replace(/\.m?[jt]s$/, ''))
    .toSorted()
}

function checked(value: unknown, what: string): Recipe {
  if (typeof value !== 'object' || value === null || !('build' in value) || typeof value.build !== 'function') {
    throw new ShipError('config', `${what} is no recipe`, {
      next: ['write: export default defineRecipe({ name, summary, build })'],
    })
  }
  if (!('name' in value) || typeof value.name !== 'string' || value.name === '')
    throw new ShipError('config', `${what} has no name`)
  return value as Recipe
}

function valueText(recipe: Recipe): string {
  return JSON.stringify(recipe, (_key, value: unknown) => (typeof value === 'function' ? String(value) : value))
}

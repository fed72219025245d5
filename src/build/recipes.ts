/** Finds a recipe: a value in the configuration, a file of the project, or a built-in one, in this order. */
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { importModule } from '../config/modules.ts'
import { nearest } from '../config/nearest.ts'
import { ShipError } from '../errors.ts'
import type { Recipe } from '../recipe.ts'

/** Beside `src`, in the checkout and in the package alike. */
const BUILT_IN = join(import.meta.dirname, '../../recipes')
const ENDINGS = ['.ts', '.mts', '.js', '.mjs']
const NAME = /^[a-z0-9][a-z0-9-]*$/

/** Rejects with reason `config` naming the recipes there are. */
export async function loadRecipe(wanted: string | Recipe, projectDir: string): Promise<Recipe> {
  if (typeof wanted !== 'string') return wanted
  for (const folder of [join(projectDir, 'recipes'), BUILT_IN]) {
    const file = NAME.test(wanted)
      ? ENDINGS.map((e) => join(folder, `${wanted}${e}`)).find((f) => existsSync(f))
      : undefined
    if (file !== undefined) return checked(await importModule(file), file)
  }
  const known = [...new Set([...names(BUILT_IN), ...names(join(projectDir, 'recipes'))])]
  const near = nearest(wanted, known)
  throw new ShipError('config', `there is no recipe "${wanted}"`, {
    next: [
      ...(near === undefined ? [] : [`did you mean "${near}"?`]),
      `recipes: ${known.join(', ')}; or write recipes/<name>.ts`,
    ],
  })
}

function names(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => ENDINGS.some((e) => name.endsWith(e)) && !name.endsWith('.d.ts'))
    .map((name) => basename(name).replace(/\.m?[jt]s$/, ''))
    .toSorted()
}

function checked(value: unknown, file: string): Recipe {
  if (typeof value === 'object' && value !== null && 'build' in value && typeof value.build === 'function')
    return value as Recipe
  throw new ShipError('config', `"${file}" is no recipe`, {
    next: ['write: export default defineRecipe({ name, summary, build })'],
  })
}

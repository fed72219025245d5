/**
 * The recipes that ship brings along. Like `own-files.ts`, what `tools/bundle.ts` makes has another text for this module, with the recipes
 * in it.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { importModule } from '../config/modules.ts'
import { recipeText, type RecipeText } from './recipe-text.ts'

const ROOT = join(import.meta.dirname, '../..')

export interface BuiltIn {
  /** What its module exports by default. */
  readonly value: unknown
  readonly text: RecipeText
  /** Where it is written, for messages. */
  readonly place: string
}

export function builtInNames(): readonly string[] {
  return readdirSync(join(ROOT, 'recipes'))
    .map((name) => name.replace(/\.ts$/, ''))
    .toSorted()
}

/** `name` is one of them. */
export async function builtIn(name: string): Promise<BuiltIn> {
  const place = join(ROOT, 'recipes', `${name}.ts`)
  return { value: await importModule(place), text: recipeText(place, ROOT), place }
}

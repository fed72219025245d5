/** The text that a recipe consists of: its file and all that this imports. A change in any of them may change what it makes. */
import { hash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { importedFiles } from '../config/modules.ts'
import { OWN_MODULES } from '../own-files.ts'

/** Path as it is shown -> sha256. */
export type RecipeText = Readonly<Record<string, string>>

/**
 * What a module may take in later, while it builds: imports in functions, and files beside it that it names by URL. What is put together
 * at run time is not seen.
 */
const LITERAL = /(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\(|\bnew\s+URL\s*\()\s*['"`](\.{1,2}\/[^'"`]+)['"`]/g

/** `file` was imported before. Paths are relative to `folder`, so that the same project is the same in another place. */
export function recipeText(file: string, folder: string): RecipeText {
  const found = new Map<string, string>()
  const add = (path: string): void => {
    if (found.has(path) || path.startsWith(OWN_MODULES) || !isFile(path)) return
    const text = readFileSync(path, 'utf8')
    found.set(path, hash('sha256', text))
    for (const imported of [...importedFiles(path), ...named(path, text)]) add(imported)
  }
  add(file)
  return Object.fromEntries([...found].map(([path, digest]) => [relative(folder, path), digest]))
}

function named(path: string, text: string): readonly string[] {
  if (!/\.[cm]?[jt]sx?$/.test(path)) return []
  return [...text.matchAll(LITERAL)].flatMap(([, target = '']) => {
    const base = resolve(dirname(path), target)
    return ['', '.js', '.cjs', '.json', '/index.js']
      .map((ending) => `${base}${ending}`)
      .filter(isFile)
      .slice(0, 1)
  })
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile()
}

/** Where the configuration of a project is. */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ShipError } from './errors.ts'

const FILE = /^ship\.config\.(ts|mts|js|mjs|json|yaml|yml)$/

/** Upward to the root of the file system, but not out of a repository; undefined when there is none. Rejects where a folder has two. */
export function findUpward(cwd: string): string | undefined {
  for (let dir = resolve(cwd); ; dir = dirname(dir)) {
    const found = existsSync(dir) ? readdirSync(dir).filter((name) => FILE.test(name)) : []
    const [first] = found
    if (found.length > 1) {
      throw new ShipError('config', `"${dir}" has ${found.length} configurations: ${found.toSorted().join(', ')}`, {
        next: ['keep one, or name it with --config'],
      })
    }
    if (first !== undefined) return join(dir, first)
    if (dirname(dir) === dir || existsSync(join(dir, '.git'))) return undefined
  }
}

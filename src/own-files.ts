/**
 * What ship carries besides its code, and where it lies. Here it is read from the sources; in what `tools/bundle.ts` makes (the package,
 * and the one file of the action) another text stands for this module, with the same exports and the files in it.
 */
import { readFileSync } from 'node:fs'
import { join, sep } from 'node:path'

/** The folder of package.json, `bin` and `fixtures`; undefined where ship is one file. */
export const ROOT: string | undefined = join(import.meta.dirname, '..')

/** Ship's own modules lie below: what they say is told by its version. */
export const OWN_MODULES = `${import.meta.dirname}${sep}`

/** The module of the public API, the very one that runs. */
export const API_URL = new URL('./index.ts', import.meta.url).href

/** The text of a file of ship: a script in `src`, or package.json. `path` is relative to the root of ship. */
export function ownFile(path: string): string {
  return readFileSync(join(import.meta.dirname, '..', path), 'utf8')
}

/** Licence texts of what is shipped, under `LICENSES/`: `<component>-<file>`, as omnibus packages have them. */
import { cpSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'

const LICENCE_FILE = /^(?:un)?(?:licen[cs]e|copying|copyright|notice)(?:[._-].*)?$/i
/** Where Debian's packages keep theirs. */
const DEBIAN = ['debian', 'usr/share/doc']

export const LICENCES = 'LICENSES'

/**
 * Copies the licence files that lie at the top of `folders` (or are named) to `root/LICENSES`. Resolves with their paths in the tree.
 */
export function collectLicences(
  component: string,
  folders: readonly string[],
  named: readonly string[] | undefined,
  root: string,
): readonly string[] {
  const found = folders.flatMap((folder) => (named ? named.map((n) => join(folder, n)) : licenceFiles(folder)))
  const files = [...new Map(found.filter((f) => isFile(f)).map((f) => [nameOf(component, f), f]))]
  if (files.length > 0) mkdirSync(join(root, LICENCES), { recursive: true })
  for (const [name, file] of files) cpSync(file, join(root, LICENCES, name), { dereference: true })
  return files.map(([name]) => `${LICENCES}/${name}`)
}

function licenceFiles(folder: string): string[] {
  if (!existsSync(folder)) return []
  const top = readdirSync(folder).filter((name) => LICENCE_FILE.test(name))
  const debian = DEBIAN.flatMap((place) => debianFiles(join(folder, place)))
  return [...top.map((name) => join(folder, name)), ...debian].toSorted()
}

/** `debian/copyright`, and `usr/share/doc/<package>/copyright`. */
function debianFiles(folder: string): string[] {
  if (!existsSync(folder)) return []
  return [join(folder, 'copyright'), ...readdirSync(folder).map((name) => join(folder, name, 'copyright'))].filter(
    isFile,
  )
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true
}

function nameOf(component: string, file: string): string {
  const [, owner] = /usr\/share\/doc\/([^/]+)\/copyright$/.exec(file) ?? []
  return `${component}-${owner === undefined || owner === component ? '' : `${owner}-`}${basename(file)}`
}

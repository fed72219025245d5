/** One element of a RUNPATH or RPATH: where it leads, and what is wrong with it. */
import { posix } from 'node:path'
import { inTree } from './paths.ts'

export type Element =
  /** A folder of the tree, as a path of it: links are not followed yet, so `..` still stands in it. */
  | { readonly kind: 'tree'; readonly folder: string }
  /** `folder`: where it leads in the tree, when it is below the prefix. */
  | { readonly kind: 'absolute'; readonly folder: string | undefined }
  /** Leads out of the tree, relative to it. */
  | { readonly kind: 'outside' }
  /** Depends on the folder that the program is started in. */
  | { readonly kind: 'current' }
  /** Depends on the host: `$LIB`, `$PLATFORM`. */
  | { readonly kind: 'host' }

/** `origin`: the folder of the file, as a path of the tree ('' for the root). See ld.so(8), "Rpath token expansion". */
export function readElement(text: string, origin: string, prefix: string | undefined): Element {
  const rest = /^\$(?:ORIGIN|\{ORIGIN\})(?=\/|$)(.*)$/s.exec(text)?.[1]
  if (rest !== undefined) {
    if (/\$(?:LIB|PLATFORM|\{LIB\}|\{PLATFORM\})/.test(rest)) return { kind: 'host' }
    const folder = posix.join('.', origin, `.${rest}`)
    if (folder === '..' || folder.startsWith('../')) return { kind: 'outside' }
    return { kind: 'tree', folder: bare(`${origin}${rest}`) }
  }
  if (text.startsWith('/')) {
    const folder = inTree(posix.normalize(text), prefix)
    return { kind: 'absolute', folder: folder === undefined ? undefined : bare(folder) }
  }
  return { kind: 'current' }
}

/** The `$ORIGIN` form of a way from the folder of a file to a folder of the tree. */
export function originForm(from: string, to: string): string {
  const way = posix.relative(`/${from}`, `/${to}`)
  return way === '' ? '$ORIGIN' : `$ORIGIN/${way}`
}

/** The folder of a path; '' for the root of the tree. */
export function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
}

function bare(folder: string): string {
  const trimmed = folder.replace(/^\/+|\/+$/g, '')
  return trimmed === '.' ? '' : trimmed
}

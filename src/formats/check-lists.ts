/** The lists that a host holds a tree against, as its own tools read them; their form is told in payload.ts. */
import { createHash } from 'node:crypto'
import { canonicalManifest, type Manifest } from '../tree/manifest.ts'

/** What a host holds a tree against. */
export interface Lists {
  readonly checks: string
  readonly sums: string
  readonly links: string
  readonly 'manifest.json': string
}

/** In the order in which `checks` lists them. */
export const LISTS = ['sums', 'links', 'manifest.json'] as const

/** The lists of a manifest. */
export function checkLists(manifest: Manifest): Lists {
  const lists = uncheckedLists(manifest)
  const checks = LISTS.map((name) => `${digestOf(lists[name])}  ${name}\n`).join('')
  return { checks, ...lists }
}

/** The same without what vouches for them. */
export function uncheckedLists(manifest: Manifest): Omit<Lists, 'checks'> {
  let [sums, links] = ['', '']
  for (const e of manifest.entries) {
    if (e.type === 'file') sums += `${e.sha256}  ${e.path === '-' ? './-' : e.path}\n`
    else if (e.type === 'link') links += `${e.path}\n${e.target}\n`
  }
  return { sums, links, 'manifest.json': canonicalManifest(manifest) }
}

/** sha256, hexadecimal. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

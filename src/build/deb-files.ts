/** Files of the project that its packages name, read before anything is built. */
import { existsSync, lstatSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { DebSettings } from '../config/deb.ts'
import type { DataItem } from '../deb/data.ts'
import { messageOf, ShipError } from '../errors.ts'
import { guardTree } from '../tree/guard.ts'
import type { Entry } from '../tree/manifest.ts'
import { walkTree } from '../tree/walk.ts'

export interface FilesFrom {
  /** Folder of the project. */
  readonly dir: string
  /** Paths that the guard lets through. */
  readonly allow: readonly string[]
  readonly signal: AbortSignal
}

/** Text of a file that the configuration names at `key`. Rejects (reason `config`). */
export async function namedText(dir: string, key: string, file: string): Promise<string> {
  const bytes = await readFile(resolve(dir, file)).catch((cause: unknown) => {
    throw new ShipError('config', `${key} is "${file}", which cannot be read`, { cause, details: [messageOf(cause)] })
  })
  const text = bytes.toString('utf8')
  if (Buffer.from(text).equals(bytes)) return text
  throw new ShipError('config', `${key} is "${file}", which is not UTF-8`)
}

/** What `files`, `dirs` and `links` install. Rejects (reason `config` or `build`) by name. */
export async function namedItems(settings: DebSettings, from: FilesFrom): Promise<readonly DataItem[]> {
  const { files = [], dirs = [], links = {} } = settings
  const found = await Promise.all(files.map((file) => fileItems(file, from)))
  return [
    ...found.flat(),
    ...dirs.map((path) => ({ path: placeOf(path), type: 'dir', mode: 0o755 }) as const),
    ...Object.entries(links).map(([path, target]) => {
      return { path: placeOf(path), type: 'link', mode: 0o777, target: linkTarget(placeOf(path), target) } as const
    }),
  ]
}

async function fileItems(
  file: NonNullable<DebSettings['files']>[number],
  { dir, allow, signal }: FilesFrom,
): Promise<readonly DataItem[]> {
  const source = resolve(dir, file.from)
  if (!existsSync(source)) throw new ShipError('config', `deb.files: "${file.from}" does not exist`)
  const isFolder = lstatSync(source).isDirectory()
  const root = isFolder ? source : dirname(source)
  const include = isFolder ? undefined : (path: string): boolean => path === basename(source)
  const entries = await walkTree(root, { signal, include })
  guardTree(root, entries, allow, entries)
  const mode = typeof file.mode === 'string' ? Number.parseInt(file.mode, 8) : file.mode
  const to = placeOf(file.to)
  return entries.map((entry) => itemOf(entry, root, isFolder ? `${to}/${entry.path}` : to, mode))
}

function itemOf(entry: Entry, root: string, path: string, mode: number | undefined): DataItem {
  if (entry.type !== 'file') return { ...entry, path }
  const { size, sha256 } = entry
  return { path, type: 'file', mode: mode ?? entry.mode, size, sha256, content: join(root, entry.path) }
}

/** `/etc/shop/` -> `etc/shop`. */
function placeOf(path: string): string {
  return path.replace(/^\/+/, '').replace(/\/+$/, '')
}

/** Policy 10.5: relative within a folder at the top, absolute from one to another. */
function linkTarget(path: string, target: string): string {
  const [top, ...rest] = path.split('/')
  const [targetTop, ...targetRest] = placeOf(target).split('/')
  if (!target.startsWith('/') || top !== targetTop) return target
  let same = 0
  while (same < Math.min(rest.length - 1, targetRest.length - 1) && rest[same] === targetRest[same]) same += 1
  return [...rest.slice(same + 1).map(() => '..'), ...targetRest.slice(same)].join('/')
}

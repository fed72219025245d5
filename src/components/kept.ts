/**
 * What a recipe made, kept under the key of its inputs: a list of its files and a tar.zst, in a folder that may be shared, and at an HTTP
 * address. What comes back is held against its list file by file; what cannot be read is built anew.
 */
import { createWriteStream } from 'node:fs'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { messageOf, throwIfAborted } from '../errors.ts'
import { readBundle } from '../formats/bundle.ts'
import type { Content } from '../formats/format.ts'
import { tarZst } from '../formats/tar-zst.ts'
import { parseAppName } from '../names.ts'
import type { Component } from '../recipe.ts'
import { canonicalManifest, makeManifest, manifestDigest, parseManifest, type Entry } from '../tree/manifest.ts'
import { parseVersion } from '../version.ts'
import type { SharedCache } from './kept-http.ts'

export interface KeptPart {
  readonly entries: readonly Entry[]
  readonly parts: readonly Component[]
}

export interface KeepOptions {
  /** Folder for kept parts. */
  readonly dir: string
  /** The parts of one folder that were not used for longest are removed above so many bytes. */
  readonly maxBytes: number
  readonly shared: SharedCache | undefined
  readonly signal: AbortSignal
  /** Told when something cannot be kept, or is not what it was; the build goes on. */
  readonly warn: (message: string) => void
}

const DAY_MS = 86_400_000

/** Puts the kept files into the folder `to`; undefined when nothing good is kept. */
export async function takeKept(key: string, to: string, options: KeepOptions): Promise<KeptPart | undefined> {
  const list = join(options.dir, listName(key))
  if (!(await isThere(list)) && !(await pull(key, options))) return undefined
  try {
    const manifest = parseManifest(await readFile(list, 'utf8'))
    const digest = manifestDigest(manifest)
    const archive = join(options.dir, archiveName(key, digest))
    await mkdir(to, { recursive: true })
    const bundle = { manifest, digest, archive, format: tarZst.name }
    await readBundle(bundle, (entry, content) => restore(to, entry, content), { signal: options.signal })
    const now = new Date()
    for (const file of [list, archive]) await utimes(file, now, now).catch(() => undefined)
    return { entries: manifest.entries, parts: manifest.components }
  } catch (error) {
    throwIfAborted(options.signal)
    options.warn(`the kept result ${key.slice(0, 12)} is damaged and is made anew: ${messageOf(error)}`)
    await rm(to, { recursive: true, force: true })
    // Without its list an archive is nothing, and goes with time.
    await rm(list, { force: true }).catch(() => undefined)
    return undefined
  }
}

/** Keeps what lies in `root`. Nobody sees it before it is whole: the list, which names its archive, is renamed last. */
export async function keep(key: string, root: string, part: KeptPart, options: KeepOptions): Promise<void> {
  const { dir, signal, shared, warn } = options
  const { parts: components, entries } = part
  const name = parseAppName('part')
  const version = parseVersion('0.0.0')
  const manifest = makeManifest({ name, version, platform: 'any', epoch: 315_532_800, components, entries })
  try {
    await mkdir(dir, { recursive: true })
    const temp = await mkdtemp(join(dir, '.new-'))
    try {
      const files = { list: join(temp, 'list'), archive: join(temp, 'archive') }
      await tarZst.write({ root, manifest }, createWriteStream(files.archive, { flush: true }), { signal })
      await writeFile(files.list, canonicalManifest(manifest), { flush: true })
      const names = { list: listName(key), archive: archiveName(key, manifestDigest(manifest)) }
      await shared?.push(names, files, signal)
      await rename(files.archive, join(dir, names.archive))
      await rename(files.list, join(dir, names.list))
    } finally {
      await rm(temp, { recursive: true, force: true })
    }
    await sweep(options)
  } catch (error) {
    throwIfAborted(signal)
    warn(`the result ${key.slice(0, 12)} cannot be kept: ${messageOf(error)}`)
  }
}

function listName(key: string): string {
  return `${key}.json`
}

/** Two builds of one key that came out differently have archives of their own, so that a list always finds its own. */
function archiveName(key: string, digest: string): string {
  return `${key}-${digest.slice(0, 16)}.tar.zst`
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}

async function restore(to: string, entry: Entry, content: Content): Promise<void> {
  const path = join(to, entry.path)
  if (entry.type === 'dir') await mkdir(path, { recursive: true })
  else if (entry.type === 'link') await symlink(entry.target, path)
  else {
    await mkdir(dirname(path), { recursive: true })
    await pipeline(content, createWriteStream(path, { flags: 'wx' }))
    await chmod(path, entry.mode)
  }
}

/** Fetches a part from the shared place into the folder. False when it has none, or does not answer. */
async function pull(key: string, { dir, shared, signal, warn }: KeepOptions): Promise<boolean> {
  if (!shared) return false
  try {
    await mkdir(dir, { recursive: true })
    const temp = await mkdtemp(join(dir, '.new-'))
    try {
      const list = await shared.pullList(listName(key), signal)
      if (list === undefined) return false
      const name = archiveName(key, manifestDigest(parseManifest(list)))
      const came = await shared.pullArchive(name, join(temp, 'archive'), signal)
      if (came === undefined) return false
      if (!came) throw new Error('there is no archive for its list')
      await writeFile(join(temp, 'list'), list, { flush: true })
      await rename(join(temp, 'archive'), join(dir, name))
      await rename(join(temp, 'list'), join(dir, listName(key)))
      return true
    } finally {
      await rm(temp, { recursive: true, force: true })
    }
  } catch (error) {
    throwIfAborted(signal)
    warn(`the shared cache gave something else for ${key.slice(0, 12)}: ${messageOf(error)}`)
    return false
  }
}

/** Leftovers of killed builds go after a day, kept parts when there is too much of them. */
async function sweep({ dir, maxBytes }: KeepOptions): Promise<void> {
  const names = await readdir(dir)
  const found = await Promise.all(
    names.map(async (name) => ({ name, stats: await stat(join(dir, name)).catch(() => undefined) })),
  )
  const there = found.flatMap(({ name, stats }) => (stats ? [{ name, size: stats.size, time: stats.mtimeMs }] : []))
  for (const { name, time } of there) {
    if (name.startsWith('.new-') && Date.now() - time > DAY_MS)
      await rm(join(dir, name), { recursive: true, force: true })
  }
  const files = there.filter((f) => /^[0-9a-f]{64}(?:\.json|-[0-9a-f]{16}\.tar\.zst)$/.test(f.name))
  let bytes = files.reduce((sum, f) => sum + f.size, 0)
  const parts = [...Map.groupBy(files, (f) => f.name.slice(0, 64)).values()]
  const age = (part: typeof files): number => Math.max(...part.map((f) => f.time))
  for (const part of parts.toSorted((a, b) => age(a) - age(b))) {
    if (bytes <= maxBytes) return
    for (const { name, size } of part.toSorted((a) => (a.name.endsWith('.json') ? -1 : 1))) {
      await rm(join(dir, name), { force: true })
      bytes -= size
    }
  }
}

/** The user's own folder for what can be made again: downloads, kept parts, manifests, logs. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** Absolute path: `SHIP_CACHE_DIR`, or `ship` in `XDG_CACHE_HOME` or `~/.cache`. */
export function cacheFolder(): string {
  const { SHIP_CACHE_DIR: own, XDG_CACHE_HOME: xdg } = process.env
  if (own !== undefined && own !== '') return resolve(own)
  return join(xdg === undefined || xdg === '' ? join(homedir(), '.cache') : xdg, 'ship')
}

/** What is being written, by path: the last one asked for stays. */
const writing = new Map<string, Promise<void>>()

/** Keeps a file of the cache, whole or not at all. Best effort: a home that cannot be written is no reason to fail. Never rejects. */
export function keepInCache(path: string, content: string | Buffer): Promise<void> {
  const turn = (writing.get(path) ?? Promise.resolve()).then(() => write(path, content))
  writing.set(path, turn)
  return turn
}

async function write(path: string, content: string | Buffer): Promise<void> {
  const file = join(cacheFolder(), path)
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(`${file}.${process.pid}`, content)
    await rename(`${file}.${process.pid}`, file)
  } catch {
    // What is not there is found out, or asked for, again.
  }
}

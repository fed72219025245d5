/** The user's own folder for what can be made again: downloads, kept parts, manifests, logs. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** Absolute path: `SHIP_CACHE_DIR`, or `ship` in `XDG_CACHE_HOME` or `~/.cache`. */
export function cacheFolder(): string {
  const { SHIP_CACHE_DIR: own, XDG_CACHE_HOME: xdg } = process.env
  if (own !== undefined && own !== '') return resolve(own)
  return join(xdg === undefined || xdg === '' ? join(homedir(), '.cache') : xdg, 'ship')
}

/** The path of the building folder in what is shipped: it exists nowhere else, and makes every build differ from the last. */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import picomatch from 'picomatch'
import { ShipError } from '../errors.ts'
import type { Entry } from './manifest.ts'

const CHUNK_BYTES = 1024 * 1024
const SHOWN = 10

export interface LeakOptions {
  /** Absolute paths that exist nowhere but here. */
  readonly folders: readonly string[]
  /** Paths or patterns of files that may hold them. */
  readonly allow: readonly string[]
}

/** Rejects (reason `build`) naming the files that hold one of the folders. */
export function refuseLeaks(root: string, entries: readonly Entry[], { folders, allow }: LeakOptions): void {
  const needles = folders.map((folder) => Buffer.from(folder))
  const buffer = Buffer.alloc(CHUNK_BYTES + Math.max(...needles.map((n) => n.length)))
  const allowed = allow.length > 0 ? picomatch([...allow], { dot: true }) : () => false
  const found = entries.filter((e) => {
    if (e.type === 'dir' || allowed(e.path)) return false
    if (e.type === 'link') return folders.some((folder) => e.target.includes(folder))
    return needles.some((needle) => e.size >= needle.length && holds(join(root, e.path), needle, buffer))
  })
  const [first] = found
  if (!first) return
  const more = found.length - SHOWN
  const what = found.length === 1 ? 'a file holds' : `${found.length} files hold`
  throw new ShipError('build', `${what} the path of the folder it was built in`, {
    details: [...found.slice(0, SHOWN).map((e) => e.path), ...(more > 0 ? [`and ${more} more`] : [])],
    state: 'nothing was written to dist/',
    next: [
      'configure it with step.prefix and install it with DESTDIR',
      'give compilers -ffile-prefix-map, or let the recipe remove the file',
      `or, if it is meant, add to the configuration: build: { allow: [${JSON.stringify(first.path)}] }`,
    ],
  })
}

/** Reads through one buffer; the end of each piece is kept for names that lie across. */
function holds(file: string, needle: Buffer, buffer: Buffer): boolean {
  const fd = openSync(file, 'r')
  try {
    let kept = 0
    for (;;) {
      const read = readSync(fd, buffer, kept, CHUNK_BYTES, null)
      if (read === 0) return false
      const filled = buffer.subarray(0, kept + read)
      if (filled.includes(needle)) return true
      kept = Math.min(needle.length - 1, filled.length)
      filled.copy(buffer, 0, filled.length - kept)
    }
  } finally {
    closeSync(fd)
  }
}

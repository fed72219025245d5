/**
 * What lies in a folder, in one fixed order, with every file's digest. Synchronous reads into one buffer are several times faster than
 * a promise per file; the event loop gets its turn in between.
 */
import { createHash, hash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ShipError, throwIfAborted } from '../errors.ts'
import { parseRelPath, type RelPath } from '../names.ts'
import type { Entry } from './manifest.ts'

export interface WalkOptions {
  readonly signal: AbortSignal
  /** Whether a path is taken; a folder that is not is not entered. */
  readonly include?: ((path: string, isDir: boolean) => boolean) | undefined
  readonly onProgress?: ((files: number) => void) | undefined
}

const BUFFER_BYTES = 1024 * 1024
const TURN_MS = 40
const DIR_MODE = 0o755
const LINK_MODE = 0o777

/**
 * All entries below `root`, sorted by path bytewise, a folder before what it holds. Modes are made independent of umask: 0644, or 0755
 * with any x bit. Rejects (reason `build`) by name what is neither file, folder nor link, and names that no host can hold.
 */
export async function walkTree(root: string, options: WalkOptions): Promise<Entry[]> {
  const paths = listTree(root, options)
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  const entries: Entry[] = []
  let turn = performance.now()
  for (const [index, { path, stats }] of paths.entries()) {
    entries.push(entryOf(join(root, path), path, stats, buffer))
    if (performance.now() - turn > TURN_MS) {
      options.onProgress?.(index + 1)
      await nextTurn()
      throwIfAborted(options.signal)
      turn = performance.now()
    }
  }
  return entries
}

interface Found {
  readonly path: RelPath
  readonly stats: Stats
}

function listTree(root: string, { include }: WalkOptions): Found[] {
  const found: Found[] = []
  const visit = (folder: string): void => {
    for (const name of readdirSync(join(root, folder), { encoding: 'buffer' })) {
      const text = name.toString('utf8')
      if (!Buffer.from(text).equals(name))
        throw new ShipError('build', `a name in "${folder || '.'}" is not valid UTF-8: ${JSON.stringify(text)}`)
      const path = folder === '' ? text : `${folder}/${text}`
      // Another build may take its temporary files away meanwhile.
      const stats = lstatSync(join(root, path), { throwIfNoEntry: false })
      if (!stats) continue
      if (include && !include(path, stats.isDirectory())) continue
      found.push({ path: parseRelPath(path, 'build'), stats })
      if (stats.isDirectory()) visit(path)
    }
  }
  visit('')
  return found.map((f) => ({ ...f, bytes: Buffer.from(f.path) })).toSorted((a, b) => Buffer.compare(a.bytes, b.bytes))
}

function entryOf(file: string, path: RelPath, stats: Stats, buffer: Buffer): Entry {
  if (stats.isSymbolicLink()) return { path, type: 'link', mode: LINK_MODE, target: readlinkSync(file) }
  if (stats.isDirectory()) return { path, type: 'dir', mode: DIR_MODE }
  if (!stats.isFile()) {
    const what = stats.isFIFO() ? 'a named pipe' : stats.isSocket() ? 'a socket' : 'a device'
    throw new ShipError('build', `"${path}" is ${what}; only files, folders and links can be released`)
  }
  const mode = (stats.mode & 0o111) === 0 ? 0o644 : 0o755
  return { path, type: 'file', mode, ...digestFile(file, buffer) }
}

/** Size and sha256 of a file as it is read, through one buffer whatever its size. */
function digestFile(file: string, buffer: Buffer): { readonly size: number; readonly sha256: string } {
  const fd = openSync(file, 'r')
  try {
    let read = readSync(fd, buffer, 0, buffer.length, null)
    if (read < buffer.length) {
      const more = read === 0 ? 0 : readSync(fd, buffer, read, buffer.length - read, null)
      if (more === 0) return { size: read, sha256: hash('sha256', buffer.subarray(0, read)) }
      read += more
    }
    const sum = createHash('sha256')
    let size = 0
    for (; read > 0; read = readSync(fd, buffer, 0, buffer.length, null)) {
      sum.update(buffer.subarray(0, read))
      size += read
    }
    return { size, sha256: sum.digest('hex') }
  } finally {
    closeSync(fd)
  }
}

/**
 * Some files of a tar archive that was found to be as its manifest lists it: where they lie follows from the manifest, so nothing else is
 * looked at. What is taken is held against its digest.
 */
import { hash } from 'node:crypto'
import { createReadStream, lstatSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addAbortSignal, type Transform } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { throwIfAborted } from '../errors.ts'
import type { Entry } from '../tree/manifest.ts'
import type { Bundle } from './bundle.ts'
import { formats } from './index.ts'
import { BLOCK, headerSize } from './tar.ts'
import { contentBytes } from '../tree/entries.ts'

/** More than this is read as it comes, and not held. */
const MAX_BYTES = 64 * 1024 * 1024

interface Place {
  readonly path: string
  readonly sha256: string
  /** In the tar, bytes. */
  readonly start: number
  readonly end: number
}

/**
 * Content of the files that are wanted, by path. Undefined where they cannot be had like this: they are much, the format holds each by
 * itself, or the archive is not as it should be, which a reader of all of it tells better.
 */
export async function pickFiles(
  bundle: Bundle,
  isWanted: (entry: Entry) => boolean,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const decoder = formats.find(({ name }) => name === bundle.format)?.decoder
  const places = placesIn(bundle, isWanted)
  if (!decoder || places.reduce((sum, { start, end }) => sum + end - start, 0) > MAX_BYTES) return undefined
  const built = await fromSources(bundle.sources, places)
  if (built) return built
  const tar = await bundle.unpacked
  const found = tar ? cut(tar, places) : await read(bundle.archive, decoder(), places, signal)
  return places.every((place) => isWhole(found, place)) ? found : undefined
}

type Found = ReadonlyMap<string, readonly Buffer[]>

function isWhole(found: Found, { path, sha256 }: Pick<Place, 'path' | 'sha256'>): boolean {
  const pieces = found.get(path) ?? []
  const [only] = pieces
  return hash('sha256', only && pieces.length === 1 ? only : Buffer.concat(pieces), 'hex') === sha256
}

/** So many small files are read before others have their turn. */
const AT_ONCE = 64

/** The files where the bundle was built from. Undefined when one of them is not there, or was changed since. */
async function fromSources(folder: string | undefined, places: readonly Place[]): Promise<Found | undefined> {
  const found = new Map<string, readonly Buffer[]>()
  for (const [index, place] of places.entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await nextTurn()
    if (!liesIn(folder, [{ path: place.path, size: place.end - place.start }])) return undefined
    try {
      found.set(place.path, [readFileSync(join(folder, place.path))])
    } catch {
      return undefined
    }
    if (!isWhole(found, place)) return undefined
  }
  return found
}

/** Whether files of these sizes lie in a folder. What they hold is another question. */
export function liesIn(folder: string | undefined, files: readonly { path: string; size: number }[]): folder is string {
  if (folder === undefined) return false
  try {
    return files.every(({ path, size }) => {
      const found = lstatSync(join(folder, path), { throwIfNoEntry: false })
      return found?.isFile() === true && found.size === size
    })
  } catch {
    return false
  }
}

/**
 * Begins to unpack an archive of which some files will be wanted, all at once in a thread of its own. Undefined where that cannot be: it is large,
 * or of another format, or damaged.
 */
export async function unpackAhead({ archive, format, manifest }: Bundle): Promise<Buffer | undefined> {
  if (format !== 'tar.zst' || contentBytes(manifest.entries) > MAX_BYTES) return undefined
  // Memory that is not written to costs nothing.
  const options = { chunkSize: MAX_BYTES, maxOutputLength: MAX_BYTES }
  return unzstd(await readFile(archive), options).catch(() => undefined)
}

const unzstd = promisify(zstdDecompress)

/** What lies at the places. */
function cut(tar: Buffer, places: readonly Place[]): Map<string, Buffer[]> {
  return new Map(places.map(({ path, start, end }) => [path, [tar.subarray(start, end)]]))
}

function placesIn({ manifest: { name, version, entries } }: Bundle, isWanted: (entry: Entry) => boolean): Place[] {
  const root = `${name}-${version}/`
  const places: Place[] = []
  let at = headerSize({ path: root })
  for (const entry of entries) {
    const path = `${root}${entry.path}${entry.type === 'dir' ? '/' : ''}`
    at += headerSize({ path, target: entry.type === 'link' ? entry.target : undefined })
    if (entry.type !== 'file') continue
    const { sha256, size } = entry
    if (isWanted(entry)) places.push({ path: entry.path, sha256, start: at, end: at + size })
    at += Math.ceil(size / BLOCK) * BLOCK
  }
  return places
}

/** What lies at the places, as far as there is something. Stops behind the last of them. */
async function read(
  file: string,
  decode: Transform,
  places: readonly Place[],
  signal: AbortSignal,
): Promise<Map<string, Buffer[]>> {
  const found = new Map<string, Buffer[]>(places.map(({ path }) => [path, []]))
  const source = createReadStream(file, { highWaterMark: 1024 * 1024 })
  source.on('error', (error) => decode.destroy(error))
  let at = 0
  let next = 0
  try {
    for await (const chunk of addAbortSignal(signal, source.pipe(decode)) as AsyncIterable<Buffer>) {
      const end = at + chunk.length
      for (let place = places[next]; place && place.start < end; place = places[next]) {
        const piece = chunk.subarray(Math.max(0, place.start - at), place.end - at)
        if (piece.length > 0) found.get(place.path)?.push(piece)
        if (place.end > end) break
        next += 1
      }
      at = end
      if (next === places.length) break
    }
  } catch {
    // Whoever reads all of it says what is wrong with it.
    throwIfAborted(signal)
  } finally {
    source.destroy()
  }
  return found
}

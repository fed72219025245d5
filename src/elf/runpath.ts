/**
 * Absolute search paths of an ELF file made relative to it, in place: the new text takes the bytes of the old one, and what is left of
 * them is filled with NULs. Linkers let strings share bytes, also the end of a longer one; where another string shares these, nothing
 * is changed.
 */
import { posix } from 'node:path'
import { ShipError } from '../errors.ts'
import { isDetachedDebug, readDynamic, stringPlaces, TAG, type Dynamic } from './dynamic.ts'
import { openImage, type Image } from './header.ts'
import { inTree } from './paths.ts'
import { folderOf, originForm } from './search-path.ts'
import { eachSymbol } from './symbols.ts'
import { versionPlaces } from './versions.ts'

/** What is to be done to one file. */
export type PathPlan =
  | { readonly kind: 'rewrite'; readonly before: string; readonly after: string; readonly writes: readonly Write[] }
  | Impossible

interface Impossible {
  readonly kind: 'impossible'
  /** The search path; empty when the file cannot be read. */
  readonly before: string
  readonly why: string
}

/** Bytes to put at an offset of the file. */
interface Write {
  readonly offset: number
  readonly bytes: Buffer
}

/**
 * Plans the rewriting of a file's RUNPATH and RPATH; undefined when nothing in them is below one of `from`, or the file is not ELF.
 * `path`: the file's place in the tree.
 */
export function planSearchPaths(file: string, path: string, from: readonly string[]): PathPlan | undefined {
  let image: Image | undefined
  try {
    image = openImage(file)
    if (!image) return undefined
    const dynamic = isDetachedDebug(image) ? undefined : readDynamic(image)
    return dynamic && planOf(image, dynamic, folderOf(path), from)
  } catch (error) {
    // No loader takes a damaged file either; it may be some test's input.
    if (error instanceof ShipError) return { kind: 'impossible', before: '', why: error.message }
    throw error
  } finally {
    image?.source.close()
  }
}

function planOf(image: Image, dynamic: Dynamic, folder: string, from: readonly string[]): PathPlan | undefined {
  // Both tags may name one text.
  const places = [...new Set(dynamic.entries.filter(isSearchPath).map((e) => e.value))]
  const texts = places
    .map((place) => ({ place, before: dynamic.text(place, 'a search path') }))
    .map((t) => ({ ...t, after: relative(t.before, folder, from) }))
    .filter((t) => t.after !== t.before)
  if (texts.length === 0) return undefined
  const said = (of: 'before' | 'after'): string => texts.map((t) => t[of]).join(' and ')
  for (const { place, before, after } of texts) {
    const why = obstacle(image, dynamic, { place, bytes: Buffer.byteLength(before) }, after)
    if (why !== undefined) return { kind: 'impossible', before, why }
  }
  const writes = texts.map(({ place, before, after }) => {
    const bytes = Buffer.alloc(Buffer.byteLength(before))
    bytes.write(after)
    return { offset: dynamic.strings.offset + place, bytes }
  })
  return { kind: 'rewrite', before: said('before'), after: said('after'), writes }
}

function isSearchPath({ tag }: { readonly tag: number }): boolean {
  return tag === TAG.RUNPATH || tag === TAG.RPATH
}

/** The text with all elements below `from` written by `$ORIGIN`, each once. */
function relative(text: string, folder: string, from: readonly string[]): string {
  const elements = text.split(':')
  const known = elements.map((element) => {
    const place = placeBelow(element, from)
    return place === undefined ? element : originForm(folder, place)
  })
  return known.every((e, i) => e === elements[i]) ? text : [...new Set(known)].join(':')
}

/** Where an absolute path is in a tree that stood at one of `from`: the longest of them that it is below. Undefined elsewhere. */
export function placeBelow(path: string, from: readonly string[]): string | undefined {
  if (!path.startsWith('/')) return undefined
  const normal = posix.normalize(path).replace(/\/$/, '')
  const longest = from.toSorted((a, b) => b.length - a.length).find((prefix) => inTree(normal, prefix) !== undefined)
  const place = longest === undefined ? undefined : inTree(normal, longest)
  return place === '.' ? '' : place
}

/** Why these bytes cannot become another text. */
function obstacle(
  image: Image,
  dynamic: Dynamic,
  { place, bytes }: { readonly place: number; readonly bytes: number },
  after: string,
): string | undefined {
  if (Buffer.byteLength(after) > bytes) return `"${after}" is longer than the room of ${bytes} bytes`
  if (place > 0 && image.source.piece(dynamic.strings.offset + place - 1, 1, 'a search path')[0] !== 0)
    return 'it is the end of another string of the file'
  const inside = (other: number): boolean => other >= place && other < place + bytes
  const dynamicStrings = stringPlaces(dynamic).filter((e) => !(isSearchPath(e) && e.value === place))
  let shared = dynamicStrings.some((e) => inside(e.value)) || versionPlaces(image, dynamic).some(inside)
  if (!shared) eachSymbol(image, dynamic, (name) => void (shared ||= inside(name)))
  return shared ? 'another string of the file shares its bytes' : undefined
}

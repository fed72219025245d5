/** Versions of symbols: what a file needs of each library (`.gnu.version_r`), and what a library has (`.gnu.version_d`). */
import { damaged } from './bytes.ts'
import { TAG, type Dynamic } from './dynamic.ts'
import type { Image } from './header.ts'
import { namesByVersion } from './symbols.ts'

/** One version of one library that a file needs. */
export interface NeededVersion {
  /** The library as the file names it: `libc.so.6`. */
  readonly library: string
  /** `GLIBC_2.34`, `GLIBCXX_3.4.30`. */
  readonly version: string
  /** Whether the loader lets the file start without it: all its uses are weak. */
  readonly weak: boolean
  /** Names of the symbols that need it, in the order of the file. Empty for versions that stand for a feature. */
  readonly symbols: readonly string[]
}

const WEAK = 2
/** Numbers of versions have 15 bits. */
const MAX_VERSIONS = 32_768

interface RawVersion {
  readonly library: string
  readonly version: string
  readonly weak: boolean
  readonly index: number
  /** Place of the version's name, and of its library's, in the table of strings. */
  readonly places: readonly [number, number]
}

export function readNeededVersions(image: Image, dynamic: Dynamic): NeededVersion[] {
  const raw = neededVersions(image, dynamic)
  const names = namesByVersion(image, dynamic, new Set(raw.map((v) => v.index)))
  return raw.map(({ library, version, weak, index }) => {
    const symbols = (names.get(index) ?? []).map((place) => dynamic.text(place, 'the name of a symbol'))
    return { library, version, weak, symbols }
  })
}

function neededVersions(image: Image, dynamic: Dynamic): RawVersion[] {
  const what = 'the table of needed versions'
  const address = dynamic.value(TAG.VERNEED)
  if (address === undefined) return []
  const { source, u16, u32 } = image
  const found: RawVersion[] = []
  let libraries = 0
  for (let { offset } = image.locate(address, what), more = true; more;) {
    if ((libraries += 1) > MAX_VERSIONS) throw damaged(source.file, `${what} has no end`)
    const head = source.piece(offset, 16, what)
    const [count, filePlace, first, next] = [u16(head, 2), u32(head, 4), u32(head, 8), u32(head, 12)]
    const library = dynamic.text(filePlace, 'the name of a library')
    for (let i = 0, at = offset + first; i < count; i++) {
      if (found.length >= MAX_VERSIONS) throw damaged(source.file, `${what} has no end`)
      const item = source.piece(at, 16, what)
      const place = u32(item, 8)
      const version = dynamic.text(place, 'the name of a version')
      const weak = (u16(item, 4) & WEAK) !== 0
      found.push({ library, version, weak, index: u16(item, 6) & 0x7fff, places: [place, filePlace] })
      at += u32(item, 12)
    }
    offset += next
    more = next !== 0
  }
  return found
}

/** Names of the versions that a library has; empty for one without versions. */
export function readOwnVersions(image: Image, dynamic: Dynamic): string[] {
  return ownVersions(image, dynamic)
    .filter((v) => v.first)
    .map((v) => dynamic.text(v.place, 'the name of a version'))
}

/** `first`: the name itself; those after it name the versions that it follows. */
function ownVersions(image: Image, dynamic: Dynamic): { readonly place: number; readonly first: boolean }[] {
  const what = 'the table of own versions'
  const address = dynamic.value(TAG.VERDEF)
  if (address === undefined) return []
  const { source, u16, u32 } = image
  const found: { place: number; first: boolean }[] = []
  for (let { offset } = image.locate(address, what), more = true; more;) {
    const head = source.piece(offset, 20, what)
    const [count, first, next] = [u16(head, 6), u32(head, 12), u32(head, 16)]
    for (let i = 0, at = offset + first; i < Math.max(count, 1); i++) {
      if (found.length >= MAX_VERSIONS) throw damaged(source.file, `${what} has no end`)
      const item = source.piece(at, 8, what)
      found.push({ place: u32(item, 0), first: i === 0 })
      at += u32(item, 4)
    }
    offset += next
    more = next !== 0
  }
  return found
}

/** Every place in the table of strings that a version names. */
export function versionPlaces(image: Image, dynamic: Dynamic): number[] {
  return [
    ...neededVersions(image, dynamic).flatMap((v) => v.places),
    ...ownVersions(image, dynamic).map((v) => v.place),
  ]
}

/** The dynamic symbols of an ELF file: how many there are, their names, and the version that each one needs. */
import { damaged } from './bytes.ts'
import { TAG, tableAddresses, type Dynamic } from './dynamic.ts'
import type { Image } from './header.ts'

const SECTION_DYNSYM = 11
/** Far above real files; libraries with hundreds of thousands exist. */
const MAX_SYMBOLS = 8_000_000
/** Symbols that are read at once. */
const BLOCK = 2048
/** Bits of a version number; the highest one says "hidden". */
const VERSION_BITS = 0x7fff

/** Calls `visit` with the place of each symbol's name in the table of strings, and its index. */
export function eachSymbol(image: Image, dynamic: Dynamic, visit: (name: number, index: number) => void): void {
  const address = dynamic.value(TAG.SYMTAB)
  if (address === undefined) return
  const { source, u32 } = image
  const each = symbolBytes(image)
  const { offset, room } = image.locate(address, 'the table of symbols')
  const count = Math.min(countSymbols(image, dynamic, address), Math.floor(room / each))
  for (let first = 0; first < count; first += BLOCK) {
    const block = source.piece(offset + first * each, Math.min(BLOCK, count - first) * each, 'the table of symbols')
    for (let at = 0; at < block.length; at += each) visit(u32(block, at), first + at / each)
  }
}

/** Places of the names of the symbols that need one of `versions`, by version number. */
export function namesByVersion(
  image: Image,
  dynamic: Dynamic,
  versions: ReadonlySet<number>,
): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>()
  const address = dynamic.value(TAG.VERSYM)
  if (address === undefined || versions.size === 0) return found
  const { source, u16 } = image
  const { offset, room } = image.locate(address, 'the table of symbol versions')
  let block: Buffer = Buffer.alloc(0)
  eachSymbol(image, dynamic, (name, index) => {
    if (index * 2 + 2 > room) return
    if (index % BLOCK === 0)
      block = source.piece(offset + index * 2, Math.min(BLOCK * 2, room - index * 2), 'the table of symbol versions')
    const version = u16(block, (index % BLOCK) * 2) & VERSION_BITS
    if (!versions.has(version)) return
    const names = found.get(version)
    if (names) names.push(name)
    else found.set(version, [name])
  })
  return found
}

function symbolBytes({ bits }: Image): number {
  return bits === 64 ? 24 : 16
}

/**
 * How many symbols there are. Nothing says so directly: the section headers do when they are there, the old hash table does, and the GNU
 * hash table knows the last symbol that it holds. When all these are silent, the symbols end where the next table starts.
 */
function countSymbols(image: Image, dynamic: Dynamic, address: number): number {
  const section = image.sections.find((s) => s.type === SECTION_DYNSYM && s.address === address)
  const count =
    (section && Math.floor(section.bytes / symbolBytes(image))) ??
    oldHashCount(image, dynamic) ??
    gnuHashCount(image, dynamic) ??
    roomCount(image, dynamic, address)
  if (count > MAX_SYMBOLS) throw damaged(image.source.file, `it claims ${count} symbols`)
  return count
}

function oldHashCount(image: Image, dynamic: Dynamic): number | undefined {
  const address = dynamic.value(TAG.HASH)
  if (address === undefined) return undefined
  // Entries of this table are words of 4 bytes, except on 64-bit s390.
  const wide = image.cpu === 's390x'
  const { offset } = image.locate(address, 'the hash table')
  const head = image.source.piece(offset, wide ? 16 : 8, 'the hash table')
  return wide ? image.word(head, 8) : image.u32(head, 4)
}

function gnuHashCount(image: Image, dynamic: Dynamic): number | undefined {
  const address = dynamic.value(TAG.GNU_HASH)
  if (address === undefined) return undefined
  const { source, u32, wordBytes } = image
  const { offset, room } = image.locate(address, 'the hash table')
  const head = source.piece(offset, 16, 'the hash table')
  const [buckets, firstHashed, words] = [u32(head, 0), u32(head, 4), u32(head, 8)]
  const start = offset + 16 + words * wordBytes
  if (16 + words * wordBytes + buckets * 4 > room) throw damaged(source.file, 'the hash table is beyond its end')
  let last = 0
  for (let i = 0; i < buckets; i += BLOCK) {
    const block = source.piece(start + i * 4, Math.min(BLOCK, buckets - i) * 4, 'the hash table')
    for (let at = 0; at < block.length; at += 4) last = Math.max(last, u32(block, at))
  }
  // A table that holds nothing says nothing about the symbols that are not in it.
  if (last < firstHashed || last === 0) return undefined
  const chains = start + buckets * 4
  const end = offset + room
  for (; chains + (last - firstHashed) * 4 + 4 <= end; last++) {
    const link = source.piece(chains + (last - firstHashed) * 4, 4, 'the hash table')
    if ((u32(link, 0) & 1) === 1) return last + 1
  }
  throw damaged(source.file, 'the hash table has no end')
}

function roomCount(image: Image, dynamic: Dynamic, address: number): number {
  const next = Math.min(...tableAddresses(dynamic).filter((a) => a > address))
  const { room } = image.locate(address, 'the table of symbols')
  return Math.floor(Math.min(room, next - address) / symbolBytes(image))
}

/**
 * The dynamic section of an ELF file: what the loader reads. It is found by the program headers alone, as the loader finds it, so that
 * files without section headers are read as well.
 */
import { damaged } from './bytes.ts'
import type { Image } from './header.ts'

/** Tags of the dynamic section that are used here (gABI chapter 5, and the GNU extensions of elf.h). */
export const TAG = {
  NEEDED: 1,
  HASH: 4,
  STRTAB: 5,
  SYMTAB: 6,
  STRSZ: 10,
  SONAME: 14,
  RPATH: 15,
  RUNPATH: 29,
  GNU_HASH: 0x6ffffef5,
  CONFIG: 0x6ffffefa,
  DEPAUDIT: 0x6ffffefb,
  AUDIT: 0x6ffffefc,
  VERSYM: 0x6ffffff0,
  FLAGS_1: 0x6ffffffb,
  VERDEF: 0x6ffffffc,
  VERNEED: 0x6ffffffe,
  AUXILIARY: 0x7ffffffd,
  FILTER: 0x7fffffff,
} as const

/** Tags whose value is a place in the table of strings. */
const STRING_TAGS: ReadonlySet<number> = new Set([
  TAG.NEEDED,
  TAG.SONAME,
  TAG.RPATH,
  TAG.RUNPATH,
  TAG.CONFIG,
  TAG.DEPAUDIT,
  TAG.AUDIT,
  TAG.AUXILIARY,
  TAG.FILTER,
])
/** Tags whose value is an address of a table: hash, strings, symbols, relocations, init and fini, versions. */
const TABLES = [4, 5, 6, 7, 12, 13, 17, 23, 25, 26, 32, 34, 36]
const ADDRESS_TAGS: ReadonlySet<number> = new Set(TABLES.concat(TAG.GNU_HASH, TAG.VERSYM, TAG.VERDEF, TAG.VERNEED))
const PT_DYNAMIC = 2
const SECTION_WITHOUT_BYTES = 8
/** Real files have some dozen; those with hundreds of libraries stay far below. */
const MAX_ENTRIES = 16_384

export interface DynamicEntry {
  readonly tag: number
  readonly value: number
}

export interface Dynamic {
  readonly entries: readonly DynamicEntry[]
  /** The table of strings in the file. */
  readonly strings: { readonly offset: number; readonly bytes: number }
  /** The string at a place of the table. */
  text(place: number, what: string): string
  /** Strings of all entries with this tag, in their order. */
  texts(tag: number, what: string): string[]
  /** Value of the first entry with this tag. */
  value(tag: number): number | undefined
}

/** Whether the part that the loader reads was left out: a file with debug information only (`objcopy --only-keep-debug`). */
export function isDetachedDebug({ segments, sections }: Image): boolean {
  const dynamic = segments.find((s) => s.type === PT_DYNAMIC)
  if (!dynamic) return false
  const same = sections.find((s) => s.address === dynamic.address && s.address !== 0)
  return same?.type === SECTION_WITHOUT_BYTES
}

/** Reads the dynamic section; undefined when there is none: static programs, objects, core files. */
export function readDynamic(image: Image): Dynamic | undefined {
  const { source, segments } = image
  const segment = segments.find((s) => s.type === PT_DYNAMIC)
  if (!segment) return undefined
  const entries = entriesOf(image, segment.offset, segment.fileBytes)
  const value = (tag: number): number | undefined => entries.find((e) => e.tag === tag)?.value
  const address = value(TAG.STRTAB)
  if (address === undefined) {
    if (entries.some((e) => STRING_TAGS.has(e.tag))) throw damaged(source.file, 'it has no table of strings')
    return { entries, strings: { offset: 0, bytes: 0 }, text: () => '', texts: () => [], value }
  }
  const { offset, room } = image.locate(address, 'the table of strings')
  const strings = { offset, bytes: Math.min(value(TAG.STRSZ) ?? room, room) }
  const text = (place: number, what: string): string => source.text(offset + place, offset + strings.bytes, what)
  const texts = (tag: number, what: string): string[] =>
    entries.filter((e) => e.tag === tag).map((e) => text(e.value, what))
  return { entries, strings, text, texts, value }
}

function entriesOf({ source, wordBytes, word }: Image, offset: number, bytes: number): DynamicEntry[] {
  const each = 2 * wordBytes
  const count = Math.floor(bytes / each)
  if (count > MAX_ENTRIES) throw damaged(source.file, `its dynamic section is of ${bytes} bytes`)
  const table = source.piece(offset, count * each, 'the dynamic section')
  const entries: DynamicEntry[] = []
  for (let at = 0; at < table.length; at += each) {
    const tag = word(table, at)
    if (tag === 0) break
    entries.push({ tag, value: word(table, at + wordBytes) })
  }
  return entries
}

/** Every place in the table of strings that an entry of the dynamic section names. */
export function stringPlaces({ entries }: Dynamic): DynamicEntry[] {
  return entries.filter((e) => STRING_TAGS.has(e.tag))
}

/** Addresses of all tables that the dynamic section names. */
export function tableAddresses({ entries }: Dynamic): number[] {
  return entries.filter((e) => ADDRESS_TAGS.has(e.tag)).map((e) => e.value)
}

/**
 * The head of an ELF file: for which processor it is, and where its parts lie. Source of the layouts: elf(5), the System V gABI
 * (chapters 4 and 5) and the processor supplements.
 */
import { openSource, damaged, type Source } from './bytes.ts'

/** Processors by the names that Node uses for them (`process.arch`). */
export type Cpu = 'x64' | 'arm64' | 'arm' | 'ia32' | 'riscv64' | 'ppc64' | 's390x' | 'loong64' | 'other'

/** A part of the file that is mapped to memory, or describes such a part. */
interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly fileBytes: number
}

interface Section {
  readonly type: number
  readonly address: number
  readonly bytes: number
}

/** An open ELF file. Numbers are read in its own byte order and word size. */
export interface Image {
  readonly source: Source
  readonly bits: 32 | 64
  /** Bytes of an address: 4 or 8. */
  readonly wordBytes: number
  readonly cpu: Cpu
  /** `e_type`: 1 relocatable, 2 executable, 3 shared (or position-independent executable), 4 core. */
  readonly kind: number
  readonly segments: readonly Segment[]
  /** Empty when the file has no section headers, or none that can be read: nothing at run time needs them. */
  readonly sections: readonly Section[]
  readonly u16: (from: Buffer, at: number) => number
  readonly u32: (from: Buffer, at: number) => number
  /** A number as large as an address. */
  readonly word: (from: Buffer, at: number) => number
  /** Where the byte of an address lies in the file; the `room` bytes from there lie side by side in memory as well. */
  locate(address: number, what: string): { readonly offset: number; readonly room: number }
}

const MAGIC = Buffer.from('\x7fELF', 'latin1')
const [BITS_32, BITS_64] = [1, 2]
const [LITTLE, BIG] = [1, 2]
const PT_LOAD = 1
/** More than any real file has; `e_phnum` itself ends at 65535. */
const MAX_SEGMENTS = 4096
const MAX_SECTIONS = 16_384

/** Machines (`e_machine`) whose name does not depend on the word size, and those of which only the 64-bit one has a name. */
const CPUS: Readonly<Record<number, { readonly cpu: Cpu; readonly bits: 32 | 64 }>> = {
  3: { cpu: 'ia32', bits: 32 },
  21: { cpu: 'ppc64', bits: 64 },
  22: { cpu: 's390x', bits: 64 },
  40: { cpu: 'arm', bits: 32 },
  62: { cpu: 'x64', bits: 64 },
  183: { cpu: 'arm64', bits: 64 },
  243: { cpu: 'riscv64', bits: 64 },
  258: { cpu: 'loong64', bits: 64 },
}

/** Opens an ELF file, which the caller closes (`source.close`); undefined for a file that is none. */
export function openImage(file: string): Image | undefined {
  const source = openSource(file, MAGIC)
  if (!source) return undefined
  try {
    return imageOf(source)
  } catch (error) {
    source.close()
    throw error
  }
}

function imageOf(source: Source): Image {
  const ident = source.piece(0, 16, 'its head')
  const [bitsByte, orderByte] = [ident[4], ident[5]]
  if (bitsByte !== BITS_32 && bitsByte !== BITS_64)
    throw damaged(source.file, `its word size is of kind ${bitsByte ?? 0}`)
  if (orderByte !== LITTLE && orderByte !== BIG)
    throw damaged(source.file, `its byte order is of kind ${orderByte ?? 0}`)
  const bits = bitsByte === BITS_64 ? 64 : 32
  const numbers = numbersOf(bits, orderByte === LITTLE)
  const head = source.piece(0, bits === 64 ? 64 : 52, 'its head')
  const cpu = cpuOf(numbers.u16(head, 18), bits)
  const segments = segmentsOf(source, head, bits, numbers)
  const sections = sectionsOf(source, head, bits, numbers)
  const loads = segments.filter((s) => s.type === PT_LOAD)
  const locate = (address: number, what: string): { offset: number; room: number } => {
    const load = loads.find((s) => address >= s.address && address < s.address + s.fileBytes)
    if (!load) throw damaged(source.file, `${what} is at an address that is not in the file`)
    const into = address - load.address
    // patchelf gives programs with fixed addresses a first segment of one page: what begins in it goes on in the next.
    const last = loads.reduce((at, next) => (follows(at, next) ? next : at), load)
    return { offset: load.offset + into, room: last.offset + last.fileBytes - load.offset - into }
  }
  return { source, bits, cpu, kind: numbers.u16(head, 16), segments, sections, ...numbers, locate }
}

/** Whether a segment lies right behind another one, in the file as in memory. */
function follows(at: Segment, next: Segment): boolean {
  return next.address === at.address + at.fileBytes && next.offset === at.offset + at.fileBytes
}

type Numbers = Pick<Image, 'u16' | 'u32' | 'word' | 'wordBytes'>

function numbersOf(bits: 32 | 64, little: boolean): Numbers {
  const u16 = (from: Buffer, at: number): number => (little ? from.readUInt16LE(at) : from.readUInt16BE(at))
  const u32 = (from: Buffer, at: number): number => (little ? from.readUInt32LE(at) : from.readUInt32BE(at))
  // Beyond 2^53 a number loses its last bits; such an offset or address is outside of any file in either case.
  const long = (from: Buffer, at: number): number =>
    little ? u32(from, at) + u32(from, at + 4) * 2 ** 32 : u32(from, at) * 2 ** 32 + u32(from, at + 4)
  return { u16, u32, word: bits === 64 ? long : u32, wordBytes: bits / 8 }
}

function cpuOf(machine: number, bits: 32 | 64): Cpu {
  const known = CPUS[machine]
  return known?.bits === bits ? known.cpu : 'other'
}

function segmentsOf(source: Source, head: Buffer, bits: 32 | 64, { u16, u32, word }: Numbers): Segment[] {
  const wide = bits === 64
  const count = u16(head, wide ? 56 : 44)
  if (count === 0) return []
  const each = u16(head, wide ? 54 : 42)
  if (each !== (wide ? 56 : 32)) throw damaged(source.file, `its program headers are of ${each} bytes`)
  if (count > MAX_SEGMENTS) throw damaged(source.file, `it has ${count} program headers`)
  const table = source.piece(word(head, wide ? 32 : 28), count * each, 'the table of program headers')
  return Array.from({ length: count }, (_, i) => {
    const at = i * each
    return {
      type: u32(table, at),
      offset: word(table, at + (wide ? 8 : 4)),
      address: word(table, at + (wide ? 16 : 8)),
      fileBytes: word(table, at + (wide ? 32 : 16)),
    }
  })
}

function sectionsOf(source: Source, head: Buffer, bits: 32 | 64, { u16, u32, word }: Numbers): Section[] {
  const wide = bits === 64
  const from = word(head, wide ? 40 : 32)
  const count = u16(head, wide ? 60 : 48)
  const each = u16(head, wide ? 58 : 46)
  // Tools that strip sections often leave the numbers in the head: a table that cannot be is none.
  if (count === 0 || count > MAX_SECTIONS || each !== (wide ? 64 : 40) || !(from + count * each <= source.size))
    return []
  const table = source.piece(from, count * each, 'the table of section headers')
  return Array.from({ length: count }, (_, i) => {
    const at = i * each
    return {
      type: u32(table, at + 4),
      address: word(table, at + (wide ? 16 : 12)),
      bytes: word(table, at + (wide ? 32 : 20)),
    }
  })
}

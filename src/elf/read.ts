/**
 * What the loader of a Linux system would read in an ELF file. Nothing is executed (`ldd` runs the file's own loader), and nothing is
 * asked of other programs: a build machine needs no binutils, and files for any processor are read alike.
 */
import { isDetachedDebug, readDynamic, TAG, type Dynamic } from './dynamic.ts'
import { openImage, type Cpu, type Image } from './header.ts'
import { readNeededVersions, readOwnVersions, type NeededVersion } from './versions.ts'

export interface ElfFile {
  readonly cpu: Cpu
  readonly bits: 32 | 64
  /** `relocatable`: an object or kernel module. `debug`: debug information of another file. */
  readonly type: 'relocatable' | 'executable' | 'shared' | 'debug' | 'core' | 'other'
  /** Whether the loader has work with it; programs without libraries, objects and debug files are `static`. */
  readonly linking: 'static' | 'dynamic'
  /** The program that loads it (`PT_INTERP`): `/lib64/ld-linux-x86-64.so.2`. */
  readonly interpreter?: string | undefined
  readonly soname?: string | undefined
  /** Libraries it needs (`DT_NEEDED`), in the loader's order. */
  readonly needed: readonly string[]
  /** Folders to look in for its own libraries, as written; an empty one stands for the current folder. */
  readonly runpath: readonly string[]
  /** The older kind, which holds for the libraries of its libraries as well. Without effect when there is a RUNPATH. */
  readonly rpath: readonly string[]
  /** Versions of symbols that it needs. */
  readonly requires: readonly NeededVersion[]
  /** Versions of symbols that it has, the name of the library itself first. */
  readonly provides: readonly string[]
}

const TYPES = { 1: 'relocatable', 2: 'executable', 3: 'shared', 4: 'core' } as const
const PT_INTERP = 3
/** In DT_FLAGS_1: a position-independent executable. */
const PIE = 0x08000000
const MAX_INTERPRETER = 4096

/**
 * Reads an ELF file; undefined for a file of any other kind. Rejects (reason `build`) a file that claims to be ELF and is damaged, by
 * name and with what is wrong. Reads a few pages of a file, whatever its size.
 */
export function readElf(file: string): ElfFile | undefined {
  const image = openImage(file)
  if (!image) return undefined
  try {
    return describe(image)
  } finally {
    image.source.close()
  }
}

function describe(image: Image): ElfFile {
  const { cpu, bits } = image
  const nothing = { needed: [], runpath: [], rpath: [], requires: [], provides: [] }
  if (isDetachedDebug(image)) return { cpu, bits, type: 'debug', linking: 'static', ...nothing }
  const type = TYPES[image.kind as keyof typeof TYPES] ?? 'other'
  if (type !== 'executable' && type !== 'shared') return { cpu, bits, type, linking: 'static', ...nothing }
  const interpreter = interpreterOf(image)
  const dynamic = readDynamic(image)
  if (!dynamic) return { cpu, bits, type, linking: 'static', interpreter, ...nothing }
  const soname = dynamic.texts(TAG.SONAME, 'its own name')[0]
  const needed = dynamic.texts(TAG.NEEDED, 'the name of a library')
  // Since programs are position-independent as well, only this tells them from libraries. The C library itself has an interpreter.
  const pie = ((dynamic.value(TAG.FLAGS_1) ?? 0) & PIE) !== 0
  const program = type === 'executable' || pie || (interpreter !== undefined && soname === undefined)
  return {
    cpu,
    bits,
    type: program ? 'executable' : 'shared',
    linking: program && interpreter === undefined && needed.length === 0 ? 'static' : 'dynamic',
    interpreter,
    soname,
    needed,
    runpath: folders(dynamic, TAG.RUNPATH),
    rpath: folders(dynamic, TAG.RPATH),
    requires: readNeededVersions(image, dynamic),
    provides: readOwnVersions(image, dynamic),
  }
}

function interpreterOf({ source, segments }: Image): string | undefined {
  const segment = segments.find((s) => s.type === PT_INTERP)
  if (!segment) return undefined
  const end = segment.offset + Math.min(segment.fileBytes, MAX_INTERPRETER)
  return source.text(segment.offset, end, 'the name of its loader')
}

/** The loader takes an empty text as no folder at all, but an empty one among others as the current folder. */
function folders(dynamic: Dynamic, tag: number): string[] {
  const [text = ''] = dynamic.texts(tag, 'a search path')
  return text === '' ? [] : text.split(':')
}

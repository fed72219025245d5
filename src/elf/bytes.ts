/**
 * A file read piece by piece, bounds-checked: whatever a damaged file claims, no more than a few pages are in memory, and a claim that
 * leads outside of the file is a ShipError of reason `build` that names the file and the claim.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'

const PAGE = 64 * 1024
/** Pages kept at once. */
const KEPT = 64
/** The longest piece that is asked for at once. */
const MAX_PIECE = 1024 * 1024
/** The longest text; search paths of real files are the longest. */
const MAX_TEXT = 16 * 1024
/** All texts of one file together: far above real files, far below what hurts. */
const MAX_ALL_TEXT = 64 * 1024 * 1024

export interface Source {
  /** Name of the file, for errors. */
  readonly file: string
  /** Bytes of the file. */
  readonly size: number
  /** `length` bytes from `offset`; `what` names them in the error. The buffer is shared: read it, do not keep or change it. */
  piece(offset: number, length: number, what: string): Buffer
  /** Text from `offset` to its NUL, which must stand before `end` and within 16 KiB. */
  text(offset: number, end: number, what: string): string
  close(): void
}

/** Opens a file whose first bytes are those of `magic`; undefined for any other file. */
export function openSource(file: string, magic: Uint8Array): Source | undefined {
  const fd = openSync(file, 'r')
  try {
    const first = Buffer.alloc(magic.length)
    if (readSync(fd, first, 0, first.length, 0) === first.length && first.equals(magic)) return sourceOf(fd, file)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  closeSync(fd)
  return undefined
}

/** The error of a file that is not what it claims to be. */
export function damaged(file: string, what: string): ShipError {
  return new ShipError('build', `"${escapeControls(file)}" is a damaged ELF file: ${what}`)
}

function sourceOf(fd: number, file: string): Source {
  const { size } = fstatSync(fd)
  const pages = new Map<number, Buffer>()
  let textBytes = 0

  const page = (index: number): Buffer => {
    const known = pages.get(index)
    if (known) return known
    const buffer = Buffer.allocUnsafe(Math.min(PAGE, size - index * PAGE))
    if (readSync(fd, buffer, 0, buffer.length, index * PAGE) < buffer.length) throw damaged(file, 'it was cut off')
    for (const oldest of pages.keys()) {
      if (pages.size < KEPT) break
      pages.delete(oldest)
    }
    pages.set(index, buffer)
    return buffer
  }

  const piece = (offset: number, length: number, what: string): Buffer => {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0)
      throw damaged(file, `${what} is nowhere`)
    if (offset + length > size) throw damaged(file, `${what} is beyond its end`)
    if (length > MAX_PIECE) throw damaged(file, `${what} is larger than any real one`)
    if (length === 0) return Buffer.alloc(0)
    const first = Math.floor(offset / PAGE)
    const last = Math.floor((offset + length - 1) / PAGE)
    const start = offset - first * PAGE
    if (first === last) return page(first).subarray(start, start + length)
    const all = []
    for (let index = first; index <= last; index++) all.push(page(index))
    return Buffer.concat(all).subarray(start, start + length)
  }

  const text = (offset: number, end: number, what: string): string => {
    const room = Math.min(MAX_TEXT, end - offset, size - offset)
    if (!(room > 0)) throw damaged(file, `${what} is beyond its end`)
    // Most texts are short and lie in one page; a longer look is the exception.
    for (const length of [Math.min(room, 256), room]) {
      const bytes = piece(offset, length, what)
      const nul = bytes.indexOf(0)
      if (nul === -1) continue
      textBytes += nul
      if (textBytes > MAX_ALL_TEXT) throw damaged(file, 'it holds more names than any real one')
      return bytes.toString('utf8', 0, nul)
    }
    throw damaged(file, `${what} has no end`)
  }
  return { file, size, piece, text, close: () => closeSync(fd) }
}

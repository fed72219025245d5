/** Where two files part: the offset of the first byte that is another one, and what stands around it on both sides. */
import { closeSync, openSync, readSync } from 'node:fs'

export interface FirstDifference {
  /** Bytes before it are equal. The length of the shorter file, when that is where the other one begins. */
  readonly offset: number
  /** What stands there in each file, as text or hexadecimal. */
  readonly first: string
  readonly second: string
}

const CHUNK = 256 * 1024
const BEFORE = 12
const AFTER = 24

/** Undefined when the files are equal. Memory does not grow with their size. */
export function firstDifference(firstFile: string, secondFile: string): FirstDifference | undefined {
  const a = openSync(firstFile, 'r')
  try {
    const b = openSync(secondFile, 'r')
    try {
      const offset = offsetOf(a, b)
      return offset === undefined ? undefined : { offset, ...around(a, b, offset) }
    } finally {
      closeSync(b)
    }
  } finally {
    closeSync(a)
  }
}

function offsetOf(a: number, b: number): number | undefined {
  for (let at = 0; ; at += CHUNK) {
    const [x, y] = [readAt(a, at, CHUNK), readAt(b, at, CHUNK)]
    if (!x.equals(y)) {
      const shorter = Math.min(x.length, y.length)
      for (let i = 0; i < shorter; i++) if (x[i] !== y[i]) return at + i
      return at + shorter
    }
    if (x.length < CHUNK) return undefined
  }
}

/** Both sides in one notation: text only when both are. */
function around(a: number, b: number, offset: number): { readonly first: string; readonly second: string } {
  const start = Math.max(0, offset - BEFORE)
  const [x, y] = [readAt(a, start, offset - start + AFTER), readAt(b, start, offset - start + AFTER)]
  const asText = [x, y].every(isText)
  const shown = (bytes: Buffer): string => {
    if (bytes.length <= offset - start) return `${asText ? quoted(bytes) : hex(bytes)} and ends`.trimStart()
    return asText ? quoted(bytes) : hex(bytes)
  }
  return { first: shown(x), second: shown(y) }
}

/** ASCII, or what one can print of it; a character of several bytes may be cut at either end, so those go as bytes. */
function isText(bytes: Buffer): boolean {
  return bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d)
}

function quoted(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1'))
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex').replaceAll(/(....)(?=.)/g, '$1 ')
}

function readAt(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length)
  let got = 0
  while (got < length) {
    const read = readSync(fd, buffer, got, length - got, position + got)
    if (read === 0) break
    got += read
  }
  return buffer.subarray(0, got)
}

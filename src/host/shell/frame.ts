/**
 * Answers of host scripts. Only what follows the call's random marker counts, so a login shell may print what it likes; and only an end
 * line makes an answer whole, so a broken link never looks like success. What a host says is data: capped and escaped.
 */
import { randomBytes } from 'node:crypto'
import { escapeControls } from '../../names.ts'

/** Keys and values in the order in which they came, and how the script ended. */
export interface Answer {
  readonly values: readonly { readonly key: string; readonly value: string }[]
  /** `ok`, or a code of the script: locked, write, damaged, refused, moved, missing, gone, obstacle. */
  readonly end: string
  readonly reason: string
}

/** Longest line that is believed: a record or an owner, with room. */
const MAX_LINE = 16_384
/** A host with thousands of releases says a few megabytes. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** Of what is no answer, beside it. */
export const MAX_NOISE_BYTES = 64 * 1024 * 1024
const LINE_FEED = 0x0a

export function newMarker(): string {
  return `ship-${randomBytes(12).toString('hex')}`
}

/** Takes an answer as it comes and keeps nothing else of it. */
export interface FrameReader {
  push(chunk: Buffer): void
  /** Whether any value came yet. */
  said(): boolean
  /** Undefined as long as its end is missing. */
  answer(): Answer | undefined
  /** What came more of than any host has to say. */
  excess(): 'answer' | 'noise' | undefined
}

/**
 * A line begins at the marker, wherever that stands: what a login shell prints need not end in a line feed. Of several in a line the last
 * one counts, for nothing that a script says has the marker in it.
 */
export function frameReader(marker: string): FrameReader {
  const head = Buffer.from(`${marker} `)
  const values: { key: string; value: string }[] = []
  let whole: Answer | undefined
  let line = Buffer.alloc(0)
  let isLong = false
  const isWhole = (): boolean => whole !== undefined
  const bytes = { said: 0, all: 0 }
  const grow = (piece: Buffer): void => {
    if (isLong) return
    line = Buffer.concat([line, piece])
    const at = line.lastIndexOf(head)
    // Of what is no answer only as much stays as the marker may begin with.
    if (at !== 0) line = line.subarray(at > 0 ? at : -head.length)
    isLong = line.length > MAX_LINE
  }
  const take = (): void => {
    if (!isLong && line.indexOf(head) === 0) {
      bytes.said += line.length
      const [key = '', ...rest] = line.subarray(head.length).toString('utf8').split(' ')
      if (key !== 'end') values.push({ key, value: rest.join(' ') })
      else whole = { values, end: rest[0] ?? '', reason: escapeControls(rest.slice(1).join(' ').trim()) }
    }
    line = Buffer.alloc(0)
    isLong = false
  }
  return {
    push(chunk) {
      bytes.all += chunk.length
      for (let from = 0; from < chunk.length && !isWhole();) {
        const end = chunk.indexOf(LINE_FEED, from)
        grow(chunk.subarray(from, end < 0 ? chunk.length : end))
        if (end < 0) break
        take()
        from = end + 1
      }
    },
    said: () => values.length > 0,
    answer: () => whole,
    excess() {
      if (bytes.said > MAX_ANSWER_BYTES) return 'answer'
      return bytes.all - bytes.said > MAX_NOISE_BYTES ? 'noise' : undefined
    },
  }
}

/** Values of one key. */
export function valuesOf(answer: Answer, key: string): string[] {
  return answer.values.filter((v) => v.key === key).map((v) => v.value)
}

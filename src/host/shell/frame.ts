/**
 * Answers of host scripts. Only lines that begin with the call's random marker count, so a login shell may print what it likes; and
 * only an end line makes an answer whole, so a broken link never looks like success. What a host says is data: capped and escaped.
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

export function newMarker(): string {
  return `ship-${randomBytes(12).toString('hex')}`
}

/** Reads the frames of an answer; undefined when its end is missing. */
export function parseAnswer(stdout: string, marker: string): Answer | undefined {
  const values: { key: string; value: string }[] = []
  for (const line of stdout.split('\n')) {
    if (!line.startsWith(`${marker} `) || line.length > MAX_LINE) continue
    const [key = '', ...rest] = line.slice(marker.length + 1).split(' ')
    const value = rest.join(' ')
    if (key === 'end') {
      const [end = '', ...reason] = rest
      return { values, end, reason: escapeControls(reason.join(' ').trim()) }
    }
    values.push({ key, value })
  }
  return undefined
}

/** Values of one key. */
export function valuesOf(answer: Answer, key: string): string[] {
  return answer.values.filter((v) => v.key === key).map((v) => v.value)
}

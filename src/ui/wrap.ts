/** Lines that are broken between words, so that a terminal does not break them inside one. */
import { stripVTControlCharacters } from 'node:util'

/**
 * The lines of a text whose lines may be too long; what is broken goes on below its beginning plus `hang` columns. A word that is too long by
 * itself, such as a path, stays whole: it can be copied then. Colours count nothing. `width` Infinity leaves everything as it is.
 */
export function wrapped(text: string, width: number, hang = 2): readonly string[] {
  return text.split('\n').flatMap((line) => (lengthOf(line) <= width ? [line] : broken(line, width, hang)))
}

/** What comes next: prose is broken, a command stays whole, for half of it would be another one when it is copied. */
export function wrappedNext(text: string, width: number): readonly string[] {
  return text.startsWith('ship ') ? [text] : wrapped(text, width, 0)
}

function broken(line: string, width: number, hang: number): readonly string[] {
  const [indent = ''] = /^ */.exec(line) ?? []
  const further = indent + ' '.repeat(hang)
  const lines: string[] = []
  let now = indent
  let isEmpty = true
  for (const word of line.slice(indent.length).split(' ')) {
    if (!isEmpty && lengthOf(now) + 1 + lengthOf(word) > width) {
      lines.push(now.trimEnd())
      now = further
      isEmpty = true
    }
    now += isEmpty ? word : ` ${word}`
    isEmpty = false
  }
  return [...lines, now]
}

function lengthOf(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length
}

/** What a program is fed: its settings first, read by our script, then its own input. */
import { Readable } from 'node:stream'
import { ShipError } from '../errors.ts'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Settings as `program.sh` reads them: name, number of lines, lines. Rejects with reason `usage` for names and values that cannot be. */
export function settingsText(settings: Readonly<Record<string, string | undefined>>): { text: string; count: number } {
  const parts: string[] = []
  for (const [name, value] of Object.entries(settings)) {
    if (!NAME.test(name) || name.startsWith('ship_')) {
      throw new ShipError('usage', `"${name}" is not a name for an environment variable`, {
        next: ['use letters, digits and "_"; names that begin with "ship_" are taken'],
      })
    }
    if (value === undefined) continue
    if (typeof value !== 'string' || value.includes('\0')) {
      throw new ShipError('usage', `the environment variable "${name}" is no text, or holds a NUL byte`)
    }
    parts.push(`${name}\n${value.split('\n').length}\n${value}\n`)
  }
  return { text: parts.join(''), count: parts.length }
}

/** One stream of a text and what follows it; undefined when there is neither. An error of the source is an error of the stream. */
export function inputStream(head: string, input: string | Uint8Array | Readable | undefined): Readable | undefined {
  if (head === '' && input === undefined) return undefined
  return Readable.from(chunks(head, input), { objectMode: false })
}

async function* chunks(head: string, input: string | Uint8Array | Readable | undefined): AsyncGenerator<Uint8Array> {
  if (head !== '') yield Buffer.from(head)
  if (typeof input === 'string') yield Buffer.from(input)
  else if (input instanceof Uint8Array) yield input
  else if (input)
    for await (const chunk of input) yield typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
}

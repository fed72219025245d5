/**
 * Files and JSON from strangers, with an end to their size, depth and number of values: what is read costs no more memory than a real one
 * of its kind would. Everything too large is refused (reason `refused`) before it is parsed.
 */
import { isUtf8 } from 'node:buffer'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { messageOf, ShipError } from './errors.ts'
import { escapeControls } from './names.ts'
import { size } from './size.ts'

/** Deeper than anything that ship or a tool it knows writes; far less than what a recursive reader can bear. */
const MAX_DEPTH = 64
/** A manifest of an app of some thousand files comes at once. */
const CHUNK = 4 * 1024 * 1024
const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]

/**
 * The bytes of a file, at most `maxBytes`; undefined when nothing is there. A larger file, and what is no file (a folder, a pipe that would
 * never end), is refused by name.
 */
export async function readForeign(file: string, maxBytes: number): Promise<Buffer | undefined> {
  const refused = (why: string): ShipError =>
    new ShipError('refused', `${escapeControls(basename(file))} ${why}`, { details: [escapeControls(file)] })
  // Without O_NONBLOCK, opening a pipe waits for a writer.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined
    throw refused(`cannot be read: ${cause.code ?? messageOf(cause)}`)
  })
  if (!handle) return undefined
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw refused('is not a file')
    const tooLarge = (): ShipError => refused(`is larger than ${size(maxBytes)}, the most that ship reads`)
    if (found.size > maxBytes) throw tooLarge()
    const chunks: Buffer[] = []
    const stream = { end: maxBytes, autoClose: false, highWaterMark: Math.min(Math.max(found.size + 1, 65_536), CHUNK) }
    // One byte more than may be: a file can grow while it is read, or not tell its size at all.
    for await (const chunk of handle.createReadStream(stream)) chunks.push(chunk as Buffer)
    const bytes = Buffer.concat(chunks)
    if (bytes.length > maxBytes) throw tooLarge()
    return bytes
  } finally {
    await handle.close()
  }
}

/** The value of a JSON text. `what` is the subject of the sentence that refuses it: "the manifest". */
export function parseForeignJson(text: string | Buffer, what: string, maxValues: number): unknown {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  const problem = shapeProblem(bytes, maxValues)
  if (problem !== undefined) throw new ShipError('refused', `${what} ${problem}`)
  try {
    if (!isUtf8(bytes)) throw new TypeError('The encoded data was not valid for encoding utf-8')
    return JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new ShipError('refused', `${what} is not JSON: ${escapeControls(messageOf(cause).slice(0, 200))}`, { cause })
  }
}

/** Walks over a text without building anything. Values are counted by their brackets and commas; what is no JSON is no concern here. */
function shapeProblem(bytes: Buffer, maxValues: number): string | undefined {
  let depth = 0
  let values = 1
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) at = endOfString(bytes, at)
    else if (byte === 0x5b || byte === 0x7b) depth += 1
    else if (byte === 0x5d || byte === 0x7d) depth -= 1
    if (byte === 0x5b || byte === 0x7b || byte === COMMA) values += 1
    if (depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels`
    if (values > maxValues) return `holds more than ${maxValues} values`
  }
  return undefined
}

/** Where a string that starts at `start` has its last quote. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(QUOTE, start + 1); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) {
    let from = at
    while (bytes[from - 1] === BACKSLASH) from -= 1
    if ((at - from) % 2 === 0) return at
  }
  return bytes.length
}

/** Why something was not read, in one short line: of a schema's complaints the first. */
export function problemOf(error: unknown): string {
  const [issue] = typeof error === 'object' && error !== null && 'issues' in error ? (error.issues as Issue[]) : []
  const text = issue ? `${issue.path.map(String).join('.').slice(0, 100)}: ${issue.message}` : messageOf(error)
  return escapeControls(text.slice(0, 200))
}

interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

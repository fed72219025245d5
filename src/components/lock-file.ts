/** `ship.lock` as a file: read with the place of what is wrong, written so that the same facts are the same bytes. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { explain } from '../config/explain.ts'
import { placeText } from '../config/locate.ts'
import { messageOf, ShipError } from '../errors.ts'

export const LOCK_FILE = 'ship.lock'

const entry = z.strictObject({
  /** The source as the recipe has it, without credentials. */
  source: z.record(z.string(), z.unknown()),
  locked: z.record(z.string(), z.unknown()),
})
const lockSchema = z.strictObject({
  schema: z.literal(1, { error: 'is of another version of ship' }),
  /** By component, then by the name of the source. */
  components: z.record(z.string(), z.record(z.string(), entry)),
})
export type Lock = z.output<typeof lockSchema>

const NEXT = ['take it from the version control again, or remove it and: ship lock']

/** An empty lock when there is no file. Rejects (reason `config`) with line and column of what is wrong. */
export async function readLock(projectDir: string): Promise<Lock> {
  const file = join(projectDir, LOCK_FILE)
  if (!existsSync(file)) return { schema: 1, components: {} }
  const text = await readFile(file, 'utf8')
  const value = parseJson(text)
  const parsed = lockSchema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  // The reader of places knows files by their ending.
  const { message, details, cause } = explain(parsed.error.issues, lockSchema, { file: `${LOCK_FILE}.json`, text })
  const plain = (line: string): string => line.replaceAll(`${LOCK_FILE}.json`, LOCK_FILE)
  throw damaged(plain(message), details.map(plain), cause)
}

function parseJson(text: string): unknown {
  const conflict = /^(?:<{7}|={7}|>{7})(?: |$)/m.exec(text)
  if (conflict) throw damaged(`${placeText(LOCK_FILE, text, conflict.index)}  has the marks of a merge conflict`)
  const [error] = parseDocument(text, { prettyErrors: false, version: '1.2' }).errors
  try {
    if (!error) return JSON.parse(text) as unknown
  } catch (cause) {
    throw damaged(`${LOCK_FILE}  ${messageOf(cause)}`, [], cause)
  }
  throw damaged(`${placeText(LOCK_FILE, text, error.pos[0])}  ${error.message.split('\n')[0] ?? ''}`, [], error)
}

function damaged(message: string, details: readonly string[] = [], cause?: unknown): ShipError {
  return new ShipError('config', message, { cause, details, state: 'nothing was done', next: NEXT })
}

/** Replaces the file by a rename. */
export async function writeLock(projectDir: string, lock: Lock): Promise<void> {
  const file = join(projectDir, LOCK_FILE)
  const temp = `${file}.${randomBytes(4).toString('hex')}`
  const text = `${JSON.stringify({ schema: lock.schema, components: sorted(lock.components) }, null, 2)}\n`
  try {
    await writeFile(temp, text, { flush: true })
    await rename(temp, file)
  } catch (cause) {
    await rm(temp, { force: true })
    throw new ShipError('config', `${LOCK_FILE} cannot be written: ${messageOf(cause)}`, { cause })
  }
}

/** Objects with their keys in order: the same facts in any order are equal. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]))
}

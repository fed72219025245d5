/** `SHA256SUMS`, as sha256sum writes and reads it: 64 hexadecimal digits, two spaces, a file's name. */
import { join } from 'node:path'
import { ShipError } from '../errors.ts'
import { readForeign } from '../foreign.ts'

export const SUMS_FILE = 'SHA256SUMS'
/** Room for some 100,000 files. */
const MAX_BYTES = 16 * 1024 * 1024

/** The bytes of a folder's sums; undefined when there are none. */
export function readSums(folder: string): Promise<Buffer | undefined> {
  return readForeign(join(folder, SUMS_FILE), MAX_BYTES)
}

/** Name -> digest. Rejects (reason `refused`) lines that are none and names that stand twice. */
export function parseSums(text: string): Map<string, string> {
  const sums = new Map<string, string>()
  for (const line of text.split('\n').filter((l) => l !== '')) {
    const [, digest, name] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? []
    if (digest === undefined || name === undefined || sums.has(name)) {
      throw new ShipError('refused', `${SUMS_FILE} has a line that is none: ${JSON.stringify(line.slice(0, 120))}`)
    }
    sums.set(name, digest)
  }
  return sums
}

/** The file's text, sorted by name. */
export function sumsText(sums: ReadonlyMap<string, string>): string {
  const names = [...sums.keys()].toSorted()
  return names.map((name) => `${sums.get(name) ?? ''}  ${name}\n`).join('')
}

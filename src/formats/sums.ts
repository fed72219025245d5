/** `SHA256SUMS`, as sha256sum writes and reads it: 64 hexadecimal digits, two spaces, a file's name. */
import { ShipError } from '../errors.ts'

export const SUMS_FILE = 'SHA256SUMS'

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

/** The digest of one file. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

/** sha256 in hexadecimal, sha512 in base64, as npm writes it; undefined when there is no such file. */
export async function fileDigest(file: string, algorithm: 'sha256' | 'sha512'): Promise<string | undefined> {
  const sum = createHash(algorithm)
  try {
    await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), sum)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  return sum.digest(algorithm === 'sha256' ? 'hex' : 'base64')
}

/** The digest of one file, read as a stream. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

const ENCODINGS = { sha256: 'hex', sha512: 'base64' } as const
export type Algorithm = keyof typeof ENCODINGS

/** sha256 in hexadecimal, sha512 in base64, as npm writes it. */
export async function fileDigest(file: string, signal?: AbortSignal, algorithm: Algorithm = 'sha256'): Promise<string> {
  const sum = createHash(algorithm)
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), sum, { signal })
  return sum.digest(ENCODINGS[algorithm])
}

/** The same; undefined when there is no such file. */
export async function digestIfThere(file: string, algorithm: Algorithm): Promise<string | undefined> {
  try {
    return await fileDigest(file, undefined, algorithm)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

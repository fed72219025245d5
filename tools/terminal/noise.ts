/** Bytes that do not compress, the same for the same seed: stand-ins for pictures, so that an upload has something to send. */
import { createHash } from 'node:crypto'

export function noise(bytes: number, seed: number): Buffer {
  const parts: Buffer[] = []
  for (let n = 0; n * 64 < bytes; n++) parts.push(createHash('sha512').update(`${seed} ${n}`).digest())
  return Buffer.concat(parts).subarray(0, bytes)
}

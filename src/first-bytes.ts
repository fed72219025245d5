/** The first bytes of what a program prints: whoever prints without end fills no memory. */

export interface FirstBytes {
  push(chunk: Buffer): void
  /** As UTF-8. */
  text(): string
  /** Whether more came than was kept. */
  truncated(): boolean
}

/** Keeps at most `max` bytes. */
export function firstBytes(max: number): FirstBytes {
  const chunks: Buffer[] = []
  let size = 0
  return {
    push(chunk) {
      if (size < max) chunks.push(chunk.subarray(0, max - size))
      size += chunk.length
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
    truncated: () => size > max,
  }
}

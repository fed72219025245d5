/** Output as it comes -> whole lines, decoded, with secrets masked. */

/** A line longer than this is told in pieces. */
const MAX_LINE = 65_536
const MASK = '***'

/** Replaces secret values. Empty ones and very short ones would mask half of all text and are no secrets. */
export function masker(secrets: readonly string[]): (text: string) => string {
  const words = secrets
    .flatMap((secret) => [secret, ...secret.split('\n')])
    .filter((word) => word.trim().length >= 4)
    .toSorted((a, b) => b.length - a.length)
  return (text) => words.reduce((masked, word) => masked.replaceAll(word, MASK), text)
}

export interface LineReader {
  push(chunk: Buffer): void
  /** Tells what is left when the output ended without a newline. */
  end(): void
}

export function lineReader(tell: (line: string) => void): LineReader {
  const decoder = new TextDecoder()
  let rest = ''
  return {
    push(chunk) {
      rest += decoder.decode(chunk, { stream: true })
      const lines = rest.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) tell(line.replace(/\r$/, ''))
      while (rest.length > MAX_LINE) {
        tell(rest.slice(0, MAX_LINE))
        rest = rest.slice(MAX_LINE)
      }
    },
    end() {
      rest += decoder.decode()
      if (rest !== '') tell(rest)
      rest = ''
    },
  }
}

/** Bytes after the line that holds a marker; what a login shell printed before it is nobody's output. */
export function afterMarker(
  marker: string,
  options: { onMarker: (rest: string) => void; onBytes: (chunk: Buffer) => void },
) {
  /** More noise than this before the marker is dropped from its front. */
  const MAX_NOISE = 1024 * 1024
  let head: Buffer | undefined = Buffer.alloc(0)
  return (chunk: Buffer): void => {
    if (head === undefined) {
      options.onBytes(chunk)
      return
    }
    head = Buffer.concat([head, chunk])
    const at = head.indexOf(marker)
    const end = at < 0 ? -1 : head.indexOf('\n', at)
    if (end < 0) {
      if (at < 0) head = head.subarray(Math.max(0, head.length - MAX_NOISE))
      return
    }
    const line = head
      .subarray(at + marker.length, end)
      .toString('utf8')
      .trim()
    const rest = head.subarray(end + 1)
    head = undefined
    options.onMarker(line)
    if (rest.length > 0) options.onBytes(rest)
  }
}

/** Content of a file by the host's shell: it works where a login prints something, which SFTP does not survive, and where there is no SFTP. */
import { randomBytes } from 'node:crypto'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { Transport } from './transport.ts'

const READ_MS = 600_000
/** What a login may print before the content. */
const MAX_NOISE = 64 * 1024 * 1024

/** Says what there is behind the marker: "none", a size with the content after it, or that it is closed. */
const READ = `if ! [ -f "$1" ]; then printf '%s none\\n' "$2"
elif size=$(wc -c <"$1"); then printf '%s %d\\n' "$2" "$size"; exec head -c "$3" "$1"
else printf '%s closed\\n' "$2"; exit 1; fi`

/** See `Transport.read`. The size comes first, so that a file that is cut on its way is none. */
export async function readByShell(
  exec: Transport['exec'],
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const marker = `ship-${randomBytes(12).toString('hex')}`
  const content = afterMarker(marker)
  const flood = new AbortController()
  const { code, stderr } = await exec(
    { name: 'read', text: READ, args: [path, marker, String(maxBytes + 1)] },
    {
      signal: AbortSignal.any([AbortSignal.timeout(READ_MS), flood.signal]),
      maxOutputBytes: 4096,
      onStdout(chunk) {
        content.push(chunk)
        if (content.seen() > maxBytes + MAX_NOISE) flood.abort(tooLarge(path, maxBytes))
      },
    },
  )
  const details = [escapeControls(stderr.trim())]
  const said = content.said()
  if (said === undefined) {
    throw new ShipError('unreachable', `the host gave no whole answer when "${path}" was asked for`, { details })
  }
  if (said === 'none') return undefined
  if (code !== 0 || !/^\d+$/.test(said)) throw new ShipError('refused', `"${path}" cannot be read`, { details })
  const size = Number(said)
  if (size > maxBytes) throw tooLarge(path, maxBytes)
  const bytes = content.bytes()
  if (bytes.length < size) throw new ShipError('unreachable', `"${path}" did not come whole`)
  return bytes.subarray(0, size)
}

function tooLarge(path: string, maxBytes: number): ShipError {
  return new ShipError('refused', `"${path}" is larger than ${maxBytes} bytes`)
}

/** Drops what comes before the line of the marker. */
function afterMarker(marker: string) {
  const chunks: Buffer[] = []
  let head = Buffer.alloc(0)
  let said: string | undefined
  let seen = 0
  return {
    push(chunk: Buffer): void {
      seen += chunk.length
      if (said !== undefined) {
        chunks.push(chunk)
        return
      }
      head = Buffer.concat([head, chunk])
      const at = head.indexOf(marker)
      head = head.subarray(at < 0 ? -marker.length : at)
      const end = at < 0 ? -1 : head.indexOf('\n')
      if (end < 0) return
      said = head.subarray(marker.length, end).toString('latin1').trim()
      chunks.push(head.subarray(end + 1))
    },
    said: () => said,
    seen: () => seen,
    bytes: () => Buffer.concat(chunks),
  }
}

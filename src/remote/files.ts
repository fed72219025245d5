/** Files of a machine, each by one script and one round trip: whole or not at all, whatever breaks on the way. */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  createReadStream,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { messageOf, ShipError } from '../errors.ts'
import { call, scriptText } from '../host/shell/call.ts'
import { newMarker } from '../host/shell/frame.ts'
import { HostError } from '../host-error.ts'
import type { FileOptions } from '../machine.ts'
import { escapeControls } from '../names.ts'
import type { Transport } from '../transport/transport.ts'
import { afterMarker } from './lines.ts'
import { plainPath } from './program.ts'

const NEVER = new AbortController().signal
/** A file that moves at all is given this long. */
const LONG_MS = 24 * 3_600_000
const MAX_READ = 64 * 1024 * 1024

/** Writes a file of known size. Rejects with a HostError of kind `file` or `lost`; the file there is the old one then. */
export async function putFile(
  transport: Transport,
  path: string,
  content: { readonly size: number; readonly mode: number | undefined; open(): Readable },
  signal: AbortSignal = NEVER,
): Promise<void> {
  const stdin = content.open()
  let broken: unknown
  stdin.on('error', (error) => void (broken ??= error))
  const mode = content.mode === undefined ? '-' : modeText(content.mode)
  try {
    const answer = await call(transport, 'put', [plainPath(path), String(content.size), mode], {
      stdin,
      signal,
      timeoutMs: LONG_MS,
    })
    if (broken === undefined && answer.end === 'ok') return
    if (broken === undefined)
      throw new HostError('file', `"${path}" ${answer.reason}`, { state: 'the file there was not changed' })
  } catch (error) {
    if (broken === undefined) throw fileError(error, path)
  } finally {
    stdin.destroy()
  }
  throw new HostError('file', `what was to be "${path}" broke off: ${messageOf(broken)}`, { cause: broken })
}

/** A file of this machine as content to put. */
export function fileContent(from: string, mode: number | undefined) {
  const stats = localStats(from)
  return { size: stats.size, mode: mode ?? stats.mode & 0o777, open: () => createReadStream(from) }
}

/** A text or bytes as content to put. */
export function bytesContent(content: string | Uint8Array, mode: number | undefined) {
  const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content)
  return {
    size: bytes.length,
    mode,
    open: () => Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false }),
  }
}

/** Gives the content of a file to `take`, piece by piece. Resolves with its mode. */
async function getFile(
  transport: Transport,
  path: string,
  take: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<{ readonly mode: number }> {
  const marker = newMarker()
  let said: readonly string[] = []
  let size = 0
  let failure: unknown
  const own = new AbortController()
  const onStdout = afterMarker(marker, {
    onMarker: (line) => void (said = line.split(' ')),
    onBytes(chunk) {
      size += chunk.length
      try {
        if (failure === undefined) take(chunk)
      } catch (error) {
        failure = error
        own.abort(error)
      }
    },
  })
  const args = [marker, transport.host.deployTo, plainPath(path)]
  const script = { name: `read ${path}`, text: scriptText('get'), args }
  try {
    const all = AbortSignal.any([signal, own.signal])
    const { code, stderr } = await transport.exec(script, { signal: all, maxOutputBytes: 4096, onStdout })
    const [key, first = '', second = '', ...rest] = said
    if (key === 'end') throw new HostError('file', `"${path}" ${[second, ...rest].join(' ')}`)
    const short = /^\d+$/.test(first) && size < Number(first)
    if (key !== 'file' || code !== 0 || short) {
      const why = escapeControls(stderr.trim().split('\n').at(-1) ?? '')
      throw new HostError('file', `"${path}" could not be read whole`, { details: why === '' ? [] : [why] })
    }
    return { mode: Number.parseInt(second, 8) & 0o777 }
  } catch (error) {
    throw failure ?? fileError(error, path)
  }
}

export async function readFile(
  transport: Transport,
  path: string,
  {
    maxBytes = MAX_READ,
    signal = NEVER,
  }: { readonly maxBytes?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  await getFile(
    transport,
    path,
    (chunk) => {
      size += chunk.length
      if (size > maxBytes) throw new HostError('file', `"${path}" is larger than ${maxBytes} bytes`)
      chunks.push(chunk)
    },
    signal,
  )
  return Buffer.concat(chunks)
}

/** Beside its name first, then renamed; nothing is left when it breaks off. */
export async function downloadFile(
  transport: Transport,
  from: string,
  to: string,
  { mode, signal = NEVER }: FileOptions,
): Promise<void> {
  const part = join(dirname(to), `.${basename(to)}.${randomBytes(6).toString('hex')}`)
  const file = openHere(part, to)
  try {
    const there = await getFile(transport, from, (chunk) => writeAll(file, chunk), signal)
    fsyncSync(file)
    closeSync(file)
    chmodSync(part, mode ?? there.mode)
    renameSync(part, to)
  } catch (error) {
    closeQuietly(file)
    rmSync(part, { force: true })
    throw error instanceof ShipError || signal.aborted ? error : hereError(error, to)
  }
}

export async function fileExists(transport: Transport, path: string, signal: AbortSignal = NEVER): Promise<boolean> {
  const script = { name: `look for ${path}`, text: '[ -e "$1" ] || [ -L "$1" ]', args: [plainPath(path)] }
  const { code } = await transport.exec(script, { signal, maxOutputBytes: 4096 })
  return code === 0
}

function openHere(part: string, to: string): number {
  try {
    return openSync(part, 'wx', 0o600)
  } catch (error) {
    throw hereError(error, to)
  }
}

function hereError(cause: unknown, path: string): HostError {
  return new HostError('file', `"${path}" could not be written on this machine: ${messageOf(cause)}`, { cause })
}

function localStats(path: string) {
  try {
    const stats = statSync(path)
    if (stats.isFile()) return stats
  } catch (cause) {
    throw new HostError('file', `"${path}" could not be read on this machine: ${messageOf(cause)}`, { cause })
  }
  throw new HostError('file', `"${path}" is no file`, { next: ['pack a folder with tar first, and unpack it there'] })
}

function writeAll(file: number, chunk: Buffer): void {
  for (let at = 0; at < chunk.length;) at += writeSync(file, chunk, at)
}

function closeQuietly(file: number): void {
  try {
    closeSync(file)
  } catch {
    // It was closed before the rename failed.
  }
}

function modeText(mode: number): string {
  if (Number.isInteger(mode) && mode >= 0 && mode <= 0o7777) return mode.toString(8)
  throw new ShipError('usage', `${mode} is not a mode of a file`, { next: ['write it in octal: 0o644'] })
}

/** A broken link is told as one; what is no cause of the host's stays what it is. */
function fileError(error: unknown, path: string): unknown {
  if (error instanceof HostError || !(error instanceof ShipError) || error.reason !== 'unreachable') return error
  const state = 'a file is there whole or not at all; look which one it is'
  return new HostError('lost', `${error.message} ("${path}")`, { cause: error, state, details: error.details })
}

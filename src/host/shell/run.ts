/** Runs a program on a host for hooks and gates. Only what it prints after our marker is its output; noise of the login shell is not. */
import { Readable } from 'node:stream'
import { ShipError, throwIfAborted } from '../../errors.ts'
import { escapeControls, type Token } from '../../names.ts'
import type { RunOptions, RunResult } from '../../runner.ts'
import type { Transport } from '../../transport/transport.ts'
import { call, scriptText } from './call.ts'
import { MAX_NOISE_BYTES, newMarker } from './frame.ts'
import { settingsText } from './settings.ts'

const MAX_OUTPUT = 1024 * 1024

/** Under this key and token the host remembers what ended well. */
export interface OnceMark {
  readonly token: Token
  readonly key: string
}

/**
 * Runs argv in `cwd` (default: deployTo). A timeout or an abort ends the program with everything it started. With `once` it is run
 * unless that key is remembered as done.
 */
export async function runOnHost(
  transport: Transport,
  argv: readonly string[],
  options: RunOptions,
  once?: OnceMark,
): Promise<RunResult> {
  const settings = options.env ?? {}
  const count = Object.keys(settings).length
  const marker = newMarker()
  const { deployTo } = transport.host
  const stdin = count === 0 ? undefined : Readable.from([settingsText(settings)])
  const output = afterMarker(marker, options)
  const late = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs)
  const flood = new AbortController()
  const signal = AbortSignal.any([options.signal, flood.signal, ...(late ? [late] : [])])
  const started = performance.now()
  try {
    const result = await transport.exec(
      {
        name: once ? 'once' : 'run',
        text: scriptText(once ? 'once' : 'run'),
        args: [
          marker,
          deployTo,
          ...(once ? [once.token, once.key] : []),
          options.cwd ?? deployTo,
          String(count),
          ...argv,
        ],
      },
      {
        signal,
        stdin,
        onStdout(chunk) {
          output.push(chunk)
          if (output.noise() > MAX_NOISE_BYTES) flood.abort(flooded())
        },
        maxOutputBytes: options.maxOutputBytes,
      },
    )
    const failed = output.failed()
    if (failed !== undefined) throw new ShipError('not-switched', failed)
    if (result.stderr !== '') options.onOutput?.(result.stderr)
    return { ...result, stdout: output.stdout(), truncated: result.truncated || output.truncated() }
  } catch (error) {
    if (!signal.aborted || output.pid() === undefined) throw error
    await end(transport, output.pid() ?? '')
    throwIfAborted(options.signal)
    const durationMs = performance.now() - started
    return { code: null, stdout: output.text(), stderr: '', timedOut: true, truncated: false, durationMs }
  }
}

function flooded(): ShipError {
  const limit = `${MAX_NOISE_BYTES / 1024 / 1024} MiB`
  return new ShipError(
    'not-switched',
    `the host printed more than ${limit} before the program, and was not listened to any longer`,
    {
      next: ['look at what a login prints there: ssh HOST true'],
    },
  )
}

async function end(transport: Transport, pid: string): Promise<void> {
  try {
    await call(transport, 'kill', [pid], { signal: AbortSignal.timeout(10_000) })
  } catch {
    // The program may have ended by itself, or the link is gone; the first error is the one that is told.
  }
}

/** Sorts what comes on stdout: before the pid line it is noise, after it the program's. The noise may be longer than what is kept. */
function afterMarker(marker: string, { onOutput, maxOutputBytes = MAX_OUTPUT }: RunOptions) {
  const decoder = new TextDecoder()
  let head = ''
  let kept = ''
  let room = maxOutputBytes
  let tail = ''
  let noise = 0
  let pid: string | undefined
  const take = (text: string): void => {
    if (text === '') return
    kept += text.slice(0, Math.max(0, room))
    room -= text.length
    tail = (tail + text).slice(-65_536)
    onOutput?.(text)
  }
  return {
    push(chunk: Buffer): void {
      if (pid === undefined) noise += chunk.length
      const text = decoder.decode(chunk, { stream: true })
      if (pid !== undefined) {
        take(text)
        return
      }
      head = (head + text).slice(-65_536 - text.length)
      const found = new RegExp(`${marker} pid (\\d+)\\n`).exec(head)
      if (!found) return
      pid = found[1]
      take(head.slice(found.index + found[0].length))
    },
    pid: () => pid,
    noise: () => noise,
    text: () => tail,
    stdout: () => kept,
    truncated: () => room < 0,
    failed(): string | undefined {
      if (pid !== undefined) return undefined
      const said = new RegExp(`${marker} end \\S+ (.*)`).exec(head)?.[1]
      return said === undefined ? 'the program could not be started on the host' : escapeControls(said)
    },
  }
}

/** Runs a program on a host for hooks and gates. Only what it prints after our marker is its output; noise of the login shell is not. */
import { ShipError, throwIfAborted } from '../../errors.ts'
import type { RunOptions, RunResult } from '../../runner.ts'
import type { Transport } from '../../transport/transport.ts'
import { call, scriptText } from './call.ts'
import { newMarker } from './frame.ts'

const SETTING = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Runs argv in `cwd` (default: deployTo). A timeout or an abort ends the program with everything it started. */
export async function runOnHost(
  transport: Transport,
  argv: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const settings = Object.entries(options.env ?? {}).map(([name, value]) => {
    if (!SETTING.test(name)) throw new ShipError('config', `"${name}" is not a name for an environment variable`)
    return `${name}=${value}`
  })
  const marker = newMarker()
  const { deployTo } = transport.host
  const output = afterMarker(marker, options.onOutput)
  const late = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs)
  const signal = late ? AbortSignal.any([options.signal, late]) : options.signal
  const started = performance.now()
  try {
    const result = await transport.exec(
      {
        name: 'run',
        text: scriptText('run'),
        args: [marker, deployTo, options.cwd ?? deployTo, String(settings.length), ...settings, ...argv],
      },
      { signal, onStdout: (chunk) => output.push(chunk), maxOutputBytes: options.maxOutputBytes },
    )
    const own = output.split(result.stdout)
    if (own.failed !== undefined) throw new ShipError('not-switched', own.failed)
    options.onOutput?.(result.stderr)
    return { ...result, stdout: own.stdout }
  } catch (error) {
    if (!signal.aborted || output.pid() === undefined) throw error
    await end(transport, output.pid() ?? '')
    throwIfAborted(options.signal)
    const durationMs = performance.now() - started
    return { code: null, stdout: output.text(), stderr: '', timedOut: true, truncated: false, durationMs }
  }
}

async function end(transport: Transport, pid: string): Promise<void> {
  try {
    await call(transport, 'kill', [pid], { signal: AbortSignal.timeout(10_000) })
  } catch {
    // The program may have ended by itself, or the link is gone; the first error is the one that is told.
  }
}

/** Sorts what comes on stdout: before the pid line it is noise, after it the program's. */
function afterMarker(marker: string, onOutput: ((text: string) => void) | undefined) {
  const decoder = new TextDecoder()
  let head = ''
  let tail = ''
  let pid: string | undefined
  return {
    push(chunk: Buffer): void {
      const text = decoder.decode(chunk, { stream: true })
      if (pid !== undefined) {
        tail = (tail + text).slice(-65_536)
        onOutput?.(text)
        return
      }
      head = (head + text).slice(-65_536)
      const found = new RegExp(`${marker} pid (\\d+)\\n`).exec(head)
      if (!found) return
      pid = found[1]
      tail = head.slice(found.index + found[0].length)
      if (tail !== '') onOutput?.(tail)
    },
    pid: () => pid,
    text: () => tail,
    split(stdout: string): { stdout: string; failed: string | undefined } {
      const at = stdout.indexOf(`${marker} pid `)
      if (at >= 0) return { stdout: stdout.slice(stdout.indexOf('\n', at) + 1), failed: undefined }
      const failed = new RegExp(`${marker} end \\S+ (.*)`).exec(stdout)?.[1]
      return { stdout: '', failed: failed ?? 'the program could not be started on the host' }
    },
  }
}

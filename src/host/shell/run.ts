/** Runs a program on a host for hooks and gates. Only what it prints after our marker is its output; noise of the login shell is not. */
import { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { ShipError, throwIfAborted } from '../../errors.ts'
import { escapeControls, type Token } from '../../names.ts'
import type { Program, RunOptions, RunResult } from '../../runner.ts'
import type { Script } from '../../shell.ts'
import type { Transport } from '../../transport/transport.ts'
import { call, noAnswer, PATIENCE_MS, scriptText } from './call.ts'
import { frameReader, MAX_NOISE_BYTES, newMarker, type Answer, type FrameReader } from './frame.ts'
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
  throwIfAborted(options.signal)
  const name = once ? 'once' : 'run'
  const mark = once ? [once.token, once.key] : []
  return endOf(begin(transport, { name, text: scriptText(name), args: mark }, { ...options, argv }), options)
}

/** A program that begins when the switch before it is through, in the same round trip. */
export interface RunBehind {
  /** The switch's own answer. */
  readonly answer: Promise<Answer>
  /** The program's end, when it is the one that is asked for. */
  take(argv: readonly string[], options: RunOptions): Promise<RunResult> | undefined
}

/** Does what `args` of the verb `switch` say, then begins a program. Aborting stops the switch; who takes the program can stop that. */
export function runBehindSwitch(
  transport: Transport,
  args: readonly string[],
  program: Program,
  signal: AbortSignal,
): RunBehind {
  const name = 'switch and run'
  const { promise: answer, resolve, reject } = Promise.withResolvers<Answer>()
  const running = begin(transport, { name: 'switch', text: scriptText(name), args }, program, (frames) => {
    const whole = frames.answer()
    if (whole) resolve(whole)
  })
  const stop = (): void => running.ending.abort(signal.reason)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  const late = setTimeout(() => running.ending.abort(noAnswer('switch', { stderr: '', timedOut: true })), PATIENCE_MS)
  running.result.then((result) => reject(noAnswer('switch', result)), reject)
  const over = (): void => {
    clearTimeout(late)
    signal.removeEventListener('abort', stop)
  }
  answer.then(over, over)
  const facts = ({ argv, cwd, env, maxOutputBytes }: Program): unknown => ({ argv, cwd, env, maxOutputBytes })
  return {
    answer,
    take(argv, options) {
      const isIt = options.onOutput === undefined && isDeepStrictEqual(facts({ ...options, argv }), facts(program))
      return isIt ? endOf(running, options) : undefined
    },
  }
}

/** A program on its way. */
interface Running {
  readonly transport: Transport
  readonly result: Promise<RunResult>
  readonly output: ReturnType<typeof afterMarker>
  /** Closes its channel. */
  readonly ending: AbortController
}

type Begun = Program & Pick<RunOptions, 'onOutput'>

/** Sends a script that becomes a program; `args` are those that the script has before. */
function begin(
  transport: Transport,
  { name, text, args }: Script,
  { argv, cwd, env = {}, ...options }: Begun,
  onFrames?: (frames: FrameReader) => void,
): Running {
  const { deployTo } = transport.host
  const marker = newMarker()
  const count = Object.keys(env).length
  const output = afterMarker(marker, options)
  const frames = onFrames && frameReader(marker)
  const ending = new AbortController()
  const result = transport.exec(
    { name, text, args: [marker, deployTo, ...args, cwd ?? deployTo, String(count), ...argv] },
    {
      signal: ending.signal,
      stdin: count === 0 ? undefined : Readable.from([settingsText(env)]),
      onStdout(chunk) {
        output.push(chunk)
        if (output.noise() > MAX_NOISE_BYTES) ending.abort(flooded())
        frames?.push(chunk)
        if (frames) onFrames?.(frames)
      },
      maxOutputBytes: options.maxOutputBytes,
    },
  )
  result.catch(() => undefined)
  return { transport, result, output, ending }
}

/** How a program ended; a timeout or an abort ends it. */
async function endOf({ transport, result, output, ending }: Running, options: RunOptions): Promise<RunResult> {
  const started = performance.now()
  const late = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs)
  const signal = AbortSignal.any([options.signal, ...(late ? [late] : [])])
  const stop = (): void => ending.abort(signal.reason)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const ended = await result
    const failed = output.failed()
    if (failed !== undefined) throw new ShipError('not-switched', failed)
    if (ended.stderr !== '') options.onOutput?.(ended.stderr)
    return { ...ended, stdout: output.stdout(), truncated: ended.truncated || output.truncated() }
  } catch (error) {
    if (!ending.signal.aborted || output.pid() === undefined) throw error
    await end(transport, output.pid() ?? '')
    throwIfAborted(options.signal)
    const durationMs = performance.now() - started
    return { code: null, stdout: output.text(), stderr: '', timedOut: true, truncated: false, durationMs }
  } finally {
    signal.removeEventListener('abort', stop)
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
function afterMarker(
  marker: string,
  { onOutput, maxOutputBytes = MAX_OUTPUT }: Pick<RunOptions, 'onOutput' | 'maxOutputBytes'>,
) {
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

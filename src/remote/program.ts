/**
 * Runs one program on a machine. Its own output is what comes after our marker; it is ended with all it started when it runs too long or
 * is not wanted any more, while the channel is still open, so that nothing of what it says on its way out is lost.
 */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ShipError, throwIfAborted } from '../errors.ts'
import { call, scriptText } from '../host/shell/call.ts'
import { newMarker } from '../host/shell/frame.ts'
import type { RunResult } from '../runner.ts'
import { commandLine, type Script } from '../shell.ts'
import type { Transport } from '../transport/transport.ts'
import { inputStream, settingsText } from './input.ts'
import { programOutput, type Program, type ProgramOptions } from './output.ts'
import { problemOf, shownTitle } from './problem.ts'

/** Linux takes no longer argument, and a command line for a host is one argument of its login shell. */
const MAX_COMMAND_BYTES = 131_000
/** For a program that is about to start when it is no longer wanted, and for its output after it was ended. */
const START_MS = 3000
const END_MS = 1500
const KILL_MS = 10_000

type Why = 'aborted' | 'timeout'

/** Rejects as `RunCommand` says; with `check` false any exit code or signal is a result. */
export async function runProgram(transport: Transport, program: Program, options: ProgramOptions): Promise<RunResult> {
  if (options.signal) throwIfAborted(options.signal)
  const marker = newMarker()
  const settings = settingsText({ ...options.env, ...options.secrets })
  const args = [marker, plainPath(options.cwd ?? ''), options.folder ?? 'must', String(settings.count), ...program.argv]
  const script = { name: shownTitle(program, options), text: scriptText('program'), args }
  refuseLong(transport, script)
  const output = programOutput(marker, options)
  const stop = stopper(transport, output.started)
  const input = watched(inputStream(settings.text, options.stdin))
  const late = options.timeoutMs === undefined ? undefined : setTimeout(() => stop.now('timeout'), options.timeoutMs)
  const onAbort = (): void => stop.now('aborted')
  options.signal?.addEventListener('abort', onAbort, { once: true })
  const started = performance.now()
  let ended: Pick<RunResult, 'code' | 'signal'> = { code: null }
  let failure: unknown
  try {
    const { onStdout, onStderr } = output
    ended = await transport.exec(script, {
      stdin: input.stream,
      signal: stop.signal,
      maxOutputBytes: 0,
      onStdout,
      onStderr,
    })
  } catch (error) {
    failure = error
  } finally {
    clearTimeout(late)
    options.signal?.removeEventListener('abort', onAbort)
    input.stream?.destroy()
    output.end()
    await stop.settled()
  }
  if (options.signal && stop.why() === 'aborted') throwIfAborted(options.signal)
  const { code } = ended
  const timing = { timedOut: stop.why() === 'timeout', durationMs: performance.now() - started }
  const result = { code, signal: signalName(ended.signal), ...output.texts(), ...timing }
  const inputProblem = input.problem()
  const problem = problemOf(
    program,
    { output, result, failure: inputProblem === undefined ? failure : undefined, inputProblem },
    options,
  )
  if (problem !== undefined) throw problem
  return result
}

/** The input, and why it broke off: a program that was fed half of it must not look like one that ended. */
function watched(stream: Readable | undefined) {
  let problem: unknown
  stream?.on('error', (error) => void (problem ??= error))
  return { stream, problem: () => problem }
}

/** A path that no program reads as an option. */
export function plainPath(path: string): string {
  if (path.includes('\0')) throw new ShipError('usage', 'a path cannot hold a NUL byte')
  return path.startsWith('-') ? `./${path}` : path
}

function refuseLong({ host }: Transport, script: Script): void {
  const bytes = Buffer.byteLength(commandLine(script))
  if (host.transport === 'local' || bytes <= MAX_COMMAND_BYTES) return
  throw new ShipError(
    'usage',
    `"${script.name}" is too long for one command: ${bytes} bytes, at most ${MAX_COMMAND_BYTES}`,
    {
      next: ['give the long list as stdin (xargs), or write it to a file there'],
    },
  )
}

/** Ends the program by its process group; the channel is closed only when that did not help. */
function stopper(transport: Transport, started: Promise<string>) {
  const controller = new AbortController()
  const over = Promise.withResolvers<undefined>()
  let why: Why | undefined
  let ending: Promise<void> | undefined
  const end = async (): Promise<void> => {
    const pid = await Promise.race([started, over.promise, sleep(START_MS, undefined, { ref: false })])
    if (pid !== undefined && transport.connected) {
      await call(transport, 'kill', [pid], { signal: AbortSignal.timeout(KILL_MS) }).catch(() => undefined)
      await Promise.race([over.promise, sleep(END_MS, undefined, { ref: false })])
    }
    controller.abort(new Error('ended'))
  }
  return {
    signal: controller.signal,
    why: () => why,
    now(reason: Why): void {
      if (why !== undefined) return
      why = reason
      ending = end()
    },
    /** The program itself has ended; resolves when what it started has ended too. */
    settled: async (): Promise<void> => {
      over.resolve(undefined)
      await ending
    },
  }
}

/** `SIGTERM` for what a host calls TERM. */
function signalName(name: string | undefined): string | undefined {
  return name === undefined || name.startsWith('SIG') ? name : `SIG${name}`
}

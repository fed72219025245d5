/**
 * Runs programs of this machine. Each gets a process group of its own, so that a timeout or Ctrl-C ends all that it started: TERM, and
 * KILL two seconds later. Output is capped. A daemon that a program left behind with its output open is not waited for.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ShipError, throwIfAborted } from './errors.ts'
import { firstBytes } from './first-bytes.ts'
import { tooManyFiles } from './open-files.ts'
import type { RunOptions, RunResult } from './runner.ts'

/** Between asking a program to end and ending it. */
const GRACE_MS = 2000
/** How long output may stay silent after a program ended, before whoever holds it open is left alone. */
const SILENCE_MS = 500
const MAX_OUTPUT = 1024 * 1024

export interface LocalOptions extends RunOptions {
  /** Fed to the program and ended; without it the input is empty. When it fails, the program is ended and its error thrown. */
  readonly stdin?: Readable | undefined
  readonly onStdout?: ((chunk: Buffer) => void) | undefined
  readonly onStderr?: ((chunk: Buffer) => void) | undefined
  /** The whole environment of the program, instead of this process's with `env` added. */
  readonly cleanEnv?: Readonly<Record<string, string>> | undefined
}

/**
 * Runs argv to its end. Rejects with the signal's reason when aborted, and with a ShipError of reason `build` when the program cannot be
 * started; any exit code is a result.
 */
export async function runLocal(argv: readonly string[], options: LocalOptions): Promise<RunResult> {
  const { signal, timeoutMs, maxOutputBytes = MAX_OUTPUT } = options
  throwIfAborted(signal)
  const started = performance.now()
  const child = start(argv, options)
  const stdout = firstBytes(maxOutputBytes)
  const stderr = firstBytes(maxOutputBytes)
  listen(child.stdout, [(chunk) => stdout.push(chunk), options.onStdout, decoded(options.onOutput)])
  listen(child.stderr, [(chunk) => stderr.push(chunk), options.onStderr, decoded(options.onOutput)])

  let timedOut = false
  let ending: Promise<void> | undefined
  const end = (): void => void (ending ??= endGroup(child))
  const late = timeoutMs === undefined ? undefined : setTimeout(() => ((timedOut = true), end()), timeoutMs)
  signal.addEventListener('abort', end, { once: true })
  const input = feed(child, options.stdin, end)
  try {
    const { code, by } = await ended(child, argv[0] ?? '', options.cwd)
    // Whoever else is of its group had the same time to end.
    await ending
    throwIfAborted(signal)
    if (input.failed()) throw input.error()
    const truncated = stdout.truncated() || stderr.truncated()
    const text = { stdout: stdout.text(), stderr: stderr.text() }
    return { code, signal: by ?? undefined, ...text, timedOut, truncated, durationMs: performance.now() - started }
  } finally {
    clearTimeout(late)
    signal.removeEventListener('abort', end)
  }
}

function start(argv: readonly string[], { cwd, env, cleanEnv, stdin }: LocalOptions): ChildProcess {
  const [file = '', ...args] = argv
  return spawn(file, args, {
    cwd,
    env: cleanEnv ?? { ...process.env, ...env },
    detached: true,
    stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
}

type Listener = ((chunk: Buffer) => void) | undefined

function listen(stream: Readable | null, listeners: readonly Listener[]): void {
  for (const listener of listeners) if (listener) stream?.on('data', listener)
}

function decoded(listener: ((text: string) => void) | undefined): Listener {
  if (!listener) return undefined
  const decoder = new TextDecoder()
  return (chunk) => listener(decoder.decode(chunk, { stream: true }))
}

/** A program may end without reading all of its input. An input that breaks off must not look like its end: the program is ended. */
function feed(child: ChildProcess, source: Readable | undefined, end: () => void) {
  let failure: { readonly error: unknown } | undefined
  const { stdin } = child
  if (source && stdin) {
    let unwanted = false
    const leave = (): void => {
      unwanted = true
      source.destroy()
    }
    const fail = (error: unknown): void => {
      if (unwanted || failure) return
      failure = { error }
      end()
    }
    source.on('error', fail)
    source.once('close', () => {
      if (!source.readableEnded) fail(new Error('the input broke off'))
    })
    stdin.on('error', leave)
    child.once('exit', leave)
    source.pipe(stdin)
  }
  return { failed: () => failure !== undefined, error: () => failure?.error }
}

interface Ended {
  readonly code: number | null
  readonly by: NodeJS.Signals | null
}

function ended(child: ChildProcess, program: string, cwd: string | undefined): Promise<Ended> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => reject(notStarted(error, program, cwd)))
    child.once('close', (code, by) => resolve({ code, by }))
    child.once('exit', () => {
      const silence = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      }, SILENCE_MS)
      const still = (): void => void silence.refresh()
      child.stdout?.on('data', still)
      child.stderr?.on('data', still)
      child.once('close', () => clearTimeout(silence))
    })
  })
}

function notStarted(error: NodeJS.ErrnoException, program: string, cwd: string | undefined): ShipError {
  const tooMany = tooManyFiles(error)
  if (tooMany) return tooMany
  if (error.code !== 'ENOENT') {
    return new ShipError('build', `"${program}" could not be started: ${error.message}`, { cause: error })
  }
  if (cwd !== undefined && !existsSync(cwd)) {
    return new ShipError('build', `"${program}" could not be started in "${cwd}": there is no such folder`, {
      cause: error,
    })
  }
  const next = [`install "${program}", or correct PATH`]
  return new ShipError('build', `"${program}" could not be started: there is no such program`, { cause: error, next })
}

/** TERM to the whole group, KILL when somebody of it is still there two seconds later. Resolves when all are gone. */
async function endGroup({ pid }: ChildProcess): Promise<void> {
  if (pid === undefined || !signalGroup(pid, 'SIGTERM')) return
  const until = performance.now() + GRACE_MS
  while (performance.now() < until) {
    await sleep(20)
    if (!signalGroup(pid, 0)) return
  }
  signalGroup(pid, 'SIGKILL')
}

/** False when nobody of the group is left. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal)
    return true
  } catch {
    return false
  }
}

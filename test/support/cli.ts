/** The real command line as a child process, under the project's own Node, with a clean environment. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const ROOT = join(import.meta.dirname, '../..')
/** The sources as they are. */
export const SHIP_OF_SOURCES = join(ROOT, 'bin/ship.js')
/** The package that under-test.ts made of them; outside of tests the sources. */
export const SHIP = join(process.env['SHIP_UNDER_TEST'] ?? ROOT, 'bin/ship.js')
const OWN_NODE = join(ROOT, 'node_modules/.bin/node')
export const NODE = existsSync(OWN_NODE) ? OWN_NODE : process.execPath

/** One for all tests, whatever home they give ship. */
const CODE_CACHE = join(ROOT, 'node_modules/.cache/code')

/** Where programs and the user are, and how the machine reaches a registry; nothing else of this process is passed on. */
const PASSED = /^(?:PATH|HOME|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|https?_proxy|no_proxy)$/i

/** The environment that ship gets: of this process's own, only what it needs of the machine. */
export function plainEnvironment(): Readonly<Record<string, string>> {
  const passed = Object.entries(process.env).filter(([name]) => PASSED.test(name))
  return { ...Object.fromEntries(passed), NODE_COMPILE_CACHE: CODE_CACHE }
}

export interface ShipOptions {
  readonly cwd?: string
  /** Added to the few variables that are passed on. */
  readonly env?: Readonly<Record<string, string>>
  readonly umask?: number
  /** How many files it may have open. */
  readonly openFiles?: number
  readonly input?: string
  /** When stdout or stderr holds all of this, the input is typed and `signal` is sent; without it the input is typed at once. */
  readonly when?: string | readonly string[]
  readonly signal?: NodeJS.Signals
  /** Called with every whole line of stdout, as it comes. */
  readonly onLine?: (line: string) => void
  /** Called when `when` was seen. */
  readonly onSeen?: () => void
  /** Gets the child once it runs, to send it signals. */
  readonly onStart?: (child: { readonly pid: number; kill(signal: NodeJS.Signals): void }) => void
}

export interface ShipResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `ship` with arguments; a string is split at spaces. Resolves whatever the exit code. */
export function ship(args: string | readonly string[], options: ShipOptions = {}): Promise<ShipResult> {
  return runNode([SHIP, ...wordsOf(args)], options)
}

/** The same on a terminal of 80 columns, by script(1): stdin, stdout and stderr are one pty, so `stdout` holds all of it. */
export function shipOnTerminal(args: string | readonly string[], options: ShipOptions = {}): Promise<ShipResult> {
  return onTerminal([NODE, SHIP, ...wordsOf(args)], options)
}

/** Whether script(1) is there. */
export const HAS_TERMINAL = existsSync('/usr/bin/script')

export function onTerminal(argv: readonly string[], options: ShipOptions = {}): Promise<ShipResult> {
  const line = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const env = { TERM: 'xterm-256color', SHELL: '/bin/sh', ...options.env }
  return run('/usr/bin/script', ['-qec', `stty cols 80 rows 24; exec ${line}`, '/dev/null'], { ...options, env })
}

export function runNode(argv: readonly string[], options: ShipOptions = {}): Promise<ShipResult> {
  return run(NODE, argv, options)
}

function wordsOf(args: string | readonly string[]): readonly string[] {
  return typeof args === 'string' ? args.split(' ').filter((word) => word !== '') : args
}

function run(file: string, argv: readonly string[], options: ShipOptions): Promise<ShipResult> {
  return new Promise((resolve, reject) => {
    const env = { ...plainEnvironment(), ...options.env }
    // A child's umask and limits are its parent's, and a worker may not change its own: a shell does.
    const settings = [
      ...(options.umask === undefined ? [] : [`umask ${options.umask.toString(8)}`]),
      ...(options.openFiles === undefined ? [] : [`ulimit -n ${options.openFiles}`]),
    ]
    const [program, ...rest] =
      settings.length === 0 ? [file, ...argv] : ['sh', '-c', `${settings.join('; ')}; exec "$@"`, 'sh', file, ...argv]
    const child = spawn(program, rest, { cwd: options.cwd ?? ROOT, env })
    const out: Buffer[] = []
    const err: Buffer[] = []
    let waiting = options.when
    const onOutput = (): void => {
      if (waiting === undefined) return
      const said = Buffer.concat([...out, ...err])
      if ([waiting].flat().some((text) => !said.includes(text))) return
      waiting = undefined
      options.onSeen?.()
      if (options.input !== undefined) child.stdin.end(options.input)
      if (options.signal) child.kill(options.signal)
    }
    child.stdout.on('data', (chunk: Buffer) => (out.push(chunk), onOutput()))
    const { onLine } = options
    if (onLine) createInterface({ input: child.stdout }).on('line', onLine)
    child.stderr.on('data', (chunk: Buffer) => (err.push(chunk), onOutput()))
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    )
    // An end of input would end what runs in a terminal.
    const typesAtOnce = options.when === undefined && (options.input !== undefined || !file.endsWith('script'))
    if (typesAtOnce) child.stdin.end(options.input ?? '')
    const { pid } = child
    if (pid !== undefined) options.onStart?.({ pid, kill: (signal) => void child.kill(signal) })
  })
}

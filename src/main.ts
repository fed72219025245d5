/**
 * argv -> command -> exit code. The only place that reads the process (arguments, environment, streams, signals) and the only
 * `process.exit`. The first signal aborts the run, which cleans up, puts back and unlocks; the second one exits at once.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { cacheFolder } from './cache-folder.ts'
import type { Answer, Context } from './commands/command.ts'
import { headStart } from './commands/head-start.ts'
import { identify } from './commands/identity.ts'
import { COMMANDS } from './commands/index.ts'
import { inEnvironment } from './commands/next-command.ts'
import { parseCommandLine, type Globals, type Parsed } from './commands/program.ts'
import { exitCode, ShipError } from './errors.ts'
import { ownVersion } from './own-version.ts'
import { openPrompts } from './ui/prompt.ts'
import { chooseLook, openRenderer } from './ui/render.ts'
import type { Out, Renderer, Screen } from './ui/renderer.ts'
import { withRunLog } from './ui/run-log.ts'
import { styleWith, wantsColor } from './ui/style.ts'

/** A wrapper such as npx passes a signal on that the terminal sent already: two within this time are one. */
const SAME_SIGNAL_MS = 400
const SIGNALS = { SIGINT: 'sigint', SIGTERM: 'sigterm', SIGHUP: 'sigterm' } as const

type Chosen = Extract<Parsed, { readonly kind: 'run' }>

/** How ship is started by something else than its own command line. */
export interface Start {
  /** Arguments; what it rejects with is shown like any mistake on a command line. */
  readonly argv: () => Promise<readonly string[]>
  /** Gets what shows a run, and gives what is used instead. */
  readonly around?: (renderer: Renderer) => Renderer
  /** Who cancels sends one signal after the other and kills in the end: only the first one counts, and cleaning up has all the time. */
  readonly patient?: boolean
}

/** Runs ship with the arguments of this process, or others, and ends it. */
export async function main(start: Start = { argv: () => Promise.resolve(process.argv.slice(2)) }): Promise<void> {
  quietWhenReaderLeft()
  const code = await run(start)
  process.stdout.write('', () => process.stderr.write('', () => leave(code)))
}

/** How long what lingers (a connection, an agent) may keep the command from ending. */
const LINGER_MS = 1000

/**
 * Ends when nothing is left to do. `process.exit` would be sooner, and may wait for ever: it stops this thread, then joins the one that
 * compiles, which may be waiting for this one to collect garbage (nodejs/node#54918). After a moment of idleness nothing is compiled any more.
 */
function leave(code: number): void {
  process.exitCode = code
  setTimeout(() => process.exit(), LINGER_MS).unref()
}

async function run(start: Start): Promise<number> {
  let argv: readonly string[] = []
  try {
    argv = await start.argv()
    const parsed = parseCommandLine(argv, COMMANDS, {
      version: ownVersion(),
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
      columns: Math.min(process.stdout.columns ?? 80, 120),
    })
    if (parsed.kind === 'done') return parsed.exitCode
    return await runCommand(parsed, start)
  } catch (error) {
    const renderer = await rendererFor(earlyGlobals(argv), start)
    await renderer.end({ command: 'ship', exitCode: exitCode(error), error })
    return exitCode(error)
  }
}

async function runCommand({ command, input, globals }: Chosen, start: Start): Promise<number> {
  if (globals.cwd !== undefined && !existsSync(globals.cwd)) {
    throw new ShipError('usage', `there is no folder "${globals.cwd}"`, { next: ['--cwd names one that is there'] })
  }
  // Libraries that draw look at the environment themselves.
  if (!globals.color) process.env['NO_COLOR'] = '1'
  const ahead = await headStart(command, input, globals)
  const identity = identify(process.env)
  const plain = await rendererFor(globals, start, command.streams)
  const facts = { folder: join(cacheFolder(), 'runs'), command: command.name, run: identity.run, now: () => Date.now() }
  const renderer = command.logged === true ? withRunLog(plain, facts) : plain
  const controller = new AbortController()
  listenToSignals(controller, renderer, start.patient === true)
  const { signal } = controller
  const context = contextFor(globals, { renderer, identity, signal })
  const answer = await answerOf(async () => {
    const { run: work } = await command.load()
    // Servers may have answered meanwhile.
    await nextTurn()
    return work(input, context)
  }, signal)
  await ahead.end()
  const code = answer.error === undefined ? 0 : exitCode(answer.error)
  await renderer.end({ command: command.name, exitCode: code, ...answer, error: typable(answer.error, globals) })
  return code
}

/** What the command answers, or its error as an answer. What breaks because of a signal is told as that signal. */
async function answerOf(work: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  const reason = (): unknown => signal.reason
  try {
    const answer = await work()
    // A defect in a callback is one even when the command went well all the same.
    return signal.aborted && !(reason() instanceof ShipError) ? { error: reason(), ...answer } : answer
  } catch (error) {
    return { error: signal.aborted && !(error instanceof ShipError) ? reason() : error }
  }
}

/** The error with the commands that it names as they have to be typed. */
function typable(error: unknown, { environment }: Globals): unknown {
  if (!(error instanceof ShipError) || environment === undefined || error.next.length === 0) return error
  return error.saying(inEnvironment(error.next, environment))
}

interface RunParts {
  readonly renderer: Renderer
  readonly identity: ReturnType<typeof identify>
  readonly signal: AbortSignal
}

function contextFor(globals: Globals, { renderer, identity, signal }: RunParts): Context {
  const screen = screenFor(globals)
  const interactive = process.stdin.isTTY && screen.err.isTTY && !globals.json
  const { emit } = renderer
  return {
    io: { emit, signal, ...identity },
    cwd: resolve(globals.cwd ?? '.'),
    env: process.env,
    config: globals.config,
    environment: globals.environment,
    verbose: globals.verbose,
    quiet: globals.quiet,
    json: globals.json,
    yes: globals.yes,
    prompts: openPrompts({ input: process.stdin, output: process.stderr, interactive, yes: globals.yes, signal }),
    settle: () => renderer.settle(),
    tell: (lines) => {
      const view = { style: screen.outStyle, width: Number.POSITIVE_INFINITY, now: screen.now() }
      if (!globals.json)
        screen.out.write(
          lines(view)
            .map((line) => `${line}\n`)
            .join(''),
        )
    },
    say: (lines) => {
      const view = { style: screen.errStyle, width: screen.err.columns, now: screen.now() }
      screen.err.write(`${lines(view).join('\n')}\n`)
    },
  }
}

function listenToSignals(controller: AbortController, renderer: Renderer, patient: boolean): void {
  let first: { readonly at: number } | undefined
  const end = (code: number, message: string): void => {
    renderer.abandon()
    process.stderr.write(`${message}\n`)
    process.exit(code)
  }
  for (const [name, reason] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (!first) {
        first = { at: performance.now() }
        controller.abort(new ShipError(reason, `interrupted by ${name}`))
        return
      }
      if (patient || performance.now() - first.at < SAME_SIGNAL_MS) return
      end(
        reason === 'sigint' ? 130 : 143,
        'error: interrupted again, so nothing was cleaned up: hosts may hold a lock and half-sent files\n' +
          '  next:  ship status shows them; the next command takes a dead lock over and clears what is left',
      )
    })
  }
  // A defect somewhere in a callback: the run is aborted, so that it puts back and unlocks like after a signal.
  const onDefect = (error: unknown): void => {
    if (controller.signal.aborted) return
    controller.abort(error)
    setTimeout(() => end(1, `defect: ${String(error)}`), 60_000).unref()
  }
  process.on('uncaughtException', onDefect)
  process.on('unhandledRejection', onDefect)
}

async function rendererFor(globals: Globals, { around }: Start, streams = false): Promise<Renderer> {
  const screen = screenFor(globals)
  const flags = { ...globals, verbose: globals.verbose || streams }
  const renderer = await openRenderer(chooseLook(flags, { isTTY: screen.err.isTTY, env: process.env }), screen)
  return around ? around(renderer) : renderer
}

function screenFor(globals: Globals): Screen {
  const color = globals.color ? undefined : false
  const out = outOf(process.stdout)
  const err = outOf(process.stderr)
  return {
    out,
    err,
    outStyle: styleWith(wantsColor(out.isTTY, process.env, color)),
    errStyle: styleWith(wantsColor(err.isTTY, process.env, color)),
    verbose: globals.verbose,
    now: () => Date.now(),
  }
}

/** Of a pipe, and of a terminal that says it has none. */
const USUAL_COLUMNS = 80

function outOf(stream: NodeJS.WriteStream): Out {
  return {
    write: (text) => stream.write(text),
    isTTY: stream.isTTY,
    columns: stream.columns > 0 ? stream.columns : USUAL_COLUMNS,
  }
}

/** A reader that left (`ship releases | head -1`) wants no more; a run that is under way goes on in silence. */
function quietWhenReaderLeft(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}

/** How to show a mistake on the command line itself. */
function earlyGlobals(argv: readonly string[]): Globals {
  const has = (...names: string[]): boolean => names.some((name) => argv.includes(name))
  return {
    environment: undefined,
    config: undefined,
    cwd: undefined,
    json: has('--json'),
    // A mistake has no progress to show, and no live list to load.
    quiet: process.env['GITHUB_ACTIONS'] !== 'true',
    verbose: has('-v', '--verbose'),
    color: !has('--no-color'),
    yes: false,
  }
}

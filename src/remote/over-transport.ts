/** A transport -> the machine that programs see. Few channels at a time: sshd admits ten to a connection, and one must be left to end things. */
import { ShipError } from '../errors.ts'
import type { CommandOptions, CommandTag, CommandValue, Machine, RunCommand } from '../machine.ts'
import type { RunResult } from '../runner.ts'
import { commandArgv, quote } from '../shell.ts'
import type { Transport } from '../transport/transport.ts'
import { bytesContent, downloadFile, fileContent, fileExists, putFile, readFile } from './files.ts'
import type { Program, ProgramOptions } from './output.ts'
import { runProgram } from './program.ts'
import { templateScript } from './template.ts'

const CHANNELS = 6

export function machineOver(transport: Transport, name: string, defaults: ProgramOptions = {}): Machine {
  return machineWith(transport, name, defaults, turnstile(CHANNELS))
}

type Turn = <T>(work: () => Promise<T>) => Promise<T>

function machineWith(transport: Transport, name: string, defaults: ProgramOptions, turn: Turn): Machine {
  const start = (program: Program, options: CommandOptions): Promise<RunResult> =>
    turn(() => runProgram(transport, program, merged(defaults, options)))
  const signalOf = (signal: AbortSignal | undefined): AbortSignal | undefined => signal ?? defaults.signal
  const close = (): Promise<void> => transport.close()
  return {
    name,
    get connected() {
      return transport.connected
    },
    run: runCommand(start),
    upload: (from, to, { mode, signal } = {}) =>
      turn(() => putFile(transport, to, fileContent(from, mode), signalOf(signal))),
    download: (from, to, { mode, signal } = {}) =>
      turn(() => downloadFile(transport, from, to, { mode, signal: signalOf(signal) })),
    read: (path, { maxBytes, signal } = {}) =>
      turn(() => readFile(transport, path, { maxBytes, signal: signalOf(signal) })),
    write: (path, content, { mode, signal } = {}) =>
      turn(() => putFile(transport, path, bytesContent(content, mode), signalOf(signal))),
    exists: (path, { signal } = {}) => turn(() => fileExists(transport, path, signalOf(signal))),
    with: (more) => machineWith(transport, name, merged(defaults, more), turn),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function merged(defaults: ProgramOptions, options: CommandOptions): ProgramOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const env = { ...defaults.env, ...options.env }
  const secrets = { ...defaults.secrets, ...options.secrets }
  // A folder that somebody names must be there; only the one that is assumed need not.
  const folder = options.cwd === undefined ? defaults.folder : 'must'
  return { ...defaults, ...(Object.fromEntries(given) as CommandOptions), env, secrets, folder }
}

function runCommand(start: (program: Program, options: CommandOptions) => Promise<RunResult>): RunCommand {
  const tag =
    (options: CommandOptions): CommandTag =>
    async (parts, ...values) => {
      const script = templateScript(parts, values)
      return start({ title: script.name, argv: commandArgv(script), isText: true }, options)
    }
  function run(options: CommandOptions): CommandTag
  function run(argv: readonly string[], options?: CommandOptions): Promise<RunResult>
  function run(parts: TemplateStringsArray, ...values: readonly CommandValue[]): Promise<RunResult>
  function run(first: CommandOptions | readonly string[], ...rest: readonly unknown[]): unknown {
    if (isTemplate(first)) return tag({})(first, ...(rest as CommandValue[]))
    if (isList(first)) return runArgv(first, rest[0] ?? {})
    // Text by itself would be run with whatever was put together in it.
    if (typeof first === 'object' && first !== null) return tag(first)
    return Promise.reject(
      new ShipError('usage', 'a command is a template or a list, never a text', {
        next: ['write host.run`ls ${folder}` without parentheses, or host.run(["ls", folder])'],
      }),
    )
  }
  const runArgv = async (argv: readonly string[], options: CommandOptions): Promise<RunResult> =>
    start({ title: argv.map((word) => titleWord(word)).join(' '), argv: checkedArgv(argv), isText: false }, options)
  return run
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value)
}

/** Only the language itself makes a list with a frozen list `raw` of the same length. */
function isTemplate(value: unknown): value is TemplateStringsArray {
  if (!isList(value) || !('raw' in value)) return false
  return Array.isArray(value.raw) && Object.isFrozen(value) && Object.isFrozen(value.raw)
}

function titleWord(word: unknown): string {
  return typeof word === 'string' && !word.includes('\0') ? quote(word) : String(word)
}

function checkedArgv(argv: readonly unknown[]): readonly string[] {
  const [program] = argv
  const words = argv.flatMap((word, index) => {
    if (typeof word === 'string' && !word.includes('\0')) return [word]
    throw new ShipError('usage', `argument ${index} of a command is no text, or holds a NUL byte`)
  })
  if (typeof program === 'string' && program !== '' && !program.startsWith('-')) return words
  throw new ShipError('usage', 'a command begins with the name of a program')
}

/** Lets `places` pieces of work go on at once; the others wait in line. */
function turnstile(places: number): Turn {
  let free = places
  const waiting: (() => void)[] = []
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((go) => waiting.push(go))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}

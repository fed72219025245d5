/**
 * The command line, built from the registry with commander: options everywhere, help, suggestions. Parsing decides what to run and
 * runs nothing; a mistake becomes a ShipError of reason `usage`.
 */
import { Command as Commander, CommanderError, Option } from 'commander'
import { ShipError } from '../errors.ts'
import type { Command, Input } from './command.ts'
import { exitLines } from './exit-status.ts'
import { GLOBAL_OPTIONS } from './global-options.ts'
import { brokenExits, exampleLines } from './help-text.ts'

/** Options that every command has, before or after its name. */
export interface Globals {
  readonly environment: string | undefined
  readonly config: string | undefined
  readonly cwd: string | undefined
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly color: boolean
  readonly yes: boolean
}

/** What the command line asks for. `done` means that help or the version was written already. */
export type Parsed =
  | { readonly kind: 'run'; readonly command: Command; readonly input: Input; readonly globals: Globals }
  | { readonly kind: 'done'; readonly exitCode: number }

export interface ProgramIo {
  readonly version: string
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Columns of the help. */
  readonly columns: number
}

type Values = Readonly<Record<string, unknown>>

export function parseCommandLine(argv: readonly string[], commands: readonly Command[], io: ProgramIo): Parsed {
  const chosen: Parsed[] = []
  const program = new Commander('ship')
    .description(
      'Build versioned releases, send them over SSH, switch atomically, check, and take back what is not healthy.',
    )
    .version(io.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .usage('<command> [options]')
    .enablePositionalOptions()
    .addHelpCommand(new Commander('help').argument('[command]').summary('show help for a command').helpGroup('Look:'))
    .configureHelp({ subcommandTerm })
    .addHelpText('after', '\nship <command> --help shows examples and exit codes.')
  prepare(program, io)
  addGlobals(program)
  for (const command of commands) {
    const sub = program.command(command.name, { hidden: command.hidden ?? false })
    prepare(sub, io)
    list(sub, command)
    // Nobody asks for options of what is not named, and there are hundreds.
    if (!argv.includes(command.name)) continue
    describe(sub, command, io.columns)
    addGlobals(sub)
    sub.action(() => {
      const values: Values = sub.opts()
      chosen.push({
        kind: 'run',
        command,
        input: inputOf(sub.args, values),
        globals: merge(program.opts(), values),
      })
    })
  }
  // Without a word the answer is short: what there is, and where more is said.
  if (argv.length === 0) program.configureHelp({ ...program.configureHelp(), visibleOptions: () => [] })
  try {
    program.parse(withoutUnknownHelp(argv, commands), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { kind: 'done', exitCode: 0 }
    if (error.code === 'commander.help') return { kind: 'done', exitCode: 2 }
    throw usageError(error, argv, commands)
  }
  return chosen[0] ?? { kind: 'done', exitCode: 2 }
}

/** Commander answers `ship help relase` with all of the help, and does not say why: it is told as `ship relase` is. */
function withoutUnknownHelp(argv: readonly string[], commands: readonly Command[]): readonly string[] {
  const [first, word] = argv
  if (first !== 'help' || word === undefined || word === 'help' || word.startsWith('-')) return argv
  return commands.some(({ name }) => name === word) ? argv : argv.slice(1)
}

/** "release [bundle]": options are left to the command's own help. */
function subcommandTerm(sub: Commander): string {
  const args = sub.registeredArguments.map((arg) => (arg.required ? `<${arg.name()}>` : `[${arg.name()}]`))
  return [sub.name(), ...args].join(' ')
}

function prepare(commander: Commander, io: ProgramIo): void {
  // Commander breaks no description that has less than 40 columns, and a terminal breaks it inside of a word then.
  commander.configureHelp({ ...commander.configureHelp(), minWidthToWrap: 20 })
  commander.exitOverride().configureOutput({
    writeOut: io.out,
    writeErr: io.err,
    // Mistakes are told once, by main.
    outputError: () => undefined,
    getOutHelpWidth: () => io.columns,
    getErrHelpWidth: () => io.columns,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  })
}

/** What the list of commands says of one. */
function list(sub: Commander, { summary, group, args = [] }: Command): void {
  sub.summary(summary).helpGroup(`${group}:`)
  for (const arg of args) sub.argument(arg.name, arg.summary)
}

function describe(sub: Commander, command: Command, columns: number): void {
  const about = command.about === undefined ? '' : `\n${command.about}`
  const examples = exampleLines(command.examples, columns)
  const exits = brokenExits(exitLines(command.exits, answersNo(command)), columns)
  sub
    .description(`${capital(command.summary)}.${about}\n\nExamples:\n${examples.join('\n')}`)
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', `\nExit status:\n${exits.join('\n')}`)
  for (const { flags, summary, many } of command.options ?? []) {
    const option = new Option(flags, summary)
    if (many) option.argParser((value: string, before: unknown) => [...listOf(before), ...value.split(',')])
    sub.addOption(option)
  }
}

function addGlobals(commander: Commander): void {
  commander.optionsGroup('Options everywhere:')
  for (const [flags, summary] of GLOBAL_OPTIONS) commander.option(flags, summary)
}

/** What exit code 1 means besides a defect, for commands that answer yes or no. */
function answersNo(command: Command): string | undefined {
  if (command.options?.some((o) => o.flags === '--exit-code')) return '--exit-code: hosts differ or are not well'
  return command.name === 'verify' ? 'something differs' : undefined
}

function inputOf(args: readonly string[], values: Values): Input {
  return {
    args,
    on: (flag) => values[flag] === true,
    text: (flag) => textOf(values[flag]),
    list: (flag) => listOf(values[flag]).filter((item) => item !== ''),
  }
}

/** A flag after the command wins over the same one before it. */
function merge(before: Values, after: Values): Globals {
  const text = (name: string): string | undefined => textOf(after[name]) ?? textOf(before[name])
  const on = (name: string): boolean => after[name] === true || before[name] === true
  return {
    environment: text('environment'),
    config: text('config'),
    cwd: text('cwd'),
    json: on('json'),
    quiet: on('quiet'),
    verbose: on('verbose'),
    color: before['color'] !== false && after['color'] !== false,
    yes: on('yes'),
  }
}

function usageError(error: CommanderError, argv: readonly string[], commands: readonly Command[]): ShipError {
  const [first = '', hint = ''] = error.message.split('\n')
  const message = first.replace(/^error: /, '').replaceAll("'", '"')
  const near = /Did you mean (?:one of )?(.+)\?/.exec(hint)?.[1]
  const command = commands.find((c) => argv.includes(c.name))
  const help = error.code === 'commander.unknownCommand' || !command ? 'ship --help' : `ship ${command.name} --help`
  return new ShipError('usage', message, {
    next: [
      ...(near === undefined
        ? []
        : [
            `did you mean ${near
              .split(', ')
              .map((n) => `"${n}"`)
              .join(' or ')}?`,
          ]),
      help,
    ],
  })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

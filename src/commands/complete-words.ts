/** What may stand at the cursor, from the words before it. Pure: values that only a project knows are asked for by kind. */
import { BUMPS } from '../version.ts'
import type { Command, OptionSpec } from './command.ts'
import { GLOBAL_OPTIONS } from './global-options.ts'

/** A word and what it is. */
export interface Choice {
  readonly value: string
  readonly about: string
}

/** Values that a project or its hosts know. */
export type Asked = 'environment' | 'host' | 'role' | 'built' | 'released' | 'verified' | 'task'

export interface Completion {
  /** What the choices must begin with. */
  readonly word: string
  /** Stands before each of them in the answer: `--environment=`. */
  readonly prefix: string
  /** So many characters of each are left out of the answer: the shell has them already. */
  readonly cut: number
  readonly choices: readonly Choice[]
  readonly asked: Asked | undefined
  /** `-e`, `-c` and `--cwd` as they were typed. */
  readonly environment: string | undefined
  readonly config: string | undefined
  readonly cwd: string | undefined
}

/** Options by their long name, when their values are known. */
const VALUES: Readonly<Record<string, Asked | readonly string[]>> = {
  '--environment': 'environment',
  '--hosts': 'host',
  '--roles': 'role',
  '--diff': 'built',
  '--bump': BUMPS,
  '--strategy': ['all', 'rolling:25%', 'canary:1:5m', 'waves:1,10%,100%'],
}

/** The same by the command. */
const OWN_VALUES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  init: {
    '--format': ['ts', 'yaml'],
    '--recipe': ['node-app', 'python-app', 'static-site', 'procfile', 'binary', 'files'],
    '--hosts': [],
  },
  build: { '--format': ['tar.gz', 'tar.zst', 'zip', 'deb'] },
}

/** Arguments by the command. */
const ARGUMENTS: Readonly<Record<string, Asked | readonly string[]>> = {
  inspect: 'built',
  verify: 'built',
  plan: 'built',
  check: 'built',
  diff: 'built',
  release: 'built',
  rollback: 'verified',
  pin: 'released',
  unpin: 'released',
  run: 'task',
  completion: ['bash', 'zsh', 'fish'],
}

interface Flag extends Choice {
  readonly names: readonly string[]
  readonly long: string
  readonly takesValue: boolean
}

/** `words` are what stands behind "ship", the unfinished one last; bash splits `--name=value` and `db:migrate` into three. */
export function complete(words: readonly string[], commands: readonly Command[]): Completion {
  const found = completed(words, commands)
  const isSplit = words.slice(-2).includes(':')
  return { ...found, cut: isSplit ? found.word.lastIndexOf(':') + 1 : 0 }
}

function completed(words: readonly string[], commands: readonly Command[]): Omit<Completion, 'cut'> {
  const typed = joined(words)
  const current = typed.at(-1) ?? ''
  const before = typed.slice(0, -1)
  const known = commands.filter((command) => command.hidden !== true)
  const { command, flag, values, args } = read(before, known)
  const found = { prefix: '', choices: [], asked: undefined, ...values }
  const [, long = '', rest = ''] = /^(--[^=]+)=(.*)$/s.exec(current) ?? []
  if (flag !== undefined || long !== '') {
    // A shell that split the word at "=" wants what stands behind it.
    const prefix = long === '' || words.at(-2) === '=' || words.at(-1) === '=' ? '' : `${long}=`
    const list = listHead(long === '' ? current : rest)
    return { ...found, ...valuesOf(flag ?? long, command), word: list.word, prefix: `${prefix}${list.head}` }
  }
  if (current.startsWith('-')) return { ...found, word: current, choices: flagsOf(command) }
  if (!command || before.includes('help')) {
    const names = known.map(({ name, summary }): Choice => ({ value: name, about: summary }))
    return { ...found, word: current, choices: [...names, { value: 'help', about: 'show help for a command' }] }
  }
  const isFirst = args === 0 || (command.args?.[0]?.name.includes('...') ?? false)
  const own = isFirst ? ARGUMENTS[command.name] : undefined
  return { ...found, word: current, ...choicesOf(own) }
}

/** "a,b,w" completes the last of them. */
function listHead(word: string): { readonly head: string; readonly word: string } {
  const comma = word.lastIndexOf(',')
  return { head: word.slice(0, comma + 1), word: word.slice(comma + 1) }
}

function joined(words: readonly string[]): readonly string[] {
  const all: string[] = []
  for (const [i, word] of words.entries()) {
    const last = all.at(-1)
    const isOf = (sign: string): boolean => word === sign || words[i - 1] === sign
    const isPart = last !== undefined && ((isOf('=') && last.startsWith('--')) || isOf(':'))
    if (isPart) all[all.length - 1] = `${last}${word}`
    else all.push(word)
  }
  return all
}

interface Read {
  readonly command: Command | undefined
  /** Long name of the flag that the last word belongs to. */
  readonly flag: string | undefined
  readonly values: Pick<Completion, 'environment' | 'config' | 'cwd'>
  /** How many arguments the command has already. */
  readonly args: number
}

function read(before: readonly string[], commands: readonly Command[]): Read {
  let command: Command | undefined
  let flag: string | undefined
  let args = 0
  const given: Record<string, string> = {}
  for (const word of before) {
    if (flag !== undefined) {
      given[flag] = word
      flag = undefined
    } else if (word.startsWith('-')) {
      const [name = '', ...value] = word.split('=')
      const found = allFlags(command).find(({ names }) => names.includes(name))
      if (value.length > 0) given[found?.long ?? name] = value.join('=')
      else if (found?.takesValue === true) flag = found.long
    } else if (command) args += 1
    else command = commands.find(({ name }) => name === word)
  }
  const values = { environment: given['--environment'], config: given['--config'], cwd: given['--cwd'] }
  return { command, flag, values, args }
}

function valuesOf(flag: string, command: Command | undefined): Pick<Completion, 'choices' | 'asked'> {
  return choicesOf(OWN_VALUES[command?.name ?? '']?.[flag] ?? VALUES[flag])
}

function choicesOf(own: Asked | readonly string[] | undefined): Pick<Completion, 'choices' | 'asked'> {
  if (own === undefined) return { choices: [], asked: undefined }
  if (typeof own === 'string') return { choices: [], asked: own }
  return { choices: own.map((value) => ({ value, about: '' })), asked: undefined }
}

function flagsOf(command: Command | undefined): readonly Choice[] {
  return [...allFlags(command), flagOf({ flags: '-h, --help', summary: 'show help' })]
}

function allFlags(command: Command | undefined): readonly Flag[] {
  const everywhere = GLOBAL_OPTIONS.map(([flags, summary]): OptionSpec => ({ flags, summary }))
  return [...(command?.options ?? []), ...everywhere].map(flagOf)
}

function flagOf({ flags, summary }: OptionSpec): Flag {
  const names = flags.split(/[ ,]+/).filter((word) => word.startsWith('-'))
  const long = names.find((name) => name.startsWith('--')) ?? ''
  return { names, long, value: long, about: summary, takesValue: flags.includes('<') }
}

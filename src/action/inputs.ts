/** What a workflow gave the action. The runner sets `INPUT_<NAME>` for each input, "" for those that were left out. */
import { ShipError } from '../errors.ts'
import { parseKnownHosts } from '../ssh/known-hosts.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface Inputs {
  readonly command: string
  readonly environment: string | undefined
  readonly version: string | undefined
  readonly config: string | undefined
  readonly workingDirectory: string | undefined
  /** Further arguments, as words. */
  readonly args: readonly string[]
  /** Text of known_hosts lines. */
  readonly knownHosts: string | undefined
  readonly privateKey: string | undefined
  readonly passphrase: string | undefined
  /** For deployments on GitHub; without it none are made. */
  readonly token: string | undefined
  /** Where what was released is to be seen, for the deployment. */
  readonly environmentUrl: string | undefined
}

/** Inputs that are secrets, by their names in `action.yml`. */
export const SECRET_INPUTS = ['ssh-private-key', 'ssh-key-passphrase', 'token'] as const

/** Reads the inputs. Throws (reason `config`) what cannot be one, by its name. */
export function readInputs(env: Env): Inputs {
  const text = (name: string): string | undefined => inputOf(env, name)
  const command = text('command')
  if (command === undefined) {
    throw problem('command', 'is missing', 'write for example: command: release')
  }
  if (!/^[a-z]+$/.test(command)) throw problem('command', 'is one word; what follows it goes into "args"')
  for (const name of ['environment', 'version', 'config']) {
    if (text(name)?.startsWith('-')) throw problem(name, 'begins with "-"; options go into "args"')
  }
  const knownHosts = text('known-hosts')
  if (knownHosts !== undefined && parseKnownHosts(knownHosts, 'known-hosts').length === 0) {
    throw problem('known-hosts', 'holds no line of a known_hosts file', 'ship trust asks the hosts and shows the lines')
  }
  return {
    command,
    environment: text('environment'),
    version: text('version'),
    config: text('config'),
    workingDirectory: text('working-directory'),
    args: wordsOf(text('args') ?? ''),
    knownHosts,
    privateKey: text('ssh-private-key'),
    passphrase: text('ssh-key-passphrase'),
    token: text('token'),
    environmentUrl: urlOf(text('environment-url')),
  }
}

/** Undefined when it was left out. */
export function inputOf(env: Env, name: string): string | undefined {
  const value = env[variableOf(name)]?.trim()
  return value === '' ? undefined : value
}

/** The variable of an input: spaces become underscores, dashes stay. */
export function variableOf(name: string): string {
  return `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`
}

/** The words of ship's command line that the inputs mean. Nobody is asked: there is no terminal. */
export function argvOf(inputs: Inputs): readonly string[] {
  const { command, environment, version, config, workingDirectory, args } = inputs
  const flag = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`--${name}=${value}`]
  return [
    command,
    '--yes',
    ...flag('environment', environment),
    ...flag('config', config),
    ...flag('cwd', workingDirectory),
    // A build makes a version; all others are about one.
    ...(command === 'build' ? flag('version', version) : version === undefined ? [] : [version]),
    ...args,
  ]
}

/** Words as a shell tells them apart, with quotes; nothing else of a shell is known. */
function wordsOf(text: string): readonly string[] {
  const words: string[] = []
  for (const match of text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+|["']/g)) {
    const [word] = match
    if (word === '"' || word === "'") throw problem('args', `has a ${word} that is not closed`)
    words.push(word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_all, one?: string, two?: string) => one ?? two ?? ''))
  }
  return words
}

function urlOf(text: string | undefined): string | undefined {
  if (text !== undefined && !(URL.canParse(text) && /^https?:/.test(text)))
    throw problem('environment-url', 'is no http or https URL')
  return text
}

function problem(name: string, message: string, ...next: readonly string[]): ShipError {
  return new ShipError('config', `the input "${name}" ${message}`, { next })
}

/**
 * How the user's own `ssh` would reach a host: `ssh -G` resolves Include, Match, ProxyJump and the rest. Without an ssh program only
 * what the configuration says counts. Strictness is not asked about: host keys are always checked.
 */
import { homedir, hostname as localName, userInfo } from 'node:os'
import { join } from 'node:path'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { runLocal } from '../process.ts'
import { knownNames } from './known-hosts.ts'
import { NeedsOpenSsh } from './needs-openssh.ts'

/** What the configuration of ship says of a host; it wins over ssh's. */
export interface Target {
  readonly address: string
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly identityFile?: string | undefined
  /** Tried after those that ssh names: the target's identity, for its jump hosts. */
  readonly spareIdentityFile?: string | undefined
  readonly knownHosts?: string | undefined
  readonly proxyJump?: string | undefined
}

export interface SshOptions {
  readonly hostname: string
  readonly port: number
  readonly user: string
  /** Names to look up in known_hosts, see `verdict`. */
  readonly knownNames: readonly string[]
  readonly identityFiles: readonly string[]
  /** Only the named identities, not all that an agent has. */
  readonly identitiesOnly: boolean
  /** Socket of the agent; undefined: none. */
  readonly agent: string | undefined
  readonly knownHostsFiles: readonly string[]
  /** Jump hosts in order, as `user@host:port`. */
  readonly jumps: readonly string[]
  readonly connectTimeoutMs: number
}

type Env = Readonly<Record<string, string | undefined>>

/** The class of names that reach a program's argument list; a leading dash would be an option. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._:%@-]*$/
/** A word that is no option, without spaces and control characters. */
const RESOLVED = /^[^\s\p{C}-][^\s\p{C}]*$/u
const CONNECT_TIMEOUT_MS = 10_000
/** A timer cannot count to much more. */
const MAX_TIMEOUT_MS = 86_400_000
/** `Match exec` in the user's configuration may take its time. */
const SSH_TIMEOUT_MS = 30_000
/** Where there is no ssh to ask. */
const DEFAULT_IDENTITIES = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa']
const DEFAULT_KNOWN_HOSTS = '~/.ssh/known_hosts ~/.ssh/known_hosts2'
const GLOBAL_KNOWN_HOSTS = '/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2'

/** Resolves a target. `env.SHIP_SSH_CONFIG` names a configuration file instead of the user's. Rejects with reason `config`. */
export async function resolveOptions(target: Target, env: Env, signal: AbortSignal): Promise<SshOptions> {
  checkNames(target)
  const lines = await askSsh(target, env, signal)
  const all = (key: string): string[] => lines.filter((l) => l.key === key).map((l) => l.value)
  const one = (key: string): string | undefined => all(key)[0]
  const hostname = one('hostname') ?? target.address
  const port = target.port ?? Number(one('port') ?? 22)
  const user = target.user ?? one('user') ?? userInfo().username
  checkResolved({ hostname, port, user })
  const jump = target.proxyJump ?? one('proxyjump')
  if (jump === undefined) refuseProxyCommand(target, one('proxycommand'))
  const alias = one('hostkeyalias')
  const path = (text: string): string => expand(text, { hostname, port, user, address: target.address })
  return {
    hostname,
    port,
    user,
    knownNames: alias === undefined ? knownNames(hostname, port) : [alias.toLowerCase()],
    identityFiles: identityFiles(target, lines.length === 0 ? DEFAULT_IDENTITIES : all('identityfile')).map(path),
    identitiesOnly: target.identityFile !== undefined || one('identitiesonly') === 'yes',
    agent: agentOf(one('identityagent'), env, path),
    knownHostsFiles: knownHostsFiles(target, one('userknownhostsfile'), one('globalknownhostsfile')).map(path),
    jumps: jump === undefined || jump === 'none' ? [] : jump.split(','),
    connectTimeoutMs: timeoutOf(one('connecttimeout')),
  }
}

/** They reach the argument list of a program: a leading dash would be an option, and ssh hands them on to shells. */
export function checkNames({ address, user, port }: Target): void {
  for (const name of [address, ...(user === undefined ? [] : [user])]) {
    if (NAME.test(name)) continue
    throw new ShipError('config', `"${escapeControls(name)}" is not a host or user that ssh is called with`, {
      next: ['use letters, digits, ".", "_", "-" and ":"'],
    })
  }
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new ShipError('config', `"${port}" is not a port`)
  }
}

/** What ssh says goes into messages and to a library that believes it. */
function checkResolved({ hostname, port, user }: Pick<SshOptions, 'hostname' | 'port' | 'user'>): void {
  const words = Object.entries({ HostName: hostname, User: user }).filter(([, word]) => !RESOLVED.test(word))
  const wrong = port > 0 && port < 65_536 && Number.isInteger(port) ? words : [...words, ['Port', String(port)]]
  const [first] = wrong
  if (first === undefined) return
  const [name = '', word = ''] = first
  throw new ShipError('config', `ssh resolves ${name} to "${escapeControls(word)}", which is none`, {
    next: ['mend ~/.ssh/config; ssh -G HOST shows what it makes of it'],
  })
}

function refuseProxyCommand({ address }: Target, command: string | undefined): void {
  if (command === undefined || command === 'none') return
  throw new NeedsOpenSsh('config', `~/.ssh/config reaches "${address}" by ProxyCommand`, {
    message: `~/.ssh/config reaches "${address}" by ProxyCommand, which transport "sftp" does not know`,
    next: ['leave "transport" out or set it to "rsync": the system\'s ssh is used then', 'or use ProxyJump there'],
    details: [escapeControls(command)],
  })
}

function identityFiles(target: Target, fromSsh: readonly string[]): string[] {
  if (target.identityFile !== undefined) return [target.identityFile]
  return target.spareIdentityFile === undefined ? [...fromSsh] : [...fromSsh, target.spareIdentityFile]
}

/** `user@host:port` of a jump as a target of its own. It is verified by the same file, and may be opened by the same key. */
export function jumpTarget(text: string, { knownHosts, identityFile, spareIdentityFile }: Target): Target {
  const match = /^(?:ssh:\/\/)?(?:([^@]+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text)
  if (!match) {
    throw new ShipError('config', `"${escapeControls(text)}" is not a jump host`, { next: ['write user@host:port'] })
  }
  const [, user, host = '', port] = match
  return {
    address: host.replace(/^\[|\]$/g, ''),
    user,
    port: port === undefined ? undefined : Number(port),
    knownHosts,
    spareIdentityFile: identityFile ?? spareIdentityFile,
  }
}

interface Line {
  readonly key: string
  readonly value: string
}

async function askSsh(target: Target, env: Env, signal: AbortSignal): Promise<Line[]> {
  const config = env['SHIP_SSH_CONFIG']
  const flags = [
    ...(config === undefined ? [] : ['-F', config]),
    ...(target.port === undefined ? [] : ['-p', String(target.port)]),
    ...(target.user === undefined ? [] : ['-l', target.user]),
  ]
  let result
  try {
    result = await runLocal(['ssh', '-G', ...flags, '--', target.address], { signal, timeoutMs: SSH_TIMEOUT_MS })
  } catch (error) {
    // No ssh program: the configuration's own settings have to do.
    if (error instanceof ShipError && error.reason === 'build') return []
    throw error
  }
  if (result.code !== 0) {
    const said = result.stderr
      .trim()
      .split('\n')
      .map((line) => escapeControls(line))
    throw new ShipError('config', `ssh -G refused "${target.address}"`, {
      details: said,
      next: [`mend ${config ?? '~/.ssh/config'}`],
    })
  }
  return result.stdout.split('\n').flatMap((line) => {
    const space = line.indexOf(' ')
    return space < 0 ? [] : [{ key: line.slice(0, space).toLowerCase(), value: line.slice(space + 1) }]
  })
}

function agentOf(text: string | undefined, env: Env, path: (text: string) => string): string | undefined {
  if (text === 'none') return undefined
  const variable = text === undefined || text === 'SSH_AUTH_SOCK' ? 'SSH_AUTH_SOCK' : /^\$\{?(\w+)\}?$/.exec(text)?.[1]
  const socket = variable === undefined ? path(text ?? '') : env[variable]
  return socket === '' ? undefined : socket
}

function knownHostsFiles({ knownHosts }: Target, user: string | undefined, global: string | undefined): string[] {
  if (knownHosts !== undefined) return [knownHosts]
  const files = `${user ?? DEFAULT_KNOWN_HOSTS} ${global ?? GLOBAL_KNOWN_HOSTS}`.split(/\s+/)
  return files.filter((file) => file !== 'none' && file !== '')
}

function timeoutOf(text: string | undefined): number {
  const seconds = Number(text)
  return seconds > 0 ? Math.min(seconds * 1000, MAX_TIMEOUT_MS) : CONNECT_TIMEOUT_MS
}

interface TokenValues {
  readonly hostname: string
  readonly port: number
  readonly user: string
  readonly address: string
}

/** A path as ssh reads it: `~/` and the tokens of ssh_config(5) that are known without a connection. */
function expand(path: string, { hostname, port, user, address }: TokenValues): string {
  const full = path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
  if (!full.includes('%')) return full
  const tokens: Record<string, string> = {
    '%': '%',
    d: homedir(),
    h: hostname,
    l: localName(),
    n: address,
    p: String(port),
    r: user,
    u: userInfo().username,
  }
  return full.replaceAll(/%(.)/g, (token, letter: string) => tokens[letter] ?? token)
}

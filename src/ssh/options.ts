/**
 * How the user's own `ssh` would reach a host: `ssh -G` resolves Include, Match, ProxyJump and the rest. Without an ssh program only
 * what the configuration says counts. Strictness is not asked about: host keys are always checked.
 */
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { runLocal } from '../process.ts'

/** What the configuration of ship says of a host; it wins over ssh's. */
export interface Target {
  readonly address: string
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly identityFile?: string | undefined
  readonly knownHosts?: string | undefined
  readonly proxyJump?: string | undefined
}

export interface SshOptions {
  readonly hostname: string
  readonly port: number
  readonly user: string
  /** Name to look up in known_hosts. */
  readonly keyAlias: string
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
const CONNECT_TIMEOUT_MS = 10_000

/** Resolves a target. `env.SHIP_SSH_CONFIG` names a configuration file instead of the user's. */
export async function resolveOptions(target: Target, env: Env, signal: AbortSignal): Promise<SshOptions> {
  for (const name of [target.address, ...(target.user === undefined ? [] : [target.user])]) {
    if (!NAME.test(name))
      throw new ShipError('config', `"${escapeControls(name)}" is not a host or user that ssh is called with`)
  }
  const lines = await askSsh(target, env, signal)
  const all = (key: string): string[] => lines.filter((l) => l.key === key).map((l) => l.value)
  const one = (key: string): string | undefined => all(key)[0]
  const hostname = one('hostname') ?? target.address
  const jump = target.proxyJump ?? one('proxyjump')
  const agent = agentOf(one('identityagent'), env)
  return {
    hostname,
    port: target.port ?? Number(one('port') ?? 22),
    user: target.user ?? one('user') ?? userInfo().username,
    keyAlias: one('hostkeyalias') ?? hostname,
    identityFiles: target.identityFile === undefined ? all('identityfile').map(expandHome) : [target.identityFile],
    identitiesOnly: target.identityFile !== undefined || one('identitiesonly') === 'yes',
    agent,
    knownHostsFiles:
      target.knownHosts === undefined
        ? knownHostsFiles(one('userknownhostsfile'), one('globalknownhostsfile'))
        : [target.knownHosts],
    jumps: jump === undefined || jump === 'none' ? [] : jump.split(','),
    connectTimeoutMs: timeoutOf(one('connecttimeout')),
  }
}

/** `user@host:port` of a jump as a target of its own. */
export function jumpTarget(text: string, knownHosts: string | undefined): Target {
  const match = /^(?:ssh:\/\/)?(?:([^@]+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text)
  if (!match)
    throw new ShipError('config', `"${escapeControls(text)}" is not a jump host`, { next: ['write user@host:port'] })
  const [, user, host = '', port] = match
  return {
    address: host.replace(/^\[|\]$/g, ''),
    user,
    port: port === undefined ? undefined : Number(port),
    knownHosts,
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
    result = await runLocal(['ssh', '-G', ...flags, '--', target.address], { signal, timeoutMs: 10_000 })
  } catch (error) {
    // No ssh program: the configuration's own settings have to do.
    if (error instanceof ShipError && error.reason === 'build') return []
    throw error
  }
  if (result.code !== 0) {
    const said = escapeControls(result.stderr.trim().split('\n').at(-1) ?? '')
    throw new ShipError('config', `ssh -G refused "${target.address}": ${said}`, { next: ['mend ~/.ssh/config'] })
  }
  return result.stdout.split('\n').flatMap((line) => {
    const space = line.indexOf(' ')
    return space < 0 ? [] : [{ key: line.slice(0, space).toLowerCase(), value: line.slice(space + 1) }]
  })
}

function agentOf(identityAgent: string | undefined, env: Env): string | undefined {
  if (identityAgent === 'none') return undefined
  const socket =
    identityAgent === undefined || identityAgent === 'SSH_AUTH_SOCK' ? env['SSH_AUTH_SOCK'] : expandHome(identityAgent)
  return socket === '' ? undefined : socket
}

function knownHostsFiles(user: string | undefined, global: string | undefined): string[] {
  const fallback = [join(homedir(), '.ssh', 'known_hosts')]
  if (user === undefined) return [...fallback, '/etc/ssh/ssh_known_hosts']
  return [...user.split(/\s+/), ...(global?.split(/\s+/) ?? [])].filter((f) => f !== 'none').map(expandHome)
}

function timeoutOf(text: string | undefined): number {
  const seconds = Number(text)
  return seconds > 0 ? seconds * 1000 : CONNECT_TIMEOUT_MS
}

function expandHome(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
}

/** The public `connect` and `local`: a machine by its address, as the user's own `ssh` reaches it, and this one. */
import { expandHosts } from '../config/inventory.ts'
import { ShipError } from '../errors.ts'
import type { CommandOptions, Machine } from '../machine.ts'
import { parseHostName } from '../names.ts'
import { openTransport } from '../transport/index.ts'
import { localFolder } from '../transport/local.ts'
import { machineOver } from './over-transport.ts'

/** What is not given comes from ~/.ssh/config, the agent and known_hosts, as for `ssh`. */
export interface ConnectOptions {
  readonly user?: string | undefined
  readonly port?: number | undefined
  /** A private key, instead of those that ssh would offer. */
  readonly identityFile?: string | undefined
  /** A file of host keys, instead of the user's. */
  readonly knownHosts?: string | undefined
  /** The host's keys: "ssh-ed25519 AAAA..." or "SHA256:...". With them no file is asked. */
  readonly hostKey?: string | readonly string[] | undefined
  readonly proxyJump?: string | undefined
  /** Aborting gives up connecting, and later ends the commands that have no signal of their own. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Connects to `user@host:port`, a host or an alias of ~/.ssh/config. Rejects with a ShipError of reason `config` (no such address),
 * `unreachable`, `auth` or `host-key`: an unknown or changed host key is refused, always.
 */
export async function connect(target: string, options: ConnectOptions = {}): Promise<Machine> {
  const { signal = new AbortController().signal, hostKey, ...rest } = options
  const key = hostKey === undefined || typeof hostKey === 'string' ? hostKey : [...hostKey]
  const entry = { host: target, roles: [], labels: {}, env: {}, ...rest, hostKey: key }
  const hosts = await expandHosts([entry], {
    deployTo: '/nowhere/ship',
    transport: 'auto',
    knownHosts: undefined,
    projectDir: process.cwd(),
  })
  const [host, second] = hosts
  if (!host || second) throw new ShipError('usage', `"${target}" is ${hosts.length} hosts; connect to one at a time`)
  return machineOver(await openTransport(host, { signal }), target, { signal })
}

/** This machine, by the same interface: nothing to connect to, nothing to close. `defaults` are options of its commands. */
export function local(defaults: CommandOptions = {}): Machine {
  const host = {
    roles: [],
    labels: {},
    env: {},
    address: 'local',
    deployTo: '/nowhere/ship',
    transport: 'local',
  } as const
  return machineOver(localFolder({ ...host, name: parseHostName('local') }), 'local', defaults)
}

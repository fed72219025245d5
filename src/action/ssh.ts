/**
 * How hosts are reached from a runner: by the key of the inputs, and only when their keys are those of the input `known-hosts` or pinned in
 * the configuration. What the machine has learned by itself does not count.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ShipError } from '../errors.ts'
import { parseKey } from '../ssh/keys.ts'
import { startAgent } from './agent.ts'
import type { Inputs } from './inputs.ts'

type Env = Readonly<Record<string, string | undefined>>

/** A socket has room for 107 bytes of path on Linux, 103 on macOS. */
const MAX_SOCKET_PATH = 103

export interface SshPlace {
  /** For the environment of ship. */
  readonly variables: Readonly<Record<string, string>>
  dispose(): void
}

/** Throws (reason `config`) when the key is none. Files hold what anybody may know; they are gone after `dispose`. */
export async function prepareSsh({ privateKey, passphrase, knownHosts }: Inputs, env: Env): Promise<SshPlace> {
  const key = privateKey === undefined ? undefined : parseKey(privateKey, passphrase)
  if (typeof key === 'string') {
    throw new ShipError(
      'config',
      `the input "ssh-private-key" ${key.replaceAll('SHIP_KEY_PASSPHRASE', 'the input "ssh-key-passphrase"')}`,
    )
  }
  const folder = privateFolder(env)
  const dispose = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    const known = join(folder, 'known_hosts')
    const config = join(folder, 'ssh_config')
    const socket = join(folder, 'agent')
    if (key) await startAgent(socket, key)
    const text = knownHosts === undefined ? '' : `${knownHosts.replaceAll('\r\n', '\n')}\n`
    writeFileSync(known, text, { mode: 0o600 })
    writeFileSync(config, configText(known, key ? socket : undefined, env), { mode: 0o600 })
    return { variables: { SHIP_SSH_CONFIG: config, ...(key ? { SSH_AUTH_SOCK: socket } : {}) }, dispose }
  } catch (error) {
    dispose()
    throw error
  }
}

/** Made with mode 0700. */
function privateFolder(env: Env): string {
  const wanted = env['RUNNER_TEMP'] || tmpdir()
  // What `ssh -G` says of a path with a space cannot be told from two paths.
  const fits = join(wanted, 'ship-xxxxxx', 'agent').length <= MAX_SOCKET_PATH && !/\s/.test(wanted)
  return mkdtempSync(join(fits ? wanted : tmpdir(), 'ship-'))
}

/** The first value counts for ssh: the machine's own configuration may add, and not loosen. */
function configText(known: string, socket: string | undefined, env: Env): string {
  return [
    'Host *',
    `UserKnownHostsFile "${known}"`,
    'GlobalKnownHostsFile none',
    'StrictHostKeyChecking yes',
    ...(socket === undefined ? [] : [`IdentityAgent "${socket}"`]),
    `Include "${env['SHIP_SSH_CONFIG'] || join(homedir(), '.ssh/config')}"`,
    '',
  ].join('\n')
}

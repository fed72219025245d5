/** Several real sshd, each with a key and a folder of its own, and one client key that may log in to all. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey } from './keys.ts'
import { startSshd, type Sshd, type SshdOptions } from './sshd.ts'

export interface FleetHost {
  /** `web1`, `web2`, ... */
  readonly name: string
  readonly address: string
  readonly port: number
  readonly user: string
  /** Folder of this host alone, to deploy to. */
  readonly root: string
  readonly sshd: Sshd
}

export interface Fleet {
  readonly hosts: readonly FleetHost[]
  /** Folder of all of it, removed by `dispose`. */
  readonly dir: string
  readonly keyFile: string
  readonly knownHostsFile: string
  /** For `SHIP_SSH_CONFIG` and `ssh -F`: knows the hosts by name, the key and the known keys; uses no agent. */
  readonly sshConfigFile: string
  /** Writes the host keys of now, after a host got new ones. */
  learnHostKeys(): void
  dispose(): Promise<void>
}

export interface FleetOptions {
  /** Where to put it; default: a new temporary folder. */
  readonly dir?: string
  readonly hostKeyTypes?: SshdOptions['hostKeyTypes']
  /** Further lines of sshd_config. */
  readonly config?: readonly string[] | ((index: number) => readonly string[])
}

export async function startFleet(size: number, options: FleetOptions = {}): Promise<Fleet> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'ship-fleet-'))
  mkdirSync(dir, { recursive: true })
  const { file: keyFile, publicKey } = generateKey(join(dir, 'id_ed25519'))
  const knownHostsFile = join(dir, 'known_hosts')
  const sshConfigFile = join(dir, 'ssh_config')

  const started = await Promise.allSettled(
    Array.from({ length: size }, async (_, index): Promise<FleetHost> => {
      const name = `web${index + 1}`
      const root = join(dir, name, 'root')
      mkdirSync(root, { recursive: true })
      const { hostKeyTypes } = options
      // Told that it is no first shell, bash leaves out a .bashrc that may take longer than all of ship's own work.
      // Of several SetEnv lines sshd takes the first.
      const own = typeof options.config === 'function' ? options.config(index) : (options.config ?? [])
      const config = [...own, 'SetEnv SHLVL=2']
      const sshd = await startSshd({ dir: join(dir, name, 'sshd'), authorizedKeys: [publicKey], hostKeyTypes, config })
      const { address, port, user } = sshd
      return { name, address, port, user, root, sshd }
    }),
  )
  const hosts = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const dispose = async (): Promise<void> => {
    await Promise.all(hosts.map(({ sshd }) => sshd.stop()))
    rmSync(dir, { recursive: true, force: true })
  }
  const failed = started.find((one) => one.status === 'rejected')
  if (failed) {
    await dispose()
    throw failed.reason
  }
  const learnHostKeys = (): void => {
    writeFileSync(knownHostsFile, hosts.map(({ sshd }) => sshd.knownHosts()).join(''))
  }
  learnHostKeys()
  writeFileSync(sshConfigFile, sshConfig(hosts, keyFile, knownHostsFile))
  return { hosts, dir, keyFile, knownHostsFile, sshConfigFile, learnHostKeys, dispose }
}

function sshConfig(hosts: readonly FleetHost[], keyFile: string, knownHostsFile: string): string {
  const aliases = hosts.map(({ name, address, port, user }) =>
    [`Host ${name}`, `  HostName ${address}`, `  Port ${port}`, `  User ${user}`].join('\n'),
  )
  const all = [
    'Host *',
    `  IdentityFile ${keyFile}`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    `  UserKnownHostsFile ${knownHostsFile}`,
    '  GlobalKnownHostsFile none',
  ].join('\n')
  return `${[...aliases, all].join('\n')}\n`
}

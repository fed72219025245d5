/**
 * Hosts that are not as one expects: real sshd, or dropbear, each with users of its own by a mount namespace, so that the login shell, the
 * start-up files and the programs of a host are what a test wants, and nothing of this machine is changed.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey } from '../support/keys.ts'
import { startSshd } from '../support/sshd.ts'
import { startDropbear } from './dropbear.ts'

/** Name and number of the user that releases; it exists on these hosts alone. */
const USER = 'deploy'
const UID = 4242

export interface Strangeness {
  /** Login shell; default dash. */
  readonly shell?: string
  /** Start-up files in the user's home. */
  readonly files?: Readonly<Record<string, string>>
  /** Environment of what a login runs. */
  readonly env?: Readonly<Record<string, string>>
  /** Further lines of sshd_config. */
  readonly config?: readonly string[]
  /** The only programs it has, by name; default: those of this machine. */
  readonly programs?: readonly string[]
  /** BusyBox is the login shell, and all that there is of programs. */
  readonly busybox?: true
  /** Makes what deployTo lies on; resolves to what ship is told. `root` belongs to the user and is empty. */
  readonly place?: (root: string, host: StrangeMaking) => string
  readonly server?: 'dropbear'
}

interface StrangeMaking {
  /** Folder of the user on another part of the disk. */
  readonly home: string
  readonly mount: (dir: string) => void
  readonly own: (path: string) => void
}

export interface StrangeHost {
  readonly name: string
  /** As ship is told. */
  readonly deployTo: string
  readonly home: string
  /** Gives a path to the user of the host. */
  readonly own: (path: string) => void
  /** Takes a program away from a host that has its own, or gives it one. */
  take(program: string): void
  give(program: string): void
}

export interface StrangeHosts {
  readonly dir: string
  readonly sshConfigFile: string
  readonly hosts: readonly StrangeHost[]
  dispose(): Promise<void>
}

/** Undefined where such hosts can be made, else what is missing. */
export function whyNoStrangers(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root: hosts with users of their own'
  const lacking = ['/usr/bin/zsh', '/usr/bin/fish', '/usr/bin/tcsh', '/usr/sbin/dropbear', FAKETIME].filter(
    (file) => !existsSync(file),
  )
  return lacking.length === 0 ? undefined : `${lacking.join(', ')} missing`
}

const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'

/** The clock of all programs of a host. */
export function clock(offset: string): Strangeness {
  return { env: { LD_PRELOAD: FAKETIME, FAKETIME: offset } }
}

/** Becomes a program that sees other users. What is unmounted outside is unmounted for it as well. Arguments: file of users, the command. */
const OWN_USERS = 'mount --bind "$1" /etc/passwd || exit 1; shift; exec "$@"'

/** What all hosts of one test share. */
interface Ground {
  readonly dir: string
  readonly publicKey: string
  readonly stops: (() => Promise<void>)[]
  readonly mount: (at: string) => void
}

interface Started {
  readonly host: StrangeHost
  /** Of the configuration of `ssh`, and of known_hosts. */
  readonly alias: string
  readonly known: string
}

const own = (path: string): void => chownSync(path, UID, UID)

export async function startStrangers(kinds: Readonly<Record<string, Strangeness>>): Promise<StrangeHosts> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-strange-'))
  chmodSync(dir, 0o755)
  const { file: keyFile, publicKey } = generateKey(join(dir, 'id_ed25519'))
  const stops: (() => Promise<void>)[] = []
  const mounts: string[] = []
  const mount = (at: string): void => {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', at])
    mounts.push(at)
  }
  const dispose = async (): Promise<void> => {
    await Promise.all(stops.map((stop) => stop()))
    for (const at of mounts.toReversed()) execFileSync('umount', ['-l', at])
    rmSync(dir, { recursive: true, force: true })
  }
  const ground = { dir, publicKey, stops, mount }
  const results = await Promise.allSettled(Object.entries(kinds).map(([name, kind]) => startOne(name, kind, ground)))
  const failed = results.find((one) => one.status === 'rejected')
  if (failed) {
    await dispose()
    throw failed.reason
  }
  const started = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  writeFileSync(join(dir, 'known_hosts'), started.map(({ known }) => known).join(''))
  const all = [
    'Host *',
    `  IdentityFile ${keyFile}`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    `  UserKnownHostsFile ${join(dir, 'known_hosts')}`,
    '  GlobalKnownHostsFile none',
  ]
  const sshConfigFile = join(dir, 'ssh_config')
  writeFileSync(sshConfigFile, `${started.map(({ alias }) => alias).join('')}${all.join('\n')}\n`)
  return { dir, sshConfigFile, hosts: started.map(({ host }) => host), dispose }
}

async function startOne(name: string, kind: Strangeness, { dir, publicKey, stops, mount }: Ground): Promise<Started> {
  const [home, root, bin, users] = [
    join(dir, name, 'home'),
    join(dir, name, 'root'),
    join(dir, name, 'bin'),
    join(dir, name, 'passwd'),
  ]
  for (const path of [home, root]) {
    mkdirSync(path, { recursive: true })
    own(path)
  }
  for (const [file, text] of Object.entries(kind.files ?? {})) {
    mkdirSync(join(home, file, '..'), { recursive: true })
    writeFileSync(join(home, file), text)
  }
  const shell = kind.busybox ? join(bin, 'ash') : (kind.shell ?? '/bin/dash')
  const others = 'root:x:0:0:root:/root:/bin/bash\nsshd:x:102:65534::/run/sshd:/usr/sbin/nologin\n'
  writeFileSync(users, `${others}${USER}:*:${UID}:${UID}::${home}:${shell}\n`)
  const deployTo = kind.place?.(root, { home, mount, own }) ?? join(root, 'shop')
  const settings = Object.entries({ ...kind.env, ...pathOf(bin, kind) }).map(([key, value]) => `${key}=${value}`)
  const config = [...(kind.config ?? []), ...(settings.length === 0 ? [] : [`SetEnv ${settings.join(' ')}`])]
  const through = ['unshare', '--mount', '--propagation', 'slave', 'sh', '-c', OWN_USERS, 'sh', users]
  const options = { dir: join(dir, name, 'sshd'), authorizedKeys: [publicKey], config, user: USER, through }
  const server =
    kind.server === 'dropbear' ? await startDropbear({ ...options, home, uid: UID }) : await startSshd(options)
  stops.push(() => server.stop())
  const take = (program: string): void => rmSync(join(bin, program))
  const give = (program: string): void => linkProgram(bin, program)
  return {
    host: { name, deployTo, home, own, take, give },
    alias: `Host ${name}\n  HostName ${server.address}\n  Port ${server.port}\n  User ${USER}\n`,
    known: server.knownHosts(),
  }
}

/** A folder with links to the programs of a host and to no others. */
function pathOf(folder: string, { programs, busybox }: Strangeness): Readonly<Record<string, string>> {
  if (programs === undefined && busybox !== true) return {}
  mkdirSync(folder, { recursive: true })
  if (busybox) execFileSync('busybox', ['--install', '-s', folder])
  for (const program of programs ?? []) linkProgram(folder, program)
  return { PATH: folder }
}

function linkProgram(folder: string, program: string): void {
  const found = ['/usr/bin', '/bin', '/usr/sbin'].map((at) => join(at, program)).find((file) => existsSync(file))
  if (found === undefined) throw new Error(`this machine has no "${program}"`)
  symlinkSync(found, join(folder, program))
}

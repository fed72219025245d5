/**
 * Where it happens: one real sshd as the host behind the link, another one that serves the git repository of this side to that host
 * through a second relay, and an environment in which every program finds the host as "web1" by its own `ssh`.
 */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostDisk } from './disk.ts'
import { startFleet, type Fleet, type FleetHost } from '../../test/support/fleet.ts'
import { startRelay, type Relay, type RelayOptions } from '../../test/hosts/relay.ts'

export interface Traffic {
  /** Bytes to and from the host. */
  readonly up: number
  readonly down: number
  readonly connections: number
}

interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** With all variables of this process instead of the few of a clean one: for set-up that needs a registry. */
  readonly asUser?: boolean
}

export interface Place {
  /** Removed at the end. */
  readonly dir: string
  /** `ssh -F` of this side: knows web1, through the link. */
  readonly sshConfigFile: string
  /** `ssh -F` of the host: knows "source", this side, through the link. */
  readonly hostSshConfigFile: string
  /** First on the PATH of measured programs. */
  readonly bin: string
  readonly user: string
  /** Folder of the host. */
  readonly root: string
  /** What the host's files lie on. */
  readonly disk: string
  /** Resolves with stdout; rejects with the end of the output when the exit code is not 0, or when the bench is ended. */
  run(argv: readonly string[], options?: RunOptions): Promise<string>
  traffic(): Traffic
  reset(): void
  dispose(): Promise<void>
}

const LONGEST_MS = 900_000

export async function makePlace(dir: string, options: RelayOptions, signal: AbortSignal): Promise<Place> {
  const disk = hostDisk(join(dir, 'host'))
  const fleet = await startFleet(2, { dir: join(dir, 'host/fleet') }).catch((error: unknown) => {
    disk.dispose()
    throw error
  })
  const links: Relay[] = []
  const dispose = async (): Promise<void> => {
    await Promise.all(links.map((link) => link.close()))
    await fleet.dispose()
    disk.dispose()
  }
  try {
    const [web, source] = fleet.hosts
    if (!web || !source) throw new Error('no host')
    const line = await startRelay(web, options)
    links.push(line)
    const back = await startRelay(source, options)
    links.push(back)
    const sshConfigFile = sshConfig(join(dir, 'ssh'), { fleet, alias: 'web1', host: web, link: line })
    const hostSshConfigFile = sshConfig(join(dir, 'ssh-of-host'), { fleet, alias: 'source', host: source, link: back })
    const bin = join(dir, 'bin')
    mkdirSync(bin)
    // Programs that know no -F, as if this were the user's own configuration.
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F ${sshConfigFile} "$@"\n`)
    chmodSync(join(bin, 'ssh'), 0o755)
    symlinkSync(process.execPath, join(bin, 'node'))
    const env = cleanEnvironment(dir, bin)
    return {
      dir,
      sshConfigFile,
      hostSshConfigFile,
      bin,
      user: web.user,
      root: web.root,
      disk: disk.summary,
      run: (argv, more = {}) =>
        runProgram(argv, { cwd: more.cwd ?? dir, env: { ...(more.asUser ? process.env : env), ...more.env }, signal }),
      // What the host fetches from this side goes to the host too.
      traffic: () => added(line.counted(), back.counted()),
      reset: () => (line.reset(), back.reset()),
      dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

function added(line: Traffic, back: Traffic): Traffic {
  return {
    up: line.up + back.down,
    down: line.down + back.up,
    connections: line.connections + back.connections,
  }
}

interface Alias {
  readonly fleet: Fleet
  readonly alias: string
  readonly host: FleetHost
  readonly link: Relay
}

function sshConfig(base: string, { fleet, alias, host, link }: Alias): string {
  const keys = host.sshd.hostKeys.map((key) => `[127.0.0.1]:${link.port} ${key}\n`)
  writeFileSync(`${base}.known`, keys.join(''))
  const lines = [
    `Host ${alias}`,
    '  HostName 127.0.0.1',
    `  Port ${link.port}`,
    `  User ${host.user}`,
    `  IdentityFile ${fleet.keyFile}`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    '  StrictHostKeyChecking yes',
    `  UserKnownHostsFile ${base}.known`,
    '  GlobalKnownHostsFile /dev/null',
    '',
  ]
  writeFileSync(`${base}.config`, lines.join('\n'))
  return `${base}.config`
}

/** A home of its own: nothing of the user's settings, and nothing left in the user's folders. */
function cleanEnvironment(dir: string, bin: string): Record<string, string> {
  const [home, temporary] = [join(dir, 'home'), join(dir, 'tmp')]
  mkdirSync(home)
  mkdirSync(temporary)
  const PATH = `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`
  return { PATH, HOME: home, TMPDIR: temporary, LANG: 'C.UTF-8', NO_COLOR: '1' }
}

interface ProgramOptions {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal
}

/** In a process group of its own, which ends as a whole when the bench does. Resolves when the program itself is gone. */
async function runProgram(argv: readonly string[], { cwd, env, signal }: ProgramOptions): Promise<string> {
  signal.throwIfAborted()
  const [file = '', ...args] = argv
  const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  const both: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => void (output.push(chunk), both.push(chunk)))
  child.stderr.on('data', (chunk: Buffer) => void both.push(chunk))
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
  const timer = setTimeout(kill, LONGEST_MS)
  signal.addEventListener('abort', kill)
  try {
    const closed = new Promise((resolve) => child.once('close', resolve))
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', resolve)
    })
    // All that it said is wanted for the answer, and a daemon that it left behind may hold the pipes open.
    await Promise.race([closed, sleep(code === 0 ? 20 : 500)])
    signal.throwIfAborted()
    if (code === 0) return Buffer.concat(output).toString()
    throw new Error(`${argv.join(' ')}: exit code ${code}\n${Buffer.concat(both).toString().slice(-4000)}`)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', kill)
  }
}

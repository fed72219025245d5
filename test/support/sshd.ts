/**
 * A real sshd on a loopback address of its own, without PAM, for the user who runs the tests. Ends only processes that it started:
 * its listener, and what descends from it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from 'vitest'
import { generateKey, type KeyType } from './keys.ts'

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'].find((path) => existsSync(path))

/** For what needs a server: skipped, and counted as such, where none can be started. */
export const describeOverSsh = describe.skipIf(SSHD === undefined)

const SSHD_PORT = 2222

export interface SshdOptions {
  /** Existing empty folder for keys, configuration and log. */
  readonly dir: string
  /** Public keys that may log in, as lines. */
  readonly authorizedKeys: readonly string[]
  /** Default: one ed25519 key. */
  readonly hostKeyTypes?: readonly KeyType[]
  /** Further lines of sshd_config; they come first, so they win. */
  readonly config?: readonly string[]
  /** Default: a free one. */
  readonly address?: string
  /** Who logs in; default: who runs the tests. */
  readonly user?: string
  /** A program with arguments that becomes sshd, whose command line follows. */
  readonly through?: readonly string[]
}

export interface Sshd {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly dir: string
  /** Public host keys, "ssh-ed25519 AAAA...". */
  readonly hostKeys: readonly string[]
  /** Lines for known_hosts. */
  knownHosts(): string
  /** What sshd wrote so far. */
  log(): string
  /** How many processes of connections there are, what they run included. */
  processes(): number
  /** Cuts the connections that are open, with all they run; new ones are accepted. */
  cut(): Promise<void>
  /** Stops the processes of open connections, or the listener as well: what is sent gets no answer, and nothing is closed. */
  freeze(which: 'connections' | 'everything'): void
  /** They go on. */
  thaw(): void
  /** Stops accepting; connections that are open go on. */
  refuse(): Promise<void>
  /** Ends all of it, at once. */
  kill(): Promise<void>
  /** The same as `kill`, for the end of a test. */
  stop(): Promise<void>
  /** Starts again at the same address with the same keys, or with new host keys. */
  restart(options?: { readonly newHostKeys?: boolean; readonly config?: readonly string[] }): Promise<void>
}

/** Starts a server; resolves when it accepts connections. */
export async function startSshd(options: SshdOptions): Promise<Sshd> {
  const { dir } = options
  mkdirSync(dir, { recursive: true })
  const types = options.hostKeyTypes ?? ['ed25519']
  const makeKeys = (): string[] => types.map((type) => generateKey(join(dir, `host_${type}`), { type }).publicKey)
  let hostKeys = makeKeys()
  let extra = options.config ?? []
  writeFileSync(join(dir, 'authorized_keys'), `${options.authorizedKeys.join('\n')}\n`)
  // Needed by a server of root; a plain user's server does without.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })

  const run: Running = { child: undefined, log: '', frozen: [] }
  const address = await listen(run, options, (at) => configOf({ dir, address: at, types, extra }))
  const kill = (): Promise<void> => endAll(run, 'everything')
  return {
    address,
    port: SSHD_PORT,
    user: options.user ?? userInfo().username,
    dir,
    get hostKeys() {
      return hostKeys
    },
    knownHosts: () => hostKeys.map((key) => `[${address}]:${SSHD_PORT} ${key}\n`).join(''),
    log: () => run.log,
    processes: () => (run.child?.pid === undefined ? 0 : descendants(run.child.pid).length),
    cut: () => endAll(run, 'connections'),
    freeze(which) {
      const pid = run.child?.pid
      if (pid === undefined) return
      run.frozen = which === 'connections' ? descendants(pid) : [pid, ...descendants(pid)]
      signalAll(run.frozen, 'SIGSTOP')
    },
    thaw() {
      signalAll(run.frozen, 'SIGCONT')
      run.frozen = []
    },
    refuse: () => endAll(run, 'listener'),
    kill,
    stop: kill,
    async restart({ newHostKeys = false, config } = {}) {
      await kill()
      if (newHostKeys) hostKeys = makeKeys()
      extra = config ?? extra
      await listen(run, { ...options, address }, (at) => configOf({ dir, address: at, types, extra }))
    },
  }
}

interface Running {
  child: ChildProcess | undefined
  log: string
  frozen: readonly number[]
}

interface ConfigParts {
  readonly dir: string
  readonly address: string
  readonly types: readonly KeyType[]
  readonly extra: readonly string[]
}

function configOf({ dir, address, types, extra }: ConfigParts): string {
  return [
    ...extra,
    `ListenAddress ${address}`,
    `Port ${SSHD_PORT}`,
    ...types.map((type) => `HostKey ${join(dir, `host_${type}`)}`),
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'PrintMotd no',
    'MaxStartups 200',
    'LogLevel VERBOSE',
    'Subsystem sftp internal-sftp',
    '',
  ].join('\n')
}

/** Tries addresses until one is free: test files run side by side. */
async function listen(run: Running, options: SshdOptions, config: (address: string) => string): Promise<string> {
  const tries = options.address === undefined ? freeAddresses() : Array<string>(40).fill(options.address)
  let refused = ''
  for (const address of tries) {
    const file = join(options.dir, 'sshd_config')
    writeFileSync(file, config(address))
    const started = await start(run, file, options.through)
    if (started === undefined) return address
    refused = started
    if (!/address already in use/i.test(refused)) break
    // The same address may still be held by what was killed a moment ago.
    if (options.address !== undefined) await sleep(50)
  }
  throw new Error(`sshd did not start: ${refused}`)
}

let next = (process.pid * 131) % 64_000

function* freeAddresses(): Generator<string> {
  for (let tries = 0; tries < 200; tries++) {
    next = (next + 1) % 64_000
    yield `127.77.${Math.floor(next / 250)}.${(next % 250) + 2}`
  }
}

/** A test that dies leaves no server behind. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Undefined when it listens, or what it said before it ended. */
function start(run: Running, config: string, through: readonly string[] = []): Promise<string | undefined> {
  if (SSHD === undefined) throw new Error('there is no sshd: install openssh-server')
  const command = [...through, SSHD, '-D', '-e', '-f', config]
  const child = spawn(command[0] ?? SSHD, command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] })
  run.child = child
  running.add(child)
  child.once('exit', () => running.delete(child))
  let said = ''
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => resolve(said))
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      run.log += chunk.toString()
      if (/Server listening on/.test(said)) resolve(undefined)
    })
  })
}

async function endAll(run: Running, which: 'everything' | 'connections' | 'listener'): Promise<void> {
  const { child } = run
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  // Collected first: those whose parent dies belong to init from then on.
  const connections = which === 'listener' ? [] : descendants(child.pid)
  if (which === 'connections') return signalAll(connections, 'SIGKILL')
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  signalAll(connections, 'SIGKILL')
  await gone
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // It ended by itself.
    }
  }
}

/** Processes that descend from one, from /proc. */
function descendants(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const parent = Number(/^\d+ \(.*\) \S (\d+) /s.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      continue
    }
  }
  const all: number[] = []
  const visit = (of: number): void => {
    for (const child of children.get(of) ?? []) {
      all.push(child)
      visit(child)
    }
  }
  visit(pid)
  return all
}

/** A real dropbear on a loopback address of its own: an SSH server that is not OpenSSH, as on routers and small boards. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface DropbearOptions {
  /** Folder for its key. */
  readonly dir: string
  readonly authorizedKeys: readonly string[]
  /** Home of the user, which dropbear insists belongs to nobody else. */
  readonly home: string
  readonly uid: number
  /** A program with arguments that becomes dropbear. */
  readonly through: readonly string[]
}

export interface Dropbear {
  readonly address: string
  readonly port: number
  knownHosts(): string
  stop(): Promise<void>
}

const PORT = 2223

export async function startDropbear({ dir, authorizedKeys, home, uid, through }: DropbearOptions): Promise<Dropbear> {
  mkdirSync(dir, { recursive: true })
  const key = join(dir, 'host_key')
  const made = execFileSync('dropbearkey', ['-t', 'ed25519', '-f', key], { stdio: ['ignore', 'pipe', 'ignore'] })
  const publicKey = /^ssh-ed25519 \S+/m.exec(made.toString())?.[0] ?? ''
  const keys = join(home, '.ssh')
  mkdirSync(keys, { recursive: true })
  writeFileSync(join(keys, 'authorized_keys'), `${authorizedKeys.join('\n')}\n`)
  for (const path of [keys, join(keys, 'authorized_keys')]) {
    chownSync(path, uid, uid)
    chmodSync(path, 0o700)
  }
  const { address, child } = await listen(through, ['-F', '-E', '-s', '-r', key, '-P', join(dir, 'pid')])
  return {
    address,
    port: PORT,
    knownHosts: () => `[${address}]:${PORT} ${publicKey}\n`,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      if (child.exitCode === null) await gone
    },
  }
}

let next = (process.pid * 131) % 60_000

/** In the foreground, on the first address that is free: test files run side by side. */
async function listen(
  through: readonly string[],
  flags: readonly string[],
): Promise<{ readonly address: string; readonly child: ChildProcess }> {
  let said = ''
  for (let tries = 0; tries < 20; tries++) {
    next = (next + 1) % 60_000
    const address = `127.78.${Math.floor(next / 250)}.${(next % 250) + 2}`
    if (await answers(address)) continue
    const child = spawn('env', [...through, 'dropbear', ...flags, '-p', `${address}:${PORT}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    process.once('exit', () => child.kill('SIGKILL'))
    child.stderr.on('data', (chunk: Buffer) => void (said += chunk.toString()))
    while (child.exitCode === null) {
      if (await answers(address)) return { address, child }
      await sleep(30)
    }
  }
  throw new Error(`dropbear did not start: ${said}`)
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: PORT })
    socket.once('connect', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
}

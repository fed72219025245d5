/**
 * One connection by the system's `ssh`, which all further `ssh` processes use (a ControlMaster in a folder that only this user may read).
 * It lives as long as a `cat` on the host that reads our end of its input: when ship dies, whatever way, it ends by itself.
 */
import { randomBytes } from 'node:crypto'
import { lstat, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ShipError, throwIfAborted } from '../../errors.ts'
import { runLocal } from '../../process.ts'
import type { RunResult } from '../../runner.ts'
import { makeScratch } from '../../scratch.ts'
import { commandLine } from '../../shell.ts'
import { checkNames, type Target } from '../options.ts'
import { configText, option, pinFiles, pinFlags, targetFlags, word } from './config.ts'
import { connectFailure, isDrop } from './failure.ts'

export interface OpenSshConnection {
  /** `ssh` and its flags: it goes through the connection, and fails rather than opening another. A host name and a command follow. */
  readonly client: readonly string[]
  /** Why the connection is gone; undefined while it is there. */
  lost(): ShipError | undefined
  /** Resolves when it is gone. */
  readonly gone: Promise<void>
  /** Text that the connection itself said: why the host refused to forward, for example. */
  said(): string
  close(): Promise<void>
}

/** sshd drops connections when many come at once. */
const TRIES = 4
/** Longest time for all of it: a ProxyCommand may hang for ever. */
const CONNECT_MS = 90_000
/** For the end of an idle connection. One that still runs something is cut, as any other is. */
const CLOSE_MS = 500

/** What no configuration may change about an `ssh` without a terminal, and since which OpenSSH there is such a setting. */
const PLAIN = [
  ['RequestTTY', 'no', 0],
  ['RemoteCommand', 'none', 7.6],
  ['PermitLocalCommand', 'no', 0],
  ['ClearAllForwardings', 'yes', 0],
  ['EscapeChar', 'none', 0],
  ['ForkAfterAuthentication', 'no', 8.7],
  ['StdinNull', 'no', 8.7],
  ['SessionType', 'default', 8.7],
] as const

/**
 * Connects. `pins` are the host's keys from the configuration. A connection that the user's ssh keeps open is used, unless it is to be a
 * `fresh` one. Rejects with reason `unreachable`, `auth`, `host-key` or `config`.
 */
export async function connectOpenSsh(
  target: Target,
  pins: readonly string[],
  { signal, fresh = false }: { readonly signal: AbortSignal; readonly fresh?: boolean | undefined },
): Promise<OpenSshConnection> {
  checkNames(target)
  const folder = await makeScratch('ssh')
  try {
    const flags = await writeFlags(folder, target, pins)
    const shared =
      fresh || pins.length > 0 || target.knownHosts !== undefined ? undefined : await liveMaster(flags, target, signal)
    const path = shared ?? join(folder, 'c')
    // Of the user's own connection it takes part, as any other ssh of the user would.
    const first = shared === undefined ? ['ssh', ...flags, ...(await master(path, signal))] : client(path)
    for (let attempt = 1; ; attempt++) {
      try {
        return await open(first, path, { target, folder, signal })
      } catch (error) {
        throwIfAborted(signal)
        const isDropped =
          error instanceof ShipError &&
          error.reason === 'unreachable' &&
          isDrop([error.message, ...error.details].join('\n'))
        if (!isDropped || attempt === TRIES) throw error
        await sleep(200 * attempt + Math.random() * 300 * attempt)
      }
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function writeFlags(folder: string, target: Target, pins: readonly string[]): Promise<string[]> {
  const config = join(folder, 'config')
  await writeFile(config, configText(target, process.env), { mode: 0o600 })
  const flags = ['-F', config, ...targetFlags(target)]
  if (pins.length === 0) return flags
  const { knownHosts, script } = pinFiles(pins)
  const [known, asked] = [join(folder, 'pinned'), join(folder, 'pins.sh')]
  await writeFile(known, knownHosts, { mode: 0o600 })
  if (script !== undefined) await writeFile(asked, script, { mode: 0o600 })
  return [...flags, ...pinFlags(known, script === undefined ? undefined : asked)]
}

async function master(path: string, signal: AbortSignal): Promise<string[]> {
  const { stderr } = await run(['ssh', '-V'], signal)
  const version = Number(/OpenSSH\D*(\d+\.\d+)/.exec(stderr)?.[1] ?? 0)
  return [
    ...PLAIN.filter(([, , since]) => since <= version).flatMap(([name, value]) => option(name, value)),
    ...option('ControlMaster', 'yes'),
    ...option('ControlPath', word(path.replaceAll('%', '%%'))),
    ...option('ControlPersist', 'no'),
    ...option('ServerAliveInterval', '5'),
    ...option('ServerAliveCountMax', '3'),
    ...option('LogLevel', 'INFO'),
  ]
}

/** With no configuration, and a proxy that is none, there is no way but through the connection. */
function client(path: string): string[] {
  return [
    'ssh',
    '-F',
    'none',
    '-T',
    ...option('EscapeChar', 'none'),
    ...option('BatchMode', 'yes'),
    ...option('ControlMaster', 'no'),
    ...option('ControlPath', word(path.replaceAll('%', '%%'))),
    ...option('ProxyCommand', 'false'),
    ...option('LogLevel', 'ERROR'),
  ]
}

/** Socket of a connection that the user's own ssh keeps open for this host: perhaps one that took a password or a token to open. */
async function liveMaster(flags: readonly string[], target: Target, signal: AbortSignal): Promise<string | undefined> {
  const asked = await run(['ssh', ...flags, '-G', '--', target.address], signal)
  if (asked.code !== 0) throw connectFailure(target, asked.stderr, 255)
  const path = /^controlpath (.+)$/m.exec(asked.stdout)?.[1]
  if (path === undefined || path === 'none') return undefined
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSocket() !== true || found.uid !== process.getuid?.()) return undefined
  const checked = await run([...client(path), '-O', 'check', '--', 'ship'], signal)
  return checked.code === 0 ? path : undefined
}

async function run(argv: readonly string[], signal: AbortSignal): Promise<RunResult> {
  try {
    return await runLocal(argv, { signal, timeoutMs: 30_000 })
  } catch (error) {
    if (!(error instanceof ShipError) || error.reason !== 'build') throw error
    throw new ShipError('config', 'there is no program "ssh" here, which transport "rsync" needs', {
      next: ['install the OpenSSH client, or use transport "sftp"'],
      cause: error,
    })
  }
}

interface Opening {
  readonly target: Target
  readonly folder: string
  readonly signal: AbortSignal
}

/** Starts the process whose life is the connection's, and waits for its word. */
async function open(first: readonly string[], path: string, opening: Opening): Promise<OpenSshConnection> {
  const { target, folder, signal } = opening
  const ready = randomBytes(12).toString('hex')
  const input = new PassThrough()
  const end = new AbortController()
  const { promise: answered, resolve: answer } = Promise.withResolvers<boolean>()
  let heard = ''
  let said = ''
  let lost: ShipError | undefined
  const hello = commandLine({ name: 'hello', text: 'printf %s "$1"; exec cat >/dev/null', args: [ready] })
  const gone = runLocal([...first, '--', target.address, hello], {
    signal: end.signal,
    stdin: input,
    onStdout(chunk) {
      heard = (heard + chunk.toString('latin1')).slice(-65_536)
      if (heard.includes(ready)) answer(true)
    },
    onStderr: (chunk) => void (said = (said + chunk.toString('utf8')).slice(-65_536)),
  }).then(
    ({ code }) => void (lost = connectFailure(target, said, code)),
    () => void (lost = connectFailure(target, said, null)),
  )
  const stop = (): void => end.abort(new Error('closed'))
  void gone.then(() => answer(false))
  const late = setTimeout(stop, CONNECT_MS)
  signal.addEventListener('abort', stop, { once: true })
  const isReady = await answered
  clearTimeout(late)
  signal.removeEventListener('abort', stop)
  throwIfAborted(signal)
  if (!isReady) throw lost ?? connectFailure(target, said, null)
  return {
    client: client(path),
    gone,
    said: () => said,
    lost: () => lost && connectionLost(lost),
    async close() {
      input.end()
      await Promise.race([gone, sleep(CLOSE_MS, undefined, { ref: false })])
      stop()
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function connectionLost(cause: ShipError): ShipError {
  return new ShipError('unreachable', 'the connection was lost', {
    details: cause.details,
    next: ['run the same command again; it looks at the hosts first'],
    cause,
  })
}

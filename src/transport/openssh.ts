/**
 * Scripts, files and connections of a host through one connection of the system's `ssh`. Each is an `ssh` process of its own, which costs
 * no round trip to start. A script says by itself that it ended: an `ssh` that ends without that word means that the link died.
 */
import { randomBytes } from 'node:crypto'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { Duplex, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ShipError, throwIfAborted } from '../errors.ts'
import { firstBytes } from '../first-bytes.ts'
import { escapeControls } from '../names.ts'
import { runLocal } from '../process.ts'
import type { RunResult } from '../runner.ts'
import type { Script } from '../shell.ts'
import { askedOf } from '../ssh/command.ts'
import type { OpenSshConnection } from '../ssh/openssh/connection.ts'
import type { ExecOptions } from './transport.ts'

const MAX_OUTPUT = 1024 * 1024
/** A daemon that a script left behind may hold its output open; it is not waited for longer than this after the script's end. */
const DRAIN_MS = 500
/** How long after the end of an `ssh` process the end of the connection is waited for, to tell the cause. */
const CAUSE_MS = 2000
/** An `ssh` that did not fail by then is connected, even if it does not say so in the words that are known. */
const DIAL_MS = 3000

/**
 * Runs the script that is given as text, and says at the end of stderr how it ended. The script leads a group of its own, as it does when
 * sshd starts it, so that all of it can be ended.
 */
const TELLING = [
  'm=$1; t=$2; shift 2',
  'if command -v setsid >/dev/null 2>&1; then setsid sh -c "$t" ship "$@"; else sh -c "$t" ship "$@"; fi',
  'printf "%s %s\\n" "$m" "$?" >&2',
].join('\n')

/** See `Transport.exec`. A script that a signal ended has a code above 128, as in a shell. */
export async function execOpenSsh(
  connection: OpenSshConnection,
  script: Script,
  options: ExecOptions,
): Promise<RunResult> {
  const lost = connection.lost()
  if (lost) throw lost
  throwIfAborted(options.signal)
  const started = performance.now()
  const ended = new AbortController()
  const drain = drained(() => ended.abort(new Error('ended')))
  const stderr = untilEnd(options, () => drain.start())
  const telling = { ...script, text: TELLING, args: [stderr.marker, script.text, ...script.args] }
  const { command, ahead } = askedOf(telling)
  const { timeoutMs, maxOutputBytes = MAX_OUTPUT } = options
  const stdout = firstBytes(maxOutputBytes)
  let timedOut = false
  try {
    const result = await runLocal([...connection.client, '--', 'ship', command], {
      stdin:
        ahead === undefined
          ? options.stdin
          : Readable.from(oneAfterAnother(ahead, options.stdin), { objectMode: false }),
      timeoutMs,
      maxOutputBytes: 0,
      signal: AbortSignal.any([options.signal, ended.signal]),
      onStdout(chunk) {
        drain.again()
        stdout.push(chunk)
        options.onStdout?.(chunk)
      },
      onStderr: (chunk) => stderr.push(chunk),
    })
    ;({ timedOut } = result)
  } catch (error) {
    throwIfAborted(options.signal)
    if (!ended.signal.aborted) throw error
  } finally {
    drain.stop()
  }
  const code = stderr.code()
  if (code === null && !timedOut) throw await causeOf(connection, script, stderr.text())
  const truncated = stdout.truncated() || stderr.truncated()
  const durationMs = performance.now() - started
  return { code, stdout: stdout.text(), stderr: stderr.text(), timedOut, truncated, durationMs }
}

async function* oneAfterAnother(ahead: string, rest: Readable | undefined): AsyncGenerator<Buffer> {
  yield Buffer.from(ahead)
  if (rest) yield* rest as AsyncIterable<Buffer>
}

/** A TCP connection from the host. Rejects with the host's reason when it cannot connect, or does not forward. */
export async function dialOpenSsh(
  connection: OpenSshConnection,
  address: string,
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const lost = connection.lost()
  if (lost) throw lost
  throwIfAborted(signal)
  const before = connection.said().length
  const [program = 'ssh', ...flags] = connection.client
  const to = `${address.includes(':') ? `[${address}]` : address}:${port}`
  // Of an option that is given twice the first counts.
  const child = spawn(program, ['-o', 'LogLevel=DEBUG1', ...flags, '-W', to, '--', 'ship'], { detached: true })
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  child.once('close', () => signal.removeEventListener('abort', stop))
  child.stdin.on('error', () => undefined)
  const isOpen = await new Promise<boolean>((resolve) => {
    const late = setTimeout(() => resolve(true), DIAL_MS)
    const settle = (is: boolean): void => {
      clearTimeout(late)
      resolve(is)
    }
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('latin1')).slice(-4096)
      if (/stdio_fwd: .*session id/.test(said)) settle(true)
    })
    child.once('close', () => settle(false))
    child.once('error', () => settle(false))
  })
  throwIfAborted(signal)
  if (!isOpen) throw new Error(refusal(connection.said().slice(before)))
  return socketOf(child)
}

function socketOf(child: ChildProcessWithoutNullStreams): Duplex {
  const { stdin, stdout } = child
  const socket = new Duplex({
    read: () => void stdout.resume(),
    write: (chunk: Buffer, _encoding, done) => void stdin.write(chunk, done),
    final: (done) => void stdin.end(done),
    destroy(error, done) {
      child.kill('SIGTERM')
      done(error)
    },
  })
  stdout.on('data', (chunk: Buffer) => {
    if (!socket.push(chunk)) stdout.pause()
  })
  stdout.once('end', () => socket.push(null))
  return socket
}

/** "channel 3: open failed: connect failed: Connection refused" -> "connect failed: Connection refused". */
function refusal(said: string): string {
  const last = said
    .split(/\r?\n/)
    .findLast((line) => line.includes('open failed: '))
    ?.replace(/^.*?open failed: /, '')
  return escapeControls(last ?? 'the host refused to connect')
}

/** Why an `ssh` ended without the script's word. */
async function causeOf(connection: OpenSshConnection, script: Script, stderr: string): Promise<ShipError> {
  if (/refused by peer/.test(stderr)) {
    return new ShipError('unreachable', `the host refused to run "${script.name}"`, {
      next: ['see MaxSessions of sshd on the host: ship runs a few programs at once over one connection'],
    })
  }
  await Promise.race([connection.gone, sleep(CAUSE_MS, undefined, { ref: false })])
  const last = escapeControls(stderr.trim().split('\n').at(-1) ?? '').slice(0, 300)
  const said = last === '' ? '' : `: ${last}`
  return connection.lost() ?? new ShipError('unreachable', `the connection was lost during "${script.name}"${said}`)
}

/** Waits for silence once it was started. */
function drained(onSilence: () => void) {
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => clearTimeout(timer)
  return {
    start(): void {
      stop()
      timer = setTimeout(onSilence, DRAIN_MS)
    },
    again: (): void => void timer?.refresh(),
    stop,
  }
}

/** stderr up to the script's own word of its end, which no listener gets to see. */
function untilEnd({ onStderr, maxOutputBytes = MAX_OUTPUT }: ExecOptions, onEnd: () => void) {
  const RECORD = '\u001e'
  const marker = `${RECORD}${randomBytes(12).toString('hex')}`
  const own = firstBytes(maxOutputBytes)
  let held = Buffer.alloc(0)
  let code: number | null = null
  const pass = (bytes: Buffer): void => {
    if (bytes.length === 0) return
    own.push(bytes)
    onStderr?.(bytes)
  }
  return {
    marker,
    push(chunk: Buffer): void {
      if (code !== null) return
      held = Buffer.concat([held, chunk])
      const at = held.indexOf(marker)
      const word = at < 0 ? undefined : /^ (\d+)\n/.exec(held.subarray(at + marker.length).toString('latin1'))
      if (word) {
        pass(held.subarray(0, at))
        code = Number(word[1])
        onEnd()
        return
      }
      // What may be the beginning of the word waits for the rest of it.
      const last = held.lastIndexOf(RECORD)
      const upTo = last >= 0 && held.length - last < marker.length + 6 ? last : held.length
      pass(held.subarray(0, upTo))
      held = held.subarray(upTo)
    },
    code: () => code,
    text: () => own.text() + (code === null ? held.toString('utf8') : ''),
    truncated: () => own.truncated(),
  }
}

/**
 * A host over one ssh connection: scripts by exec channels, files by SFTP on the same connection. No terminal is asked for. A channel
 * that closes without an exit status means that the link died: nobody knows how far the script got.
 */
import type { Duplex } from 'node:stream'
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2'
import type SftpClient from 'ssh2-sftp-client'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { firstBytes } from '../first-bytes.ts'
import { tooManyFiles } from '../open-files.ts'
import type { RunResult } from '../runner.ts'
import { commandLine, type Script } from '../shell.ts'
import { askedOf } from '../ssh/command.ts'
import type { Ahead } from '../ssh/open-at-once.ts'
import { dial, reach } from '../ssh/reach.ts'
import { FIRST_CHANNELS, mayHaveSpares, spareShells, type SpareShells } from '../ssh/spare-shells.ts'
import type { FirstScript, OpenOptions } from './index.ts'
import { readByShell } from './read.ts'
import type { ExecOptions, FileChannel, Host, Transport } from './transport.ts'

const MAX_OUTPUT = 1024 * 1024
/** A daemon that a script left behind may hold its output open; it is not waited for longer than this after the script's end. */
const DRAIN_MS = 500
/** How often a channel is asked for while the host has no room for one more, and how long is waited between. */
const MAX_TRIES = 20
const AGAIN_MS = 150

/** The longest command that is sent to OpenSSH; Linux takes twice as much as one argument of a program. */
const LONGEST_BYTES = 65_536

export async function sftpTransport(host: Host, { signal, busy, first: early }: OpenOptions): Promise<Transport> {
  let lost: ShipError | undefined
  let first: Promise<RunResult> | undefined
  const take = ({ script, options }: FirstScript, channel: ClientChannel): void => {
    first = follow(channel, script, options, () => lost)
    first.catch(() => undefined)
  }
  const ahead: Ahead = {
    sessions: busy === true ? FIRST_CHANNELS : early ? 0 : 1,
    first: early && { command: commandLine(early.script), take: (channel) => take(early, channel) },
  }
  const connection = await reach(host, { pins: host.hostKey ?? [], ahead, signal })
  const { client } = connection
  const maySpare = mayHaveSpares(client)
  // When a first script has its channel. One that comes later is sent before them, so that it does not wait.
  let spares: SpareShells | undefined = busy === true && maySpare && first ? spareShells(client) : undefined
  let opened: Promise<FileChannel> | undefined
  const gone = new AbortController()
  const files = (): Promise<FileChannel> => {
    opened ??= openFiles(client, gone.signal)
    return opened
  }
  const lose = (error?: Error): void => {
    const why = error === undefined ? '' : `: ${error.message}`
    lost ??= new ShipError('unreachable', `the connection was lost${why}`, {
      next: ['run the same command again; it looks at the hosts first'],
      cause: error,
    })
    gone.abort(lost)
  }
  client.on('error', lose)
  client.on('close', () => lose())
  const run: Transport['exec'] = (script, options) => {
    if (lost) return Promise.reject(lost)
    const result = exec({ client, spares, lost: () => lost }, script, options)
    if (busy === true && maySpare) spares ??= spareShells(client)
    return result
  }
  return {
    host,
    first,
    get connected() {
      return lost === undefined
    },
    oneByOne: !maySpare,
    wide: maySpare,
    get crowded() {
      return spares?.refused === true
    },
    exec: run,
    dial: (address, port, abort) => dialed(client, address, port, abort),
    files: () => (lost ? Promise.reject(lost) : files()),
    read: (path, maxBytes) => readByShell(run, path, maxBytes),
    close() {
      connection.close()
      return Promise.resolve()
    },
  }
}

/** The library's own fields for its connection, through which it is given ours: one connection, one authentication, one verifier. */
interface SharedConnection {
  client: Client
  sftp: SFTPWrapper
}

async function openFiles(client: Client, lost: AbortSignal): Promise<FileChannel> {
  const { default: Library } = await import('ssh2-sftp-client')
  const requests = await new Promise<SFTPWrapper>((resolve, reject) => {
    client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp)))
  })
  const library: SftpClient = new Library()
  Object.assign(library, { client, sftp: requests } satisfies SharedConnection)
  return { library, requests, lost }
}

interface Line {
  readonly client: Client
  readonly spares: SpareShells | undefined
  readonly lost: () => ShipError | undefined
}

function exec(line: Line, script: Script, options: ExecOptions, tries = 1): Promise<RunResult> {
  const { client, spares, lost } = line
  return new Promise((resolve, reject) => {
    try {
      throwIfAborted(options.signal)
    } catch (error) {
      reject(error)
      return
    }
    const spare = spares?.run(script)
    if (spare) {
      follow(spare, script, options, lost).then(resolve, reject)
      return
    }
    const { command, ahead } = askedOf(script, mayHaveSpares(client) ? LONGEST_BYTES : undefined)
    client.exec(command, (error, channel) => {
      if (error && isFull(error) && tries < (options.tries ?? MAX_TRIES) && !lost()) {
        const again = (): void => void exec(line, script, options, tries + 1).then(resolve, reject)
        setTimeout(again, AGAIN_MS)
        return
      }
      if (error) {
        const said = `the host refused to run "${script.name}": ${messageOf(error)}`
        reject(lost() ?? new ShipError('unreachable', said, { cause: error }))
        return
      }
      if (ahead !== undefined) channel.write(ahead)
      follow(channel, script, options, lost).then(resolve, reject)
    })
  })
}

/** OpenSSH's word for more sessions than it allows (RFC 4254, 5.1): one that has just ended may still count. */
function isFull(error: Error & { readonly reason?: unknown }): boolean {
  const CONNECT_FAILED = 2
  return error.reason === CONNECT_FAILED
}

/** Follows a running script to its end. */
function follow(
  channel: ClientChannel,
  script: Script,
  options: ExecOptions,
  lost: () => ShipError | undefined,
): Promise<RunResult> {
  const started = performance.now()
  const max = options.maxOutputBytes ?? MAX_OUTPUT
  const stdout = collect(channel, max, options.onStdout)
  const stderr = collect(channel.stderr, max, options.onStderr)
  return new Promise((resolve, reject) => {
    let ended: { readonly code: number | null; readonly signal: string | undefined } | undefined
    let timedOut = false
    let unread: Error | undefined
    const finish = (): void => {
      clearTimeout(late)
      options.signal.removeEventListener('abort', abort)
      if (options.signal.aborted)
        reject(options.signal.reason instanceof Error ? options.signal.reason : new Error('aborted'))
      else if (unread) reject(unreadable(unread))
      else if (!ended && !timedOut) {
        reject(lost() ?? new ShipError('unreachable', `the connection was lost during "${script.name}"`))
      } else {
        const durationMs = performance.now() - started
        const truncated = stdout.truncated() || stderr.truncated()
        const { code, signal } = ended ?? { code: null, signal: undefined }
        resolve({ code, signal, stdout: stdout.text(), stderr: stderr.text(), timedOut, truncated, durationMs })
      }
    }
    const abort = (): void => {
      channel.close()
      finish()
    }
    const late =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            abort()
          }, options.timeoutMs)
    options.signal.addEventListener('abort', abort, { once: true })
    channel.on('exit', (code: number | null, signal?: string) => {
      ended = { code, signal }
      setTimeout(() => channel.close(), DRAIN_MS).unref()
    })
    channel.on('close', finish)
    channel.on('error', () => undefined)
    if (options.stdin) {
      // What a script does not read any more is no error: it says by itself why it stopped.
      options.stdin.on('error', (error) => {
        if (!ended) unread = error
        channel.close()
      })
      options.stdin.pipe(channel)
    } else channel.end()
  })
}

/** It is this machine that failed, and not the link: connecting again would not help. */
function unreadable(error: Error): ShipError {
  const said = `what is sent cannot be read here: ${error.message}`
  return tooManyFiles(error) ?? new ShipError('not-switched', said, { cause: error })
}

function collect(stream: NodeJS.ReadableStream, max: number, listener: ((chunk: Buffer) => void) | undefined) {
  const kept = firstBytes(max)
  stream.on('data', (chunk: Buffer) => {
    listener?.(chunk)
    kept.push(chunk)
  })
  return kept
}

async function dialed(client: Client, address: string, port: number, signal: AbortSignal): Promise<Duplex> {
  throwIfAborted(signal)
  const channel = await dial(client, address, port)
  signal.addEventListener('abort', () => channel.destroy(), { once: true })
  return channel
}

/**
 * A host over one ssh connection: scripts by exec channels, files by SFTP on the same connection. No terminal is asked for. A channel
 * that closes without an exit status means that the link died: nobody knows how far the script got.
 */
import type { Duplex } from 'node:stream'
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2'
import type SftpClient from 'ssh2-sftp-client'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import type { RunResult } from '../runner.ts'
import { commandLine, type Script } from '../shell.ts'
import { dial, reach } from '../ssh/reach.ts'
import type { ExecOptions, Host, Transport } from './transport.ts'

const MAX_OUTPUT = 1024 * 1024
/** A daemon that a script left behind may hold its output open; it is not waited for longer than this after the script's end. */
const DRAIN_MS = 500

export async function sftpTransport(host: Host, { signal }: { readonly signal: AbortSignal }): Promise<Transport> {
  const connection = await reach(host, host.hostKey ?? [], signal)
  const { client } = connection
  let lost: ShipError | undefined
  let files: Promise<SftpClient> | undefined
  const lose = (error?: Error): void => {
    const why = error === undefined ? '' : `: ${error.message}`
    lost ??= new ShipError('unreachable', `the connection was lost${why}`, {
      next: ['run the same command again; it looks at the hosts first'],
      cause: error,
    })
  }
  client.on('error', lose)
  client.on('close', () => lose())
  return {
    host,
    get connected() {
      return lost === undefined
    },
    exec(script, options) {
      if (lost) return Promise.reject(lost)
      return exec(client, script, options, () => lost)
    },
    dial: (address, port, abort) => dialed(client, address, port, abort),
    async read(path, maxBytes) {
      if (lost) throw lost
      files ??= openFiles(client)
      const sftp = await files
      if ((await sftp.exists(path)) !== '-') return undefined
      const { size } = await sftp.stat(path)
      if (size > maxBytes) throw new ShipError('refused', `"${path}" is larger than ${maxBytes} bytes`)
      const content = await sftp.get(path)
      if (!Buffer.isBuffer(content)) throw new TypeError('a file read into memory is a buffer')
      return content
    },
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

async function openFiles(client: Client): Promise<SftpClient> {
  const { default: Library } = await import('ssh2-sftp-client')
  const channel = await new Promise<SFTPWrapper>((resolve, reject) => {
    client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp)))
  })
  const files = new Library()
  Object.assign(files, { client, sftp: channel } satisfies SharedConnection)
  return files
}

function exec(
  client: Client,
  script: Script,
  options: ExecOptions,
  lost: () => ShipError | undefined,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    try {
      throwIfAborted(options.signal)
    } catch (error) {
      reject(error)
      return
    }
    client.exec(commandLine(script), (error, channel) => {
      if (error) {
        const said = `the host refused to run "${script.name}": ${messageOf(error)}`
        reject(lost() ?? new ShipError('unreachable', said, { cause: error }))
        return
      }
      follow(channel, script, options, lost).then(resolve, reject)
    })
  })
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
  const stderr = collect(channel.stderr, max, undefined)
  return new Promise((resolve, reject) => {
    let ended: { readonly code: number | null; readonly signal: string | undefined } | undefined
    let timedOut = false
    const finish = (): void => {
      clearTimeout(late)
      options.signal.removeEventListener('abort', abort)
      if (options.signal.aborted)
        reject(options.signal.reason instanceof Error ? options.signal.reason : new Error('aborted'))
      else if (!ended && !timedOut) {
        reject(lost() ?? new ShipError('unreachable', `the connection was lost during "${script.name}"`))
      } else {
        const durationMs = performance.now() - started
        const truncated = stdout.size() > max || stderr.size() > max
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
      options.stdin.on('error', () => channel.close())
      options.stdin.pipe(channel)
    } else channel.end()
  })
}

function collect(stream: NodeJS.ReadableStream, max: number, listener: ((chunk: Buffer) => void) | undefined) {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    listener?.(chunk)
    if (size < max) chunks.push(chunk.subarray(0, max - size))
    size += chunk.length
  })
  return { text: () => Buffer.concat(chunks).toString('utf8'), size: () => size }
}

async function dialed(client: Client, address: string, port: number, signal: AbortSignal): Promise<Duplex> {
  throwIfAborted(signal)
  const channel = await dial(client, address, port)
  signal.addEventListener('abort', () => channel.destroy(), { once: true })
  return channel
}

/**
 * Requests to an SFTP server, many in flight. Every refusal becomes an `SftpProblem` that says what was tried; a link that is gone,
 * or a server that answers nothing any more, is a ShipError of reason `unreachable`.
 */
import type { SFTPWrapper } from 'ssh2'
import type SftpClient from 'ssh2-sftp-client'
import { messageOf, ShipError, throwIfAborted } from '../../errors.ts'
import { escapeControls } from '../../names.ts'
import type { FileChannel } from '../../transport/transport.ts'

/** Extensions by which a server can do more than version 3 of the protocol (PROTOCOL in OpenSSH's sources; draft for copy-data). */
const EXTENSIONS = {
  'posix-rename@openssh.com': '1',
  'statvfs@openssh.com': '2',
  'fsync@openssh.com': '1',
  'lsetstat@openssh.com': '1',
  'hardlink@openssh.com': '1',
  'copy-data': '1',
} as const
type Extension = keyof typeof EXTENSIONS

/** `missing`: no such file. `denied`: no right. `failed`: any other errno, for the protocol has no words for them. */
type ProblemKind = 'missing' | 'denied' | 'failed'

const GIVE = 'as root on the host, give the deploy user its folder: chown -R USER FOLDER'

/** What the server refused to do. */
export class SftpProblem extends ShipError {
  readonly kind: ProblemKind

  constructor(kind: ProblemKind, message: string, cause: unknown) {
    super('not-switched', message, { cause, next: kind === 'denied' ? [GIVE] : [] })
    this.kind = kind
  }
}

type Done<T> = (error?: Error | null, value?: T) => void

export interface Requests {
  offers(extension: Extension): boolean
  /** One request, or several in a row, by ssh2's own channel. `what` begins the error: "could not read \"x\"". */
  ask<T = void>(what: string, send: (sftp: SFTPWrapper, done: Done<T>) => void): Promise<T>
  /** A method of the library; one at a time, for each listens to the connection while it runs. */
  by<T>(what: string, work: (library: SftpClient) => Promise<T>): Promise<T>
}

export interface OpenRequests {
  /** False when the server has answered nothing for so long that it is given up. */
  readonly alive: boolean
  /** Requests of one verb: none is sent any more once the signal aborts. */
  under(signal: AbortSignal): Requests
  close(): void
}

/** Longest silence while something is asked. Each answer counts, so a long queue on a slow disk is not cut. */
const SILENCE_MS = 120_000
const LOOK_MS = 5000

/** Numbers of SSH_FXP_STATUS that have a meaning of their own. */
const KINDS: Readonly<Record<number, ProblemKind>> = { 2: 'missing', 3: 'denied' }
const WORDS = { missing: 'it does not exist', denied: 'no right to', failed: 'the server gives no reason' } as const

export function openRequests({ library, requests: sftp, lost }: FileChannel): OpenRequests {
  const waiting = new Set<(error: unknown) => void>()
  let lastSign = performance.now()
  let alive = true
  const giveUp = (error: unknown): void => {
    alive = false
    clearInterval(watch)
    for (const reject of waiting) reject(error)
    waiting.clear()
  }
  const watch = setInterval(() => {
    if (waiting.size === 0 || performance.now() - lastSign < SILENCE_MS) return
    const message = `the SFTP server answered nothing for ${SILENCE_MS / 1000} s`
    giveUp(
      new ShipError('unreachable', message, {
        next: ['see whether the host is well, then run the same command again'],
      }),
    )
  }, LOOK_MS)
  watch.unref()
  const onLost = (): void => giveUp(lost.reason)
  lost.addEventListener('abort', onLost, { once: true })

  const run = <T>(what: string, begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => void) =>
    new Promise<T>((resolve, reject) => {
      if (!alive) throw lost.reason ?? new ShipError('unreachable', 'the SFTP channel is closed')
      if (waiting.size === 0) lastSign = performance.now()
      waiting.add(reject)
      const settle = (): void => {
        waiting.delete(reject)
        lastSign = performance.now()
      }
      begin(
        (value) => (settle(), resolve(value)),
        (error) => (settle(), reject(lost.aborted ? lost.reason : problem(what, error))),
      )
    })
  const offered = Reflect.get(sftp, '_extensions') as Readonly<Record<string, unknown>> | undefined
  return {
    get alive() {
      return alive
    },
    under: (signal) => ({
      offers: (extension) => offered?.[extension] === EXTENSIONS[extension],
      ask: async <T>(what: string, send: (sftp: SFTPWrapper, done: Done<T>) => void) => {
        throwIfAborted(signal)
        return run<T>(what, (resolve, reject) => {
          send(sftp, (error, value) => (error ? reject(error) : resolve(value as T)))
        })
      },
      by: async <T>(what: string, work: (library: SftpClient) => Promise<T>) => {
        throwIfAborted(signal)
        return run<T>(what, (resolve, reject) => void work(library).then(resolve, reject))
      },
    }),
    close() {
      clearInterval(watch)
      lost.removeEventListener('abort', onLost)
    },
  }
}

/** Whether an error is the server's word that something is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof SftpProblem && error.kind === 'missing'
}

function problem(what: string, error: unknown): Error {
  if (error instanceof ShipError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (/No response from server/.test(messageOf(error)))
    return new ShipError('unreachable', 'the SFTP channel broke off', { cause: error })
  const kind = (typeof code === 'number' ? KINDS[code] : undefined) ?? 'failed'
  return new SftpProblem(kind, `${escapeControls(what)}: ${WORDS[kind]}`, error)
}

/** A host -> its transport -> the session that its capabilities allow. */
import { randomBytes } from 'node:crypto'
import { ShipError } from '../errors.ts'
import { openTransport, type OpenOptions } from '../transport/index.ts'
import type { FileChannel, Host, Transport } from '../transport/transport.ts'
import type { HostSession, ProbeQuestion } from './session.ts'
import { sftpSession } from './sftp/session.ts'
import { wellOrThrow } from './shell/ask.ts'
import { prepareCall } from './shell/call.ts'
import { shellSession } from './shell/session.ts'

/** Longest time for a question that asks whether there is a shell, or SFTP. */
const PATIENCE_MS = 30_000

export interface SessionOptions extends Pick<OpenOptions, 'signal' | 'busy' | 'onChoice'> {
  /** What the first probe will ask: it is sent with the login where that can be, and its answer is from then. */
  readonly question?: ProbeQuestion | undefined
}

/** Connects. Rejects with reason `unreachable`, `auth` or `host-key`. */
export async function openSession(host: Host, { question, ...options }: SessionOptions): Promise<HostSession> {
  const { signal } = options
  const probe = question && prepareCall(host, 'probe', question.sharedFiles, { signal })
  const transport = await openTransport(host, {
    ...options,
    first: probe && { script: probe.script, options: probe.how },
  })
  const answer = probe && transport.first?.then((result) => wellOrThrow('probe', probe.answerIn(result)))
  answer?.catch(() => undefined)
  const session = shellSession(transport, { probed: answer && question && { question, answer } })
  return transport.files ? settling(transport, session) : session
}

/**
 * A session that takes a shell for granted until its first question says otherwise: to ask beforehand would cost every host a round
 * trip. A host that answers no script, not the shortest either, but opens SFTP, is one without a shell.
 */
function settling(transport: Transport, first: HostSession): HostSession {
  let now = first
  let sure = false
  const ask = async <T>(question: (session: HostSession) => Promise<T>, signal: AbortSignal): Promise<T> => {
    const started = performance.now()
    try {
      const answer = await question(now)
      sure = true
      return answer
    } catch (error) {
      const isSilent = error instanceof ShipError && error.reason === 'unreachable' && transport.connected
      // A host that hangs is slow to fail; one without a shell ends the script at once.
      const isSlow = performance.now() - started > PATIENCE_MS
      if (sure || isSlow || !isSilent || (await hasShell(transport, signal))) throw error
      const files = await filesOf(transport)
      if (!files) throw error
      now = sftpSession(transport, files)
      sure = true
      return question(now)
    }
  }
  return {
    host: transport.host,
    get connected() {
      return now.connected
    },
    probe: (question, options) => ask((session) => session.probe(question, options), options.signal),
    lock: (owner, question, options) => ask((session) => session.lock(owner, question, options), options.signal),
    fence: (...args) => now.fence(...args),
    stage: (...args) => now.stage(...args),
    drift: (...args) => now.drift(...args),
    discard: (...args) => now.discard(...args),
    switchTo: (...args) => now.switchTo(...args),
    arm: (...args) => now.arm(...args),
    renew: (...args) => now.renew(...args),
    mark: (...args) => now.mark(...args),
    prune: (...args) => now.prune(...args),
    unlock: (...args) => now.unlock(...args),
    history: (limit, options) => ask((session) => session.history(limit, options), options.signal),
    manifest: (version, options) => ask((session) => session.manifest(version, options), options.signal),
    run: (...args) => now.run(...args),
    runOnce: (...args) => now.runOnce(...args),
    remember: (...args) => now.remember(...args),
    forget: (...args) => now.forget(...args),
    dial: (...args) => now.dial(...args),
    reopen: (...args) => now.reopen(...args),
    close: () => now.close(),
  }
}

async function hasShell(transport: Transport, signal: AbortSignal): Promise<boolean> {
  const word = randomBytes(8).toString('hex')
  const script = { name: 'hello', text: 'printf %s "$1"', args: [word] }
  try {
    const { stdout } = await transport.exec(script, { signal, timeoutMs: PATIENCE_MS })
    return stdout.includes(word)
  } catch {
    return false
  }
}

/** The host's files by SFTP; undefined when it gives none in time. */
async function filesOf(transport: Transport): Promise<FileChannel | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), PATIENCE_MS)
  try {
    return await Promise.race([transport.files?.(), late])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

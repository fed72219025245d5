/**
 * One ssh connection. A verifier of the host's key is a required argument: the library accepts every key unless it is told otherwise.
 * Nagle's delay is off (up to 36 times faster here), only publickey is offered, and dead links are noticed within seconds.
 */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import ssh2, { type Client, type ConnectConfig } from 'ssh2'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { noteDialled, SOFTWARE, takeGreeted } from '../greeting.ts'
import { tooManyFiles } from '../open-files.ts'
import { loginAtOnce, signAtOnce } from './at-once.ts'
import { describeAgent, type Identities } from './keys.ts'
import { openAtOnce, type Ahead } from './open-at-once.ts'
import type { SshOptions } from './options.ts'

export interface Verifier {
  /** Undefined: the key is the host's. Otherwise why it is not accepted. */
  readonly verify: (key: Buffer) => ShipError | undefined
  /** Key types to ask the host for first. */
  readonly keyTypes: readonly string[]
}

export interface ConnectRequest {
  readonly options: SshOptions
  readonly verifier: Verifier
  /** Wanted when the server has shown its key: until then they may be collected. */
  readonly identities: Promise<Identities>
  /** A connection through a jump host, instead of TCP. */
  readonly through?: Duplex | undefined
  /** What to open and begin together with the login, where the server allows. The first command may not have begun when the client is there. */
  readonly ahead?: Ahead | undefined
  readonly signal: AbortSignal
}

/** Missed answers to a question every 5 s after which a link counts as dead. */
const KEEPALIVE_MS = 5000
const KEEPALIVE_MISSES = 3
/** sshd drops new connections at random when many come at once (MaxStartups); another try soon succeeds. */
const TRIES = 4

/** Connects and authenticates. Rejects with reason `unreachable`, `auth` or `host-key`. */
export async function connectSsh(request: ConnectRequest): Promise<Client> {
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(request.signal)
    try {
      // What a server cannot take behind the login ends the connection: the next one does without.
      const client = await connectOnce(attempt === 1 ? request : { ...request, ahead: undefined })
      if (!request.through) noteDialled(request.options)
      return client
    } catch (error) {
      const dropped = error instanceof ShipError && error.cause instanceof Error && isDrop(error.cause)
      if (!dropped || attempt === TRIES || request.through) throw error
      await sleep(200 * attempt + Math.random() * 300 * attempt)
    }
  }
}

function connectOnce({ options, verifier, identities, through, ahead, signal }: ConnectRequest): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client()
    let known: Identities | undefined
    const collected = (async () => (known = await identities))()
    collected.catch((error: unknown) => fail(error))
    let begun = (): Promise<void> => Promise.resolve()
    let refused: ShipError | undefined
    let late: NodeJS.Timeout | undefined
    let isTelling = false
    const abort = (): void => fail(signal.reason)
    const settle = (): void => signal.removeEventListener('abort', abort)
    const fail = (error: unknown): void => {
      settle()
      clearTimeout(late)
      client.destroy()
      reject(error instanceof Error ? error : new Error(String(error)))
    }
    signal.addEventListener('abort', abort, { once: true })
    client.on('connect', () => client.setNoDelay(true))
    const ready = async (): Promise<void> => {
      late = setTimeout(() => fail(unreachable(options, silence())), options.connectTimeoutMs)
      await begun()
      clearTimeout(late)
      settle()
      resolve(client)
    }
    client.on('ready', () => void ready())
    client.on('error', (error: Error & { level?: string }) => {
      // The library goes on with the next identity; when none is left, the error of the login tells what the agent said.
      if (error.level === 'agent' || isTelling) return
      if (refused) fail(refused)
      else if (error.level === 'client-authentication') {
        // What the agent says takes a moment, in which the connection ends.
        isTelling = true
        void authError(options, identities).then(fail, fail)
      } else fail(tooManyFiles(error) ?? unreachable(options, error))
    })
    client.on('close', () => {
      if (!isTelling) fail(refused ?? unreachable(options, new Error('connection closed before it was ready')))
    })
    const begunAlready = through ?? takeGreeted(options)
    client.connect({
      ...(begunAlready ? { sock: begunAlready } : { host: options.hostname, port: options.port }),
      ident: SOFTWARE,
      username: options.user,
      readyTimeout: options.connectTimeoutMs,
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: KEEPALIVE_MISSES,
      hostVerifier: (key: Buffer) => {
        refused = verifier.verify(key)
        return refused === undefined
      },
      algorithms: {
        cipher: { prepend: ['aes128-gcm@openssh.com'], append: [], remove: [] },
        ...(verifier.keyTypes.length > 0 ? { serverHostKey: preferred(verifier.keyTypes) } : {}),
      },
      authHandler: offers(options, collected),
    })
    // Behind a key that is one of several, the server would note in its log what it could not take.
    if (ahead) begun = openAtOnce(client, ahead, () => known !== undefined && isOnlyOne(known))
    signAtOnce(client)
    // What an agent holds has to be asked for first: there is nothing to send at once.
    loginAtOnce(client, () => known !== undefined && known.agent === undefined)
  })
}

/** An agent counts as one: what it signs, the server has asked for. */
function isOnlyOne({ agent, keys }: Identities): boolean {
  return keys.length + (agent === undefined ? 0 : 1) === 1
}

type AuthHandler = NonNullable<ConnectConfig['authHandler']>

/** Each key once, the agent first; never "none" or a password, which cost a round trip or a secret. */
function offers({ user }: SshOptions, identities: Promise<Identities>): AuthHandler {
  let queue: unknown[] | undefined
  const all = (found: Identities): unknown[] => [
    ...(found.agent === undefined ? [] : [{ type: 'agent', username: user, agent: found.agent }]),
    ...found.keys.map(({ key }) => ({ type: 'publickey', username: user, key })),
  ]
  const next = async (give: (offer: unknown) => void): Promise<void> => {
    queue ??= all(await identities)
    give(queue.shift() ?? false)
  }
  return ((_left: unknown, _partial: unknown, give: (offer: unknown) => void) => {
    // Why they could not be collected is told by whoever connects.
    next(give).catch(() => undefined)
  }) as AuthHandler
}

/** Types as the library names them: an rsa key in known_hosts stands for its newer signatures too. */
function preferred(types: readonly string[]): NonNullable<NonNullable<ConnectConfig['algorithms']>['serverHostKey']> {
  const supported = new Set([
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
    'ssh-rsa',
  ])
  const wanted = types
    .flatMap((type) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type]))
    .filter((type) => supported.has(type))
  return (wanted.length > 0 ? wanted : [...supported]) as ReturnType<typeof preferred>
}

async function authError(options: SshOptions, identities: Promise<Identities>): Promise<ShipError> {
  const { agent, keys, problems } = await identities
  const tried = [
    agent === undefined ? 'no agent (SSH_AUTH_SOCK is not set)' : await describeAgent(agent),
    ...keys.map((k) => `${k.title}: refused by the host`),
    ...problems,
  ]
  // Without its address, which the next step has: the same cause on many hosts is told once.
  return new ShipError('auth', `the host lets "${options.user}" in with none of the keys that were offered`, {
    details: tried,
    state: 'nothing was changed on any host',
    next: [
      `on the host: is the public key in ~${options.user}/.ssh/authorized_keys?`,
      `try the same by hand: ssh -p ${options.port} ${options.user}@${options.hostname} true`,
    ],
  })
}

function unreachable(options: SshOptions, error: Error & { code?: string; level?: string }): ShipError {
  const where = `${options.hostname} port ${options.port}`
  const state = 'nothing was changed on any host'
  const words: Record<string, readonly [string, string]> = {
    ECONNREFUSED: [`nothing listens at ${where} (connection refused)`, 'is sshd running there, and is this its port?'],
    EHOSTUNREACH: [`no route to ${where}`, 'is the network or the VPN up?'],
    ENETUNREACH: [`no route to ${where}`, 'is the network or the VPN up?'],
    ENOTFOUND: [`the name "${options.hostname}" is not known`, 'is it spelt right, and known to DNS or ~/.ssh/config?'],
    EAI_AGAIN: [`the name "${options.hostname}" could not be looked up`, 'does name resolution work here?'],
    ETIMEDOUT: [`no answer from ${where}`, 'is the host up, and does a firewall let this machine in?'],
  }
  const timedOut = error.level === 'client-timeout'
  const [message, next] = words[timedOut ? 'ETIMEDOUT' : (error.code ?? '')] ?? [
    `${where} closed the connection: ${messageOf(error)}`,
    'see the log of sshd on the host',
  ]
  return new ShipError('unreachable', message, { state, next: [next], cause: error })
}

/** Of a server that let somebody in and then said nothing, as the library tells of one that let nobody in. */
function silence(): Error & { readonly level: string } {
  return Object.assign(new Error('no answer'), { level: 'client-timeout' })
}

function isDrop(error: Error & { code?: string }): boolean {
  return (
    error.code === 'ECONNRESET' ||
    error.code === 'EPIPE' ||
    /closed before it was ready|before handshake|Connection lost/i.test(error.message)
  )
}

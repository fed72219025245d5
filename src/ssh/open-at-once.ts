/**
 * The first channels of a connection and its first command, asked for behind the login instead of after its answer: two round trips less. A
 * server takes packets in their order, so a login that is accepted is followed by the channels' answers; after one that is refused, OpenSSH
 * says that it does not implement the packets (its dispatch_protocol_error), and nothing was opened. Like the ways of `at-once.ts`, this
 * reaches into the library's inside.
 *
 * A command also ends a wait of another kind: until one runs, OpenSSH lets the system hold small packets back until what it sent before
 * has been acknowledged (its ssh_packet_set_interactive turns that off), which is a round trip behind every login.
 */
import type { Client, ClientChannel } from 'ssh2'
import { isOpenSsh } from './at-once.ts'

/** What the library tells a server of each channel, and counts by (MAX_WINDOW and PACKET_SIZE of its lib/Channel.js), bytes. */
export const WINDOW = 2 * 1024 * 1024
export const PACKET = 32 * 1024

interface Inside {
  readonly _protocol?: Protocol
  readonly _chanMgr?: Channels
}
interface Protocol {
  authPK?: AuthPublicKey
  session?: (channel: number, window: number, packet: number) => void
  exec?: (channel: number, command: string, wantReply: boolean) => void
  readonly _handlers?: Partial<Record<Answer, Handler>>
}
interface Channels {
  add(opened: unknown): number
  get(channel: number): unknown
  update(channel: number, opened: unknown): void
  remove(channel: number): void
}
type Answer = 'USERAUTH_FAILURE' | 'CHANNEL_OPEN_CONFIRMATION' | 'CHANNEL_OPEN_FAILURE'
type Handler = (protocol: Protocol, ...said: readonly unknown[]) => void
type Signer = (data: Buffer, done: (signature: Buffer) => void) => void
type AuthPublicKey = (user: string, key: unknown, algorithm?: string, sign?: Signer) => void

/** What to ask for behind a login. */
export interface Ahead {
  /** How many channels to open for commands that come later. */
  readonly sessions: number
  /** A command to run on a channel of its own. `take` gets the channel while nothing of it is lost yet. */
  readonly first?: { readonly command: string; readonly take: (channel: ClientChannel) => void } | undefined
}

/** OpenSSH numbers the channels of a connection from 0, and a command names its channel by that number. */
const FIRST_CHANNEL = 0

/**
 * To be called before `signAtOnce`, whose signatures it has to see. The first sessions that somebody opens, as many as were asked for, get these
 * channels. What it returns resolves, once somebody is logged in, when the first command runs or it is known that it does not. Without a channel for
 * it the connection ends: OpenSSH ends one that names a channel which it did not open.
 */
export function openAtOnce(client: Client, { sessions, first }: Ahead, may: () => boolean): () => Promise<void> {
  const { _protocol: protocol, _chanMgr: channels } = client as unknown as Inside
  const { authPK: ask, session, exec: run, _handlers: handlers } = protocol ?? {}
  const { USERAUTH_FAILURE: failed, CHANNEL_OPEN_CONFIRMATION: opened, CHANNEL_OPEN_FAILURE: refused } = handlers ?? {}
  let settled = Promise.resolve()
  if (!protocol || !channels || !ask || !session || !run || !handlers || !failed || !opened || !refused)
    return () => settled
  let begun = false
  /** Channels that were asked for and are nobody's yet, with the server's answer once it came. */
  const free = new Map<number, (() => void) | undefined>()
  let forgetFirst = (): void => undefined

  const runFirst = ({ command, take }: NonNullable<Ahead['first']>): void => {
    const { promise, resolve } = Promise.withResolvers<void>()
    settled = promise
    let own: number | undefined
    const send = protocol.session
    protocol.session = (channel, window, packet) => {
      own = channel
      session.call(protocol, channel, window, packet)
    }
    client.exec(command, (error: (Error & { readonly reason?: unknown }) | undefined, channel) => {
      // A server that opened no channel was told to use it all the same.
      if (error?.reason !== undefined) client.destroy()
      else {
        if (!error) take(channel)
        resolve()
      }
    })
    protocol.session = send
    run.call(protocol, FIRST_CHANNEL, command, true)
    // It was sent: what the library would send when the channel is open is the same.
    protocol.exec = () => (protocol.exec = run)
    forgetFirst = () => {
      if (own !== undefined) channels.remove(own)
      protocol.exec = run
      resolve()
    }
  }
  const open = (): void => {
    if (begun || !isOpenSsh(client) || !may()) return
    begun = true
    if (first) runFirst(first)
    for (let n = 0; n < sessions; n++) {
      const channel = channels.add(() => undefined)
      free.set(channel, undefined)
      session.call(protocol, channel, WINDOW, PACKET)
    }
  }
  protocol.authPK = (user, key, algorithm, sign) => {
    const signer: Signer = (data, done) =>
      sign?.(data, (signature) => {
        done(signature)
        open()
      })
    ask.call(protocol, user, key, algorithm, sign && signer)
  }
  handlers.USERAUTH_FAILURE = (...said) => {
    for (const channel of free.keys()) channels.remove(channel)
    free.clear()
    forgetFirst()
    failed(...said)
  }
  protocol.session = (channel, window, packet) => {
    const [next] = free
    if (!next) {
      session.call(protocol, channel, window, packet)
      return
    }
    const [own, answer] = next
    free.delete(own)
    channels.update(own, channels.get(channel))
    channels.remove(channel)
    answer?.()
  }
  handlers.CHANNEL_OPEN_CONFIRMATION = held(opened, (said) => (said as { readonly recipient: number }).recipient)
  handlers.CHANNEL_OPEN_FAILURE = held(refused, (said) => said as number)
  return () => settled

  function held(handle: Handler, channelOf: (said: unknown) => number): Handler {
    return (...said) => {
      const channel = channelOf(said[1])
      if (free.has(channel)) free.set(channel, () => handle(...said))
      else handle(...said)
    }
  }
}

/**
 * The first channels of a connection, asked for behind the login instead of after its answer: a round trip less. A server takes packets in their
 * order, so a login that is accepted is followed by the channels' answers; after one that is refused, OpenSSH says that it does not
 * implement the packets (its dispatch_protocol_error), and nothing was opened. Like the ways of `at-once.ts`, this reaches into the library's inside.
 */
import type { Client } from 'ssh2'
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

/**
 * To be called before `signAtOnce`, whose signatures it has to see. The first sessions that somebody opens, `count` of them, get these
 * channels.
 */
export function openAtOnce(client: Client, count: number): void {
  const { _protocol: protocol, _chanMgr: channels } = client as unknown as Inside
  const { authPK: ask, session, _handlers: handlers } = protocol ?? {}
  const { USERAUTH_FAILURE: failed, CHANNEL_OPEN_CONFIRMATION: opened, CHANNEL_OPEN_FAILURE: refused } = handlers ?? {}
  if (!protocol || !channels || !ask || !session || !handlers || !failed || !opened || !refused) return
  let begun = false
  /** Channels that were asked for and are nobody's yet, with the server's answer once it came. */
  const free = new Map<number, (() => void) | undefined>()

  const open = (): void => {
    if (begun || !isOpenSsh(client)) return
    begun = true
    for (let n = 0; n < count; n++) {
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
    failed(...said)
  }
  protocol.session = (channel, window, packet) => {
    const [first] = free
    if (!first) {
      session.call(protocol, channel, window, packet)
      return
    }
    const [own, answer] = first
    free.delete(own)
    channels.update(own, channels.get(channel))
    channels.remove(channel)
    answer?.()
  }
  handlers.CHANNEL_OPEN_CONFIRMATION = held(opened, (said) => (said as { readonly recipient: number }).recipient)
  handlers.CHANNEL_OPEN_FAILURE = held(refused, (said) => said as number)

  function held(handle: Handler, channelOf: (said: unknown) => number): Handler {
    return (...said) => {
      const channel = channelOf(said[1])
      if (free.has(channel)) free.set(channel, () => handle(...said))
      else handle(...said)
    }
  }
}

/**
 * Round trips that the library makes and that ssh need not make: two of a login, and one of the end. All reach into the library's inside, which
 * is no part of what it documents: where it has another one, nothing changes.
 */
import type { Client, ParsedKey } from 'ssh2'

interface Inside {
  readonly _protocol?: Protocol
  /** What the server calls itself, once it said so. */
  readonly _remoteVer?: unknown
  readonly _sock?: { unref?: () => void }
  /** Begins the questions whether the server lives anew; where nothing can be sent any more it ends them. */
  readonly _resetKA?: () => void
}
interface Protocol {
  authPK?: AuthPublicKey
  service?: (name: string) => void
  readonly _handlers?: Partial<Record<'SERVICE_ACCEPT' | 'EXT_INFO', Handler>>
}
type Handler = (protocol: Protocol, said: unknown) => void
type Signer = (data: Buffer, done: (signature: Buffer) => void) => void
type AuthPublicKey = (user: string, key: ParsedKey, algorithm?: string, sign?: Signer) => void

/** Whether the server calls itself OpenSSH. */
export function isOpenSsh(client: Client): boolean {
  const software = (client as unknown as Inside)['_remoteVer']
  return typeof software === 'string' && software.startsWith('OpenSSH')
}

/** An agent's may be less than a key. */
function isPrivate(key: Partial<ParsedKey>): boolean {
  return key.isPrivateKey?.() === true
}

/** Hashes of signatures whose names tell more than the type of their key (RFC 8332). */
const HASHES: Readonly<Record<string, string>> = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }

/**
 * The library first asks whether a key would do and then signs; with the key in hand, signing at once saves that round trip (RFC 4252, 7:
 * the question is optional). Keys of an agent are asked for as before: a signature may need a finger on a device.
 */
export function signAtOnce(client: Client): void {
  const protocol = (client as unknown as Inside)['_protocol']
  const ask = protocol?.authPK
  if (!protocol || typeof ask !== 'function') return
  protocol.authPK = (user, key, algorithm, sign) => {
    const signer: Signer = (data, done) => {
      const signature = key.sign(data, HASHES[algorithm ?? ''])
      if (Buffer.isBuffer(signature)) done(signature)
      else ask.call(protocol, user, key, algorithm)
    }
    ask.call(protocol, user, key, algorithm, sign ?? (isPrivate(key) ? signer : undefined))
  }
}

/**
 * The library asks for the service that logs in, and waits for the answer before it shows its first key; a server takes both in their order
 * (RFC 4253, 10), so the key follows at once. What it follows is the list of signatures that the server takes, without which an rsa key would
 * sign in the old way: OpenSSH sends it with the end of the key exchange, and one that sends none is waited for as before. So is every server
 * unless it `may` be so.
 */
export function loginAtOnce(client: Client, may: () => boolean): void {
  const protocol = (client as unknown as Inside)['_protocol']
  const { service, _handlers: handlers } = protocol ?? {}
  const { SERVICE_ACCEPT: accepted, EXT_INFO: listed } = handlers ?? {}
  if (!protocol || !handlers || !service || !accepted || !listed) return
  protocol.service = (name) => {
    service.call(protocol, name)
    if (!isOpenSsh(client) || !may()) return
    let begun = false
    const begin = (said: unknown): void => {
      if (begun) return
      begun = true
      accepted(protocol, said)
    }
    handlers.SERVICE_ACCEPT = (_, said) => begin(said)
    handlers.EXT_INFO = (_, list) => {
      listed(protocol, list)
      begin(name)
    }
  }
}

/** Ends a connection and does not wait for the server's answer: nothing of it keeps ship from leaving. */
export function letGo(client: Client): void {
  const { _sock: socket, _resetKA: stopAsking } = client as unknown as Inside
  client.end()
  socket?.unref?.()
  stopAsking?.()
}

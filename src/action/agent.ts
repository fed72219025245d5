/**
 * An SSH agent inside the action: it holds the one key of the run in memory and signs with it, for ship's own connections and for the
 * system's `ssh`. The key is never in a file, an argument or the environment of a program. Protocol: draft-miller-ssh-agent; each
 * message is a length, a number and its fields. What is not known here (OpenSSH asks to bind its session) is refused, as the draft wants.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { ParsedKey } from 'ssh2'

const FAILURE = 5
const REQUEST_IDENTITIES = 11
const IDENTITIES_ANSWER = 12
const SIGN_REQUEST = 13
const SIGN_RESPONSE = 14
const RSA_SHA2_256 = 2
const RSA_SHA2_512 = 4
/** OpenSSH's own limit. */
const MAX_MESSAGE_BYTES = 256 * 1024

/** Answers at a socket until the process ends. `path` lies in a folder that is the user's alone. */
export async function startAgent(path: string, key: ParsedKey): Promise<Server> {
  const server = createServer((socket) => serve(socket, key))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  return server.unref()
}

function serve(socket: Socket, key: ParsedKey): void {
  let left: Buffer = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    left = Buffer.concat([left, chunk])
    for (let size = sizeOf(left); size !== undefined && left.length >= 4 + size; size = sizeOf(left)) {
      socket.write(field(answerTo(left.subarray(4, 4 + size), key)))
      left = left.subarray(4 + size)
    }
    if (left.length > MAX_MESSAGE_BYTES) socket.destroy()
  })
}

/** Undefined while it is not there yet. */
function sizeOf(bytes: Buffer): number | undefined {
  return bytes.length < 4 ? undefined : bytes.readUInt32BE(0)
}

function answerTo(message: Buffer, key: ParsedKey): Buffer {
  const blob = key.getPublicSSH()
  if (message[0] === REQUEST_IDENTITIES) {
    return Buffer.concat([Buffer.of(IDENTITIES_ANSWER), uint32(1), field(blob), field(Buffer.from('ship'))])
  }
  if (message[0] !== SIGN_REQUEST) return Buffer.of(FAILURE)
  const wanted = fieldAt(message, 1)
  const data = wanted && fieldAt(message, 5 + wanted.length)
  const end = wanted && data ? 9 + wanted.length + data.length : 0
  if (!wanted || !data || !wanted.equals(blob) || message.length !== end + 4) return Buffer.of(FAILURE)
  const signature = signed(key, data, message.readUInt32BE(end))
  return signature ? Buffer.concat([Buffer.of(SIGN_RESPONSE), field(signature)]) : Buffer.of(FAILURE)
}

/** Name of the algorithm and signature, as SSH has them. RSA has three algorithms, and the flags say which is meant. */
function signed(key: ParsedKey, data: Buffer, flags: number): Buffer | undefined {
  const hash = flags & RSA_SHA2_512 ? 'sha512' : flags & RSA_SHA2_256 ? 'sha256' : undefined
  const isRsa = key.type === 'ssh-rsa'
  const signature = isRsa && hash !== undefined ? key.sign(data, hash) : key.sign(data)
  if (!Buffer.isBuffer(signature)) return undefined
  const name = isRsa && hash !== undefined ? `rsa-sha2-${hash.slice(3)}` : key.type
  const bytes = key.type.startsWith('ecdsa-') ? integersOf(signature) : signature
  return Buffer.concat([field(Buffer.from(name)), field(bytes)])
}

/** ECDSA signatures come as DER (a sequence of two INTEGERs); SSH wants two mpints, which hold the same bytes (RFC 5656, 3.1.2). */
function integersOf(der: Buffer): Buffer {
  // The length of the sequence takes two bytes for the largest curve.
  const first = der[1] === 0x81 ? 3 : 2
  const r = der.subarray(first + 2, first + 2 + (der[first + 1] ?? 0))
  const second = first + 2 + r.length
  const s = der.subarray(second + 2, second + 2 + (der[second + 1] ?? 0))
  return Buffer.concat([field(r), field(s)])
}

/** The bytes of a field; undefined when the message ends before it does. */
function fieldAt(message: Buffer, at: number): Buffer | undefined {
  if (message.length < at + 4) return undefined
  const end = at + 4 + message.readUInt32BE(at)
  return end <= message.length ? message.subarray(at + 4, end) : undefined
}

function field(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

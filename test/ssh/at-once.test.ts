/** The order of packets in a login, against a server that answers the first one only when the second one is there. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2, { type Connection, type ServerConfig } from 'ssh2'
import { afterAll, afterEach, expect, it } from 'vitest'
import { connectSsh } from '../../src/ssh/connect.ts'
import { parseKey } from '../../src/ssh/keys.ts'
import { SIGNAL } from '../support/bundle.ts'
import { generateKey } from '../support/keys.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const KEYS = ['ed25519', 'ecdsa', 'rsa'] as const

const dir = mkdtempSync(join(tmpdir(), 'ship-at-once-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** By ssh-keygen: of the keys that the library makes, it cannot read one now and then itself. */
function newKey(kind: (typeof KEYS)[number]): string {
  return readFileSync(generateKey(join(dir, kind), { type: kind }).file, 'utf8')
}

type Handler = (protocol: unknown, said: unknown) => void
interface Inside {
  readonly _protocol: { readonly _handlers: Record<'SERVICE_REQUEST' | 'USERAUTH_REQUEST', Handler> }
}

/** Answers the request for the service when a key was shown, or after a while; `shown` says which it was, and by which signature. */
async function serve(ident: string): Promise<{ readonly port: number; readonly shown: string[] }> {
  const shown: string[] = []
  const hold = (connection: Connection): void => {
    const handlers = (connection as unknown as Inside)['_protocol']['_handlers']
    const { SERVICE_REQUEST: accept, USERAUTH_REQUEST: authenticate } = handlers
    let isAccepted = false
    handlers.SERVICE_REQUEST = (...args) => {
      const answer = (when: string): void => {
        if (isAccepted) return
        isAccepted = true
        shown.push(when)
        accept(...args)
      }
      handlers.USERAUTH_REQUEST = (...request) => {
        answer('at once')
        authenticate(...request)
      }
      setTimeout(() => answer('later'), 2000).unref()
    }
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => {
      // Only a signature of an rsa key has a hash beside its kind, and the old way has none.
      if (context.method === 'publickey') shown.push(context.hashAlgo ?? context.key.algo)
      context.accept()
    })
  }
  const server = new ssh2.Server({ hostKeys: [newKey('ed25519')], ident } satisfies ServerConfig, hold)
  closing.push(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, shown }
}

async function login(port: number, kind: (typeof KEYS)[number]): Promise<void> {
  const key = parseKey(newKey(kind), undefined)
  if (typeof key === 'string') throw new Error(key)
  const client = await connectSsh({
    options: {
      hostname: '127.0.0.1',
      port,
      user: 'ada',
      knownNames: [],
      identityFiles: [],
      identitiesOnly: true,
      agent: undefined,
      knownHostsFiles: [],
      jumps: [],
      connectTimeoutMs: 20_000,
    },
    verifier: { verify: () => undefined, keyTypes: [] },
    identities: { agent: undefined, keys: [{ title: kind, key }], problems: [] },
    signal: SIGNAL,
  })
  client.end()
}

it('OpenSSH is shown the key before it has answered, which saves a round trip; an rsa key signs in the new way', async () => {
  const { port, shown } = await serve('OpenSSH_9.6')
  for (const kind of KEYS) await login(port, kind)
  expect(shown).toEqual(['at once', 'ssh-ed25519', 'at once', 'ecdsa-sha2-nistp256', 'at once', 'sha256'])
})

it('another server is waited for', async () => {
  const { port, shown } = await serve('dropbear_2022.83')
  await login(port, 'ed25519')
  expect(shown).toEqual(['later', 'ssh-ed25519'])
})

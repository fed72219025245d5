/** The order of packets in a login, against a server that answers the first one only when the second one is there. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2, { type Client, type ClientChannel, type Connection, type ParsedKey, type ServerConfig } from 'ssh2'
import { afterAll, afterEach, expect, it } from 'vitest'
import { signAtOnce } from '../../src/ssh/at-once.ts'
import { connectSsh } from '../../src/ssh/connect.ts'
import { parseKey } from '../../src/ssh/keys.ts'
import { openAtOnce, PACKET, WINDOW, type Ahead } from '../../src/ssh/open-at-once.ts'
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

type Handler = (protocol: unknown, said: unknown) => unknown
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
  const client = await connect(port, [kind])
  client.end()
}

/** A connection whose login shows new keys of these kinds. */
function connect(
  port: number,
  kinds: readonly (typeof KEYS)[number][],
  ahead?: Ahead,
  connectTimeoutMs = 20_000,
): Promise<Client> {
  return connectSsh({
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
      connectTimeoutMs,
    },
    verifier: { verify: () => undefined, keyTypes: [] },
    identities: Promise.resolve({
      agent: undefined,
      keys: kinds.map((title) => ({ title, key: keyOf(title) })),
      problems: [],
    }),
    ahead,
    signal: SIGNAL,
  })
}

function keyOf(kind: (typeof KEYS)[number]): ParsedKey {
  const key = parseKey(newKey(kind), undefined)
  if (typeof key === 'string') throw new Error(key)
  return key
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

interface Opened {
  readonly port: number
  /** What came in, in its order; a login is answered when a channel was asked for, or after a while. */
  readonly came: string[]
}

/** Takes an ed25519 key, and answers commands with themselves; the first connections, as many as are `refusing`, open no channel. */
async function serveChannels(ident: string, { refusing = 0, silent = false } = {}): Promise<Opened> {
  const taken = 'ssh-ed25519'
  const came: string[] = []
  let connections = 0
  const server = new ssh2.Server({ hostKeys: [newKey('ed25519')], ident }, (connection) => {
    const handlers = (connection as unknown as { _protocol: { _handlers: Record<string, Handler> } })['_protocol'][
      '_handlers'
    ]
    const { CHANNEL_OPEN: open, CHANNEL_REQUEST: request } = handlers
    const refuses = ++connections <= refusing
    let answer = (): void => undefined
    const held: (() => void)[] = []
    let isIn = false
    /** Whether what came before the answer was handled. */
    let isThrough = false
    handlers['CHANNEL_OPEN'] = (...said) => {
      came.push('channel')
      // As OpenSSH, which has read the login by then: what comes behind one that is refused is not taken.
      if (isThrough) open?.(...said)
      else held.push(() => isIn && open?.(...said))
      // What comes in the same piece was sent before the answer.
      setImmediate(() => answer())
    }
    handlers['CHANNEL_REQUEST'] = (...said) => {
      if (isThrough) return request?.(...said)
      came.push('command')
      return held.push(() => isIn && request?.(...said))
    }
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => {
      if (context.method !== 'publickey') return context.reject()
      came.push(context.signature ? `login ${context.key.algo}` : 'question')
      if (!context.signature) return context.accept()
      const late = setTimeout(() => answer(), 1000)
      answer = () => {
        answer = () => undefined
        clearTimeout(late)
        isIn = context.key.algo === taken
        if (isIn) context.accept()
        else context.reject()
        came.push(isIn ? 'welcome' : 'refused')
        // Behind its answer.
        setImmediate(() => {
          held.splice(0).forEach((go) => go())
          isThrough = isIn
        })
      }
    })
    connection.on('session', (accept, reject) => {
      if (silent) return
      if (refuses) return reject()
      accept().on('exec', (take, _reject, { command }) => {
        const channel = take()
        channel.write(`${command} done`)
        channel.exit(0)
        channel.end()
      })
    })
  })
  closing.push(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, came }
}

/** What a command answers, on each of so many channels. */
async function answers(client: Client, count: number): Promise<string[]> {
  const answered = Array.from({ length: count }, (_, n) => {
    return new Promise<string>((resolve, reject) => {
      client.exec(`command ${n}`, (error, channel) => {
        if (error) return reject(error)
        let text = ''
        channel.on('data', (chunk: Buffer) => (text += chunk.toString()))
        channel.on('close', () => resolve(text))
        return channel.end()
      })
    })
  })
  return Promise.all(answered)
}

const ANSWERS = ['command 0 done', 'command 1 done', 'command 2 done']

it('OpenSSH is asked for channels before it has answered the login, and each command gets one', async () => {
  const { port, came } = await serveChannels('OpenSSH_9.6')
  const client = await connect(port, ['ed25519'], { sessions: 2 })
  expect(await answers(client, 3)).toEqual(ANSWERS)
  client.end()
  expect(came).toEqual(['login ssh-ed25519', 'channel', 'channel', 'welcome', 'channel'])
})

it('such a channel is told as the library tells its own, which counts by that', () => {
  const inside = createRequire(import.meta.url)('ssh2/lib/Channel.js') as { MAX_WINDOW: number; PACKET_SIZE: number }
  expect({ WINDOW, PACKET }).toEqual({ WINDOW: inside.MAX_WINDOW, PACKET: inside.PACKET_SIZE })
})

it('another server is asked for channels when it has answered', async () => {
  const { port, came } = await serveChannels('Teleport')
  const client = await connect(port, ['ed25519'], { sessions: 2 })
  expect(await answers(client, 3)).toEqual(ANSWERS)
  client.end()
  expect(came.slice(-4)).toEqual(['welcome', 'channel', 'channel', 'channel'])
})

it('behind one of several keys no channel is asked for', async () => {
  const { port, came } = await serveChannels('OpenSSH_9.6')
  const client = await connect(port, ['ecdsa', 'ed25519'], { sessions: 1 })
  expect(await answers(client, 3)).toEqual(ANSWERS)
  client.end()
  const welcome = ['refused', 'login ssh-ed25519', 'welcome', 'channel', 'channel', 'channel']
  expect(came).toEqual(['login ecdsa-sha2-nistp256', ...welcome])
})

it('channels that were asked for behind a login that is refused are asked for again, once', async () => {
  const { port, came } = await serveChannels('OpenSSH_9.6')
  const client = new ssh2.Client()
  const keys = (['ecdsa', 'ed25519'] as const).map((kind) => ({
    type: 'publickey' as const,
    username: 'ada',
    key: keyOf(kind),
  }))
  client.connect({
    host: '127.0.0.1',
    port,
    username: 'ada',
    authHandler: (_left, _partial, next) => next(keys.shift() ?? 'none'),
  })
  const began: string[] = []
  const settled = openAtOnce(
    client,
    { sessions: 1, first: { command: 'first', take: () => began.push('first') } },
    () => true,
  )
  signAtOnce(client)
  await once(client, 'ready')
  await settled()
  expect(await answers(client, 3)).toEqual(ANSWERS)
  expect(began).toEqual([])
  client.end()
  const welcome = ['refused', 'login ssh-ed25519', 'welcome', 'channel', 'channel', 'channel']
  expect(came).toEqual(['login ecdsa-sha2-nistp256', 'channel', 'command', 'channel', ...welcome])
}, 20_000)

/** A first command, and what it answers. */
function firstCommand(): { readonly first: NonNullable<Ahead['first']>; readonly answer: Promise<string> } {
  const { promise: answer, resolve } = Promise.withResolvers<string>()
  const take = (channel: ClientChannel): void => {
    let text = ''
    channel.on('data', (chunk: Buffer) => (text += chunk.toString()))
    channel.on('close', () => resolve(text))
    channel.end()
  }
  return { first: { command: 'first', take }, answer }
}

it('OpenSSH gets the first command before it has answered the login, once', async () => {
  const { port, came } = await serveChannels('OpenSSH_9.6')
  const { first, answer } = firstCommand()
  const client = await connect(port, ['ed25519'], { sessions: 2, first })
  expect(await answers(client, 3)).toEqual(ANSWERS)
  expect(await answer).toBe('first done')
  client.end()
  expect(came).toEqual(['login ssh-ed25519', 'channel', 'command', 'channel', 'channel', 'welcome', 'channel'])
})

it('another server gets no command before somebody opens a channel for it', async () => {
  const { port, came } = await serveChannels('Teleport')
  const { first } = firstCommand()
  const client = await connect(port, ['ed25519'], { sessions: 2, first })
  client.end()
  expect(came.filter((word) => word !== 'question')).toEqual(['login ssh-ed25519', 'welcome'])
})

it('a server that says nothing behind the login is not waited for longer than for the login', async () => {
  const { port } = await serveChannels('OpenSSH_9.6', { silent: true })
  const waiting = connect(port, ['ed25519'], { sessions: 1, ...firstCommand() }, 1500)
  await expect(waiting).rejects.toMatchObject({ message: `no answer from 127.0.0.1 port ${port}` })
}, 15_000)

it('a server that opens no channel behind the login is connected to again, and asked for nothing there', async () => {
  const { port, came } = await serveChannels('OpenSSH_9.6', { refusing: 1 })
  const client = await connect(port, ['ed25519'], { sessions: 1, ...firstCommand() })
  expect(await answers(client, 1)).toEqual(ANSWERS.slice(0, 1))
  client.end()
  const again = came.slice(came.indexOf('login ssh-ed25519', 1))
  expect(again.filter((word) => word !== 'question')).toEqual(['login ssh-ed25519', 'welcome', 'channel'])
})

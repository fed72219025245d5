/** Every kind of health check, against real servers, from this machine and through sshd that forwards or does not. */
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GateSpec } from '../../src/config/environment.ts'
import type { GateHost } from '../../src/gates/gate.ts'
import { gateByKey, gates } from '../../src/gates/index.ts'
import { openSession } from '../../src/host/open.ts'
import { parseHostName } from '../../src/names.ts'
import { passGate } from '../../src/release/gate.ts'
import { SIGNAL } from '../support/bundle.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'

const closing: (() => Promise<unknown>)[] = []
afterAll(() => Promise.all(closing.map((close) => close())))

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

const web = (handler: RequestListener): Promise<number> => listen(createHttp(handler))

async function gateHost(transport: 'local' | 'sftp'): Promise<GateHost> {
  const host = {
    name: parseHostName('web1'),
    address: 'web1',
    roles: [],
    labels: {},
    env: {},
    deployTo: tmpdir(),
    transport,
  }
  const session = await openSession(host, { signal: SIGNAL })
  closing.push(() => session.close())
  return session
}

const ask = async (host: GateHost, key: string, options: object, signal = SIGNAL) => {
  const gate = gateByKey(key)
  return gate.probe(host, gate.options.parse(options), signal)
}

function spec(key: string, options: object, parts: Partial<GateSpec> = {}): GateSpec {
  const timing = { intervalMs: 50, timeoutMs: 500, deadlineMs: 1500, successes: 1 }
  return { kind: key, options: gateByKey(key).options.parse(options), role: undefined, ...timing, ...parts }
}

it('has a test for every kind', () => {
  expect(gates.map((g) => g.key)).toEqual(['http', 'tcp', 'exec'])
})

const asks = (open: () => Promise<GateHost>): void => {
  let host: GateHost
  beforeAll(async () => void (host = await open()))

  it('http judges status and body, and sends headers', async () => {
    const port = await web((request, response) => {
      response.statusCode = Number(request.url?.slice(1)) || 200
      response.end(`hello ${String(request.headers['x-probe'] ?? 'nobody')} at ${request.headers.host ?? ''}\n`)
    })
    const http = (path: string, more: object = {}) =>
      ask(host, 'http', { http: `http://127.0.0.1:${port}/${path}`, ...more })
    expect(await http('')).toEqual({ ok: true, said: '200' })
    expect(await http('302')).toMatchObject({ ok: true })
    expect(await http('500')).toMatchObject({ ok: false, said: expect.stringMatching(/^500 "hello/) })
    expect(await http('503', { expect: [200, 503] })).toMatchObject({ ok: true })
    expect(await http('204', { expect: 200 })).toMatchObject({ ok: false })
    expect(await http('', { body: 'hello ada', headers: { 'x-probe': 'ada' } })).toMatchObject({ ok: true })
    expect(await http('', { body: 'goodbye' })).toMatchObject({ ok: false })
  })

  it('a port where nobody listens is an answer', async () => {
    const server = createTcp()
    const port = await listen(server)
    await new Promise((resolve) => server.close(resolve))
    for (const [key, options] of [
      ['http', { http: `http://127.0.0.1:${port}/` }],
      ['tcp', { tcp: `127.0.0.1:${port}` }],
    ] as const) {
      expect(await ask(host, key, options)).toMatchObject({
        ok: false,
        said: expect.stringMatching(/refused|connect|forbids/i),
      })
    }
  })

  it('exec judges the exit code and shows the last line', async () => {
    expect(await ask(host, 'exec', { exec: 'echo fine' })).toEqual({ ok: true, said: 'fine' })
    expect(await ask(host, 'exec', { exec: 'echo one; echo locked >&2; exit 2' })).toEqual({
      ok: false,
      said: 'exit 2: locked',
    })
    expect(await ask(host, 'exec', { exec: ['test', '-d', '/nowhere $HOME'] })).toEqual({ ok: false, said: 'exit 1' })
  })
}

describe('on this machine', () => asks(() => gateHost('local')))

describeOverSsh('through sshd', () => {
  let fleet: Fleet
  beforeAll(async () => {
    fleet = await startFleet(1)
    process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
  })
  afterAll(() => fleet.dispose())
  asks(() => gateHost('sftp'))

  it('tcp connects from the host', async () => {
    const port = await listen(createTcp((socket) => socket.end()))
    expect(await ask(await gateHost('sftp'), 'tcp', { tcp: `127.0.0.1:${port}` })).toEqual({
      ok: true,
      said: 'connected',
    })
  })
})

describeOverSsh('through sshd that forbids forwarding', () => {
  let fleet: Fleet
  beforeAll(async () => {
    fleet = await startFleet(1, { config: ['AllowTcpForwarding no'] })
    process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
  })
  afterAll(() => fleet.dispose())
  asks(() => gateHost('sftp'))
})

describe('the gate', () => {
  let host: GateHost
  beforeAll(async () => void (host = await gateHost('local')))

  it('waits until the answers are good, so many in a row', async () => {
    const answers = [500, 200, 500, 200, 200, 200]
    let asked = 0
    const port = await web((_, response) => {
      response.statusCode = answers[asked++] ?? 500
      response.end()
    })
    await passGate([spec('http', { http: `http://127.0.0.1:${port}/` }, { successes: 3 })], host, SIGNAL)
    expect(asked).toBe(6)
  })

  it('gives up at the deadline and tells what it saw', async () => {
    const port = await web((_, response) => void response.writeHead(503).end('warming up'))
    const error = await passGate([spec('http', { http: `http://127.0.0.1:${port}/` })], host, SIGNAL).catch(
      (e: unknown) => e,
    )
    expect(error).toMatchObject({
      message: expect.stringContaining('not healthy within 1.5 s: 503 "warming up"'),
      details: [expect.stringContaining('gate: http'), expect.stringContaining('after 0.0 s: 503')],
    })
  })

  it('does not hang on a server that accepts and says nothing', async () => {
    const port = await listen(createTcp(() => undefined))
    const error = await passGate([spec('http', { http: `http://127.0.0.1:${port}/` })], host, SIGNAL).catch(
      (e: unknown) => e,
    )
    expect(error).toMatchObject({ message: expect.stringContaining('no answer within 0.5 s') })
  })

  it('ends at once when it is aborted', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const passing = passGate(
      [spec('exec', { exec: 'sleep 10' }, { timeoutMs: 20_000, deadlineMs: 60_000 })],
      host,
      controller.signal,
    )
    const outcome = passing.catch((error: unknown) => error)
    await sleep(200)
    controller.abort(reason)
    expect(await outcome).toBe(reason)
  })
})

/** Every kind of health check, against real servers, from this machine and through sshd that forwards or does not. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
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
  const timing = { intervalMs: 50, timeoutMs: 500, deadlineMs: 1500, successes: 1, holdMs: 0, from: 'host' as const }
  return { kind: key, options: gateByKey(key).options.parse(options), role: undefined, ...timing, ...parts }
}

/** Plainly a fake: answers `systemctl show` with the lines of a file. */
const FAKE_SYSTEMCTL = '#!/bin/sh\nprintf "%s\\n" "$*" >>"$FAKE/asked"\ncat "$FAKE/unit"\n'

function up(restarts: number): string {
  return `LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=${restarts}\nResult=success\n`
}

it('has a test for every kind', () => {
  expect(gates.map((g) => g.key)).toEqual(['http', 'tcp', 'exec', 'systemd'])
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

  it('http asks by other methods, and judges by pattern and headers', async () => {
    const port = await web((request, response) => {
      response.setHeader('X-Release', '1.4.2')
      response.end(request.method === 'HEAD' ? undefined : `status:\nok ${request.method ?? ''}\n`)
    })
    const http = (more: object) => ask(host, 'http', { http: `http://127.0.0.1:${port}/`, ...more })
    expect(await http({ method: 'POST', body: 'ok POST' })).toEqual({ ok: true, said: '200' })
    expect(await http({ method: 'HEAD', expectHeaders: { 'x-release': '1.4.2' } })).toEqual({ ok: true, said: '200' })
    expect(await http({ matches: '^ok [A-Z]+$' })).toEqual({ ok: true, said: '200' })
    expect(await http({ matches: '^GET$' })).toEqual({ ok: false, said: '200 without a match of /^GET$/ "status:"' })
    expect(await http({ expectHeaders: { 'x-release': '1.5' } })).toEqual({
      ok: false,
      said: '200, but "x-release" is "1.4.2"',
    })
    expect(await http({ expectHeaders: { 'x-other': '' } })).toEqual({ ok: false, said: '200, but "x-other" has none' })
  })

  it('systemd wants the unit active, in its state, and not restarting (systemctl is a fake here: no systemd runs)', async () => {
    const bin = mkdtempSync(join(tmpdir(), 'ship-fake-systemctl-'))
    closing.push(() => rm(bin, { recursive: true, force: true }))
    await writeFile(join(bin, 'systemctl'), FAKE_SYSTEMCTL, { mode: 0o755 })
    const unit = (lines: string): Promise<void> => writeFile(join(bin, 'unit'), lines)
    const faked: GateHost = {
      dial: (...args) => host.dial(...args),
      run: (argv, options) =>
        host.run(argv, { ...options, env: { PATH: `${bin}:${process.env['PATH'] ?? ''}`, FAKE: bin } }),
    }
    const memory = new Map<string, string>()
    const gate = gateByKey('systemd')
    const show = (options: object) =>
      gate.probe(faked, gate.options.parse({ systemd: 'shop.service', ...options }), SIGNAL, memory)

    await unit('LoadState=not-found\nActiveState=inactive\nSubState=dead\n')
    expect(await show({})).toEqual({ ok: false, said: 'the unit is not-found' })
    await unit(up(2))
    expect(await show({})).toEqual({ ok: true, said: 'active (running)' })
    // It was down between two questions: it looks well, and is not.
    await unit(up(3))
    expect(await show({})).toEqual({ ok: false, said: 'active (running), but was restarted again (3 times by now)' })
    expect(await show({})).toEqual({ ok: true, said: 'active (running)' })
    await unit('LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nNRestarts=7\nResult=exit-code\n')
    expect(await show({})).toEqual({ ok: false, said: 'activating (auto-restart): exit-code, restarted 7 times' })
    await unit('LoadState=loaded\nActiveState=active\nSubState=exited\nNRestarts=0\nResult=success\n')
    expect(await show({})).toEqual({ ok: false, said: 'active (exited)' })
    expect(await show({ state: 'exited' })).toEqual({ ok: true, said: 'active (exited)' })
    expect(await show({ systemd: 'shop.timer' })).toEqual({ ok: true, said: 'active (exited)' })
    // What was asked, word by word: a name cannot become an option.
    expect((await readFile(join(bin, 'asked'), 'utf8')).split('\n')[0]).toBe(
      'show --property=LoadState --property=ActiveState --property=SubState --property=NRestarts --property=Result -- shop.service',
    )
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

  it('holds: good answers must stay good, and one bad one begins it anew', async () => {
    const started = performance.now()
    const port = await web((_, response) => {
      const passed = performance.now() - started
      response.statusCode = passed > 300 && passed < 500 ? 500 : 200
      response.end()
    })
    const check = spec('http', { http: `http://127.0.0.1:${port}/` }, { holdMs: 600 })
    await passGate([check], host, SIGNAL)
    // Not 600 ms after the first good answer: 600 ms after the bad ones.
    expect(performance.now() - started).toBeGreaterThan(1050)
  })

  it('that was healthy and did not stay so is told as that, with the last answer of every other check', async () => {
    const started = performance.now()
    const port = await web((_, response) => {
      response.statusCode = performance.now() - started < 400 ? 200 : 500
      response.end()
    })
    const checks = [
      spec('http', { http: `http://127.0.0.1:${port}/` }, { holdMs: 1000, deadlineMs: 800 }),
      spec('exec', { exec: 'echo warming up; exit 1' }, { deadlineMs: 60_000 }),
    ]
    const error = await passGate(checks, host, SIGNAL).catch((e: unknown) => e)
    expect(error).toMatchObject({
      message: 'did not stay healthy for 1 s: 500',
      details: expect.arrayContaining([
        expect.stringMatching(/^gate: exec/),
        expect.stringContaining('exit 1: warming up'),
      ]),
    })
  })

  it('asks from this machine when it is told to, each host by its own names', async () => {
    const port = await web((request, response) => void response.end(request.headers.host))
    const nowhere: GateHost = {
      run: () => Promise.reject(new Error('asked on the host')),
      dial: () => Promise.reject(new Error('asked on the host')),
    }
    const asking: GateHost = { ...nowhere, client: host, names: { address: '127.0.0.1', port: String(port) } }
    const check = (from: 'host' | 'client') =>
      spec('http', { http: 'http://{address}:{port}/', body: `127.0.0.1:${port}` }, { from, deadlineMs: 200 })
    expect(await passGate([check('client')], asking, SIGNAL)).toBe('200')
    await expect(passGate([check('host')], asking, SIGNAL)).rejects.toThrow('asked on the host')
  })

  it.skipIf(!existsSync('/usr/bin/openssl'))(
    'verifies TLS by an own authority, for the name (needs openssl)',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'ship-tls-'))
      closing.push(() => rm(dir, { recursive: true, force: true }))
      const names = ['-subj', '/CN=shop.internal', '-addext', 'subjectAltName=DNS:shop.internal']
      const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'ca.pem')]
      execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names, ...files], {
        stdio: 'ignore',
      })
      const asked: string[] = []
      const [key, cert] = [await readFile(join(dir, 'key.pem')), await readFile(join(dir, 'ca.pem'))]
      const server = createHttps({ key, cert }, (request, response) => {
        asked.push(`${(request.socket as TLSSocket).servername || 'none'} ${request.headers.host ?? ''}`)
        response.end('ok')
      })
      const port = await listen(server)
      const gate = gateByKey('http')
      const https = async (more: object) => {
        const options = gate.options.parse({ http: `https://127.0.0.1:${port}/`, ...more })
        const scope = { projectDir: dir, hosts: [{ name: 'web1', names: {} }] }
        return gate.probe(host, (await gate.prepare?.(options, scope)) ?? options, SIGNAL)
      }
      expect(await https({})).toMatchObject({ ok: false, said: expect.stringMatching(/self-signed|certificate/) })
      expect(await https({ insecure: true })).toEqual({ ok: true, said: '200' })
      expect(await https({ ca: 'ca.pem', serverName: 'shop.internal' })).toEqual({ ok: true, said: '200' })
      expect(await https({ ca: 'ca.pem' })).toMatchObject({ ok: false, said: expect.stringContaining('127.0.0.1') })
      expect(await https({ ca: 'ca.pem', serverName: 'other.internal' })).toMatchObject({
        ok: false,
        said: expect.stringContaining('other.internal'),
      })
      expect(asked).toEqual([`none 127.0.0.1:${port}`, `shop.internal shop.internal:${port}`])
      await expect(https({ ca: 'nowhere.pem' })).rejects.toMatchObject({ reason: 'config' })
      await expect(https({ ca: 'key.pem' })).rejects.toThrow('holds no certificate')
      const unknown = gate.options.parse({ http: 'http://{port}/' })
      const scope = { projectDir: dir, hosts: [{ name: 'web1', names: {} }] }
      await expect(gate.prepare?.(unknown, scope)).rejects.toThrow('host "web1" has no label "port"')
    },
  )

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

  it('asks once more when the time is up', async () => {
    const since = performance.now()
    const port = await web((_, response) => void response.writeHead(performance.now() - since < 900 ? 503 : 200).end())
    const slow = spec('http', { http: `http://127.0.0.1:${port}/` }, { intervalMs: 800, deadlineMs: 1200 })
    expect(await passGate([slow], host, SIGNAL)).toBe('200')
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

it('a name that the host cannot resolve is told as that, and not in words of ssh', async () => {
  const dial = (): Promise<never> => Promise.reject(new Error('(SSH) Channel open failure: Name or service not known'))
  const host: GateHost = { ...(await gateHost('local')), dial }
  const { said } = await ask(host, 'http', { http: 'http://web1.internal:8080/' })
  expect(said).toBe('the name "web1.internal" cannot be resolved there')
})

/** Each transport fulfils one contract: the same questions to a folder of this machine and to a real sshd, by the library and by the system's ssh. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseHostName } from '../../src/names.ts'
import { openTransport, type TransportName } from '../../src/transport/index.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { SIGNAL } from '../support/bundle.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'

/** Every name of the registry must stand here: the type says so. */
const DESCRIBES: Record<TransportName, typeof describeOverSsh> = {
  local: describe.skipIf(false),
  rsync: describeOverSsh,
  sftp: describeOverSsh,
}

let dir = ''
let fleet: Fleet | undefined
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-transport-'))))
afterAll(async () => {
  await fleet?.dispose()
  rmSync(dir, { recursive: true, force: true })
})

async function open(name: TransportName): Promise<Transport> {
  if (name !== 'local') {
    fleet ??= await startFleet(1)
    process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
  }
  const host = {
    name: parseHostName('web1'),
    address: 'web1',
    roles: [],
    labels: {},
    env: {},
    deployTo: dir,
    transport: name,
  }
  return openTransport(host, { signal: SIGNAL })
}

for (const [name, describeTransport] of Object.entries(DESCRIBES) as [TransportName, typeof describeOverSsh][]) {
  describeTransport(name, () => {
    let transport: Transport
    beforeAll(async () => void (transport = await open(name)))
    afterAll(() => transport.close())
    const run = (text: string, args: string[] = [], more: Partial<Parameters<Transport['exec']>[1]> = {}) =>
      transport.exec({ name: 'test', text, args }, { signal: SIGNAL, ...more })

    it('runs a script with its arguments as they are, and tells how it ended', async () => {
      const args = [`it's`, '"two  words"', '$(touch pwned)', '', '-n', 'a\nb', 'é']
      const { code, stdout, stderr } = await run('printf "%s|" "$@"; echo no >&2; exit 7', args)
      expect({ code, stdout, stderr }).toEqual({ code: 7, stdout: args.map((a) => `${a}|`).join(''), stderr: 'no\n' })
      const killed = await run('kill -KILL $$')
      expect(killed.code === null || killed.code > 128).toBe(true)
    })

    it('feeds a script, whole and binary, and ends its input', async () => {
      const bytes = Buffer.alloc(5_000_000, 'binary \0 \xff')
      const { stdout } = await run('wc -c', [], {
        stdin: Readable.from([bytes.subarray(0, 70_000), bytes.subarray(70_000)]),
      })
      expect(stdout.trim()).toBe('5000000')
      expect((await run('wc -c')).stdout.trim()).toBe('0')
    })

    it('is not upset by a script that does not read its input', async () => {
      const { code, stdout } = await run('echo done; exit 3', [], { stdin: Readable.from([Buffer.alloc(3_000_000)]) })
      expect({ code, stdout }).toEqual({ code: 3, stdout: 'done\n' })
    })

    it('tells an input that cannot be read here as that, and not as a lost connection', async () => {
      const broken = async function* (): AsyncGenerator<Buffer> {
        yield Buffer.alloc(1000)
        await sleep(50)
        throw new Error('no more of it')
      }
      await expect(run('cat >/dev/null; sleep 1', [], { stdin: Readable.from(broken()) })).rejects.toThrow(
        /no more of it/,
      )
    })

    it('keeps so much of the output and drops the rest', async () => {
      const { stdout, truncated } = await run('yes | head -c 3000000', [], { maxOutputBytes: 1000 })
      expect(stdout).toHaveLength(1000)
      expect(truncated).toBe(true)
    })

    it('gives a late script up, and an aborted one', async () => {
      const late = await run('echo started; sleep 20', [], { timeoutMs: 300 })
      expect(late.timedOut).toBe(true)
      const controller = new AbortController()
      const reason = new Error('enough')
      setTimeout(() => controller.abort(reason), 200)
      await expect(run('sleep 20', [], { signal: controller.signal })).rejects.toBe(reason)
    })

    it('does not wait for what a script leaves behind', async () => {
      const started = performance.now()
      const { code, stdout } = await run('sleep 15 & echo $!')
      expect(code).toBe(0)
      expect(performance.now() - started).toBeLessThan(8000)
      process.kill(Number(stdout))
    })

    it('reads files, none, and not too large ones', async () => {
      writeFileSync(join(dir, 'file'), 'content\n')
      expect((await transport.read(join(dir, 'file'), 100))?.toString()).toBe('content\n')
      expect(await transport.read(join(dir, 'none'), 100)).toBeUndefined()
      await expect(transport.read(join(dir, 'file'), 3)).rejects.toMatchObject({ reason: 'refused' })
    })

    it('connects from the host', async () => {
      const server = createServer((socket) => socket.end('hello'))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
      const { port } = server.address() as AddressInfo
      const socket = await transport.dial('127.0.0.1', port, SIGNAL)
      const chunks = (await socket.toArray()) as Buffer[]
      expect(Buffer.concat(chunks).toString()).toBe('hello')
      socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await expect(transport.dial('127.0.0.1', port, SIGNAL)).rejects.toThrow(/connection refused|ECONNREFUSED/i)
    })
  })
}

describeOverSsh.for(['sftp', 'rsync'] as const)('a link that breaks, over %s', (name) => {
  it('is an error, never an end: nobody knows how far the script got', async () => {
    const transport = await open(name)
    const running = transport.exec({ name: 'long', text: 'echo begun; sleep 20', args: [] }, { signal: SIGNAL })
    const outcome = running.then(
      () => 'ended',
      (error: unknown) => error,
    )
    await sleep(500)
    await fleet?.hosts[0]?.sshd.cut()
    expect(await outcome).toMatchObject({ reason: 'unreachable' })
    expect(transport.connected).toBe(false)
    await expect(transport.exec({ name: 'x', text: 'true', args: [] }, { signal: SIGNAL })).rejects.toMatchObject({
      reason: 'unreachable',
    })
    await transport.close()
  })
})

describeOverSsh('a host that runs one program at a time', () => {
  it('is told as that, not as a lost connection', async () => {
    const one = await startFleet(1, { config: ['MaxSessions 1'] })
    process.env['SHIP_SSH_CONFIG'] = one.sshConfigFile
    const place = { name: parseHostName('web1'), address: 'web1', deployTo: dir, transport: 'rsync' } as const
    const transport = await openTransport({ ...place, roles: [], labels: {}, env: {} }, { signal: SIGNAL })
    try {
      await expect(transport.exec({ name: 'x', text: 'true', args: [] }, { signal: SIGNAL })).rejects.toMatchObject({
        message: 'the host refused to run "x"',
        next: [expect.stringContaining('MaxSessions')],
      })
    } finally {
      await transport.close()
      await one.dispose()
    }
  })
})

describeOverSsh.for(['sftp', 'rsync'] as const)('a host that forwards nothing, over %s', (name) => {
  it('is told by these words, by which checks know to ask in another way', async () => {
    const closed = await startFleet(1, { config: ['AllowTcpForwarding no'] })
    process.env['SHIP_SSH_CONFIG'] = closed.sshConfigFile
    const place = { name: parseHostName('web1'), address: 'web1', deployTo: dir, transport: name } as const
    const transport = await openTransport({ ...place, roles: [], labels: {}, env: {} }, { signal: SIGNAL })
    try {
      await expect(transport.dial('127.0.0.1', 22, SIGNAL)).rejects.toThrow(/administratively prohibited/)
    } finally {
      await transport.close()
      await closed.dispose()
    }
  })
})

describeOverSsh('files that are like those of the host', () => {
  it('are compared by content, whatever sizes and times say', async () => {
    const transport = await open('rsync')
    const [here, near, to] = ['here', 'near', 'to'].map((name) => join(dir, name)) as [string, string, string]
    for (const [folder, text] of [
      [here, 'new!'],
      [near, 'old!'],
    ] as const) {
      mkdirSync(folder)
      writeFileSync(join(folder, 'file'), text)
      utimesSync(join(folder, 'file'), 1e9, 1e9)
    }
    await transport.push?.({ folder: here, paths: ['file'], near, to }, { signal: SIGNAL })
    expect(readFileSync(join(to, 'file'), 'utf8')).toBe('new!')
    await transport.close()
  })
})

/** `connect` reaches a host as the user's ssh would and trusts as it does; a connection that breaks is told, and leaves files whole. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { HostError } from '../../src/host-error.ts'
import { connect, ShipError } from '../../src/index.ts'
import { startFleet, type Fleet, type FleetHost } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'

let fleet: Fleet
let first: FleetHost
let dir = ''
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-connect-'))
  fleet = await startFleet(1)
  const [one] = fleet.hosts
  if (!one) throw new Error('no host')
  first = one
})
afterAll(async () => {
  await fleet.dispose()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => {
  process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
  delete process.env['SSH_AUTH_SOCK']
})

async function errorOf(work: Promise<unknown>): Promise<ShipError> {
  try {
    await work
  } catch (error) {
    if (error instanceof ShipError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describeOverSsh('connect', () => {
  it('knows hosts by the configuration of ssh, or by what it is told', async () => {
    await using alias = await connect('web1')
    expect([alias.name, (await alias.run`echo here`).stdout]).toEqual(['web1', 'here\n'])
    writeFileSync(join(dir, 'empty'), '')
    process.env['SHIP_SSH_CONFIG'] = join(dir, 'empty')
    const target = `${first.user}@${first.address}:${first.port}`
    const known = { identityFile: fleet.keyFile, knownHosts: fleet.knownHostsFile }
    await using told = await connect(target, known)
    expect([told.name, (await told.run(['id', '-un'])).stdout]).toEqual([target, `${first.user}\n`])
    await using pinned = await connect(first.address, {
      user: first.user,
      port: first.port,
      identityFile: fleet.keyFile,
      hostKey: first.sshd.hostKeys,
    })
    expect(pinned.connected).toBe(true)
    await pinned.close()
    await expect.poll(() => pinned.connected).toBe(false)
  })

  it('refuses an unknown or another host key, a key that is not let in, and what is no host', async () => {
    writeFileSync(join(dir, 'nobody'), '')
    expect(await errorOf(connect('web1', { knownHosts: join(dir, 'nobody') }))).toMatchObject({ reason: 'host-key' })
    const pin = `SHA256:${'A'.repeat(43)}`
    expect(await errorOf(connect('web1', { hostKey: pin }))).toMatchObject({ reason: 'host-key' })
    const key = join(fleet.dir, 'web1/sshd/host_ed25519')
    expect(await errorOf(connect('web1', { identityFile: key }))).toMatchObject({ reason: 'auth' })
    expect(await errorOf(connect('web1', { port: 1 }))).toMatchObject({ reason: 'unreachable' })
    expect(await errorOf(connect('web[1:2]'))).toMatchObject({ reason: 'usage' })
    for (const name of ['-oProxyCommand=touch x', 'a b', '', 'web1;id', '-l@web1']) {
      expect(await errorOf(connect(name)), name).toMatchObject({ reason: 'config' })
    }
    const reason = new Error('enough')
    await expect(connect('web1', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it('never takes a text for a command', async () => {
    await using host = await connect('web1')
    const text = 'echo put together' as unknown as readonly string[]
    expect(await errorOf(host.run(text))).toMatchObject({ reason: 'usage' })
    expect(await errorOf(host.run([]))).toMatchObject({ reason: 'usage' })
    expect(await errorOf(host.run(['-c', 'x']))).toMatchObject({ reason: 'usage' })
    const forged = Object.assign(['echo ', ''], { raw: ['echo ', ''] }) as unknown as TemplateStringsArray
    const said = await host.run(forged, '$(id)').catch((error: unknown) => error)
    expect(said).toBeInstanceOf(ShipError)
    const long = Array.from({ length: 9000 }, (_, i) => `package-number-${i}`)
    expect((await errorOf(host.run`echo ${long}`)).message).toContain('is too long for one command')
    expect((await host.run({ stdin: long.join('\n') })`xargs -n 1 echo | wc -l`).stdout.trim()).toBe('9000')
  })

  it('tells an input that broke off, and does not take its half for the whole', async () => {
    await using host = await connect('web1')
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('half')
        await sleep(100)
        throw new Error('the source is gone')
      })(),
    )
    const error = await errorOf(host.run({ stdin: broken })`cat >/dev/null; touch ${join(dir, 'made')}; sleep 0.1`)
    expect(error).toMatchObject({ kind: 'file' })
    expect(error.message).toContain('the source is gone')
  })

  it('tells that the connection was lost, with what was said before, and leaves files whole', async () => {
    const host = await connect('web1')
    const path = join(dir, 'file')
    await host.write(path, 'old')
    const big = join(dir, 'big')
    writeFileSync(big, Buffer.alloc(64 * 1024 * 1024))
    const work = errorOf(host.run`echo begun; sleep 300`)
    const upload = errorOf(host.upload(big, path))
    await expect.poll(() => readdirSync(dir).some((name) => name.startsWith('.ship.')), { timeout: 20_000 }).toBe(true)
    await first.sshd.cut()
    const error = await work
    expect(error).toBeInstanceOf(HostError)
    expect(error).toMatchObject({ kind: 'lost', reason: 'unreachable', result: { code: null } })
    expect(error.state).toContain('nobody knows how far "echo begun; sleep 300" got')
    expect(await upload).toMatchObject({ reason: 'unreachable' })
    expect(readFileSync(path, 'utf8')).toBe('old')
    expect(host.connected).toBe(false)
    expect(await errorOf(host.run`true`)).toMatchObject({ kind: 'lost' })
    await using again = await connect('web1')
    expect((await again.read(path)).toString()).toBe('old')
  })
})

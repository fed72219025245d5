/** Servers that are greeted before anybody needs them: who needs one uses that connection, and where it came to nothing, another one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { allDialled, dropGreeted, greet, takeGreeted } from '../../src/greeting.ts'
import { parseHostName } from '../../src/names.ts'
import { openTransport } from '../../src/transport/index.ts'
import { startRelay, type Relay } from '../hosts/relay.ts'
import { SIGNAL } from '../support/bundle.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'

describeOverSsh('a server that was greeted', () => {
  let fleet: Fleet
  let relay: Relay
  beforeAll(async () => {
    fleet = await startFleet(1)
    process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
  })
  afterAll(() => fleet.dispose())
  beforeEach(async () => {
    const [host] = fleet.hosts
    if (!host) throw new Error('no host')
    relay = await startRelay(host)
  })
  afterEach(async () => {
    dropGreeted()
    await relay.close()
  })

  const address = (): { hostname: string; port: number } => ({ hostname: '127.0.0.1', port: relay.port })
  const connections = (): number => relay.counted().connections
  /** What it answers to a program. */
  async function reached(): Promise<string> {
    const [host] = fleet.hosts
    const keys = host?.sshd.hostKeys ?? []
    const { hostname, port } = address()
    const place = { name: parseHostName('web1'), address: hostname, port, deployTo: '/', user: host?.user }
    const about = {
      roles: [],
      labels: {},
      env: {},
      identityFile: fleet.keyFile,
      hostKey: keys,
      transport: 'sftp',
    } as const
    const transport = await openTransport({ ...place, ...about }, { signal: SIGNAL })
    const { stdout } = await transport.exec({ name: 'test', text: 'echo here', args: [] }, { signal: SIGNAL })
    await transport.close()
    return stdout.trim()
  }
  async function greeted(): Promise<void> {
    greet([address()])
    // Its line, and its offer of algorithms, which follows ours.
    await expect.poll(() => relay.counted().down).toBeGreaterThan(500)
  }

  it('has answered when it is wanted, and is noted', async () => {
    await greeted()
    expect(await reached()).toBe('here')
    expect(connections()).toBe(1)
    expect(allDialled()).toContainEqual(address())
    expect(await reached()).toBe('here')
    expect(connections()).toBe(2)
  })

  it('is wanted before it answered', async () => {
    greet([address()])
    expect(await reached()).toBe('here')
    expect(connections()).toBe(1)
  })

  it.each(['reset', 'end'] as const)('is connected to anew after a %s', async (trouble) => {
    await greeted()
    relay.now(trouble)
    await sleep(50)
    expect(await reached()).toBe('here')
    expect(connections()).toBe(2)
  })

  it('is let go of when nobody takes it', async () => {
    await greeted()
    dropGreeted()
    expect(takeGreeted(address())).toBeUndefined()
    await expect.poll(() => fleet.hosts[0]?.sshd.log()).toContain('[preauth]')
  })

  it('is no other server', async () => {
    await greeted()
    expect(takeGreeted({ ...address(), port: relay.port + 1 })).toBeUndefined()
    expect(takeGreeted({ ...address(), hostname: 'localhost' })).toBeUndefined()
  })

  it('that does not listen is as if nobody had asked', async () => {
    await relay.close()
    greet([address()])
    await expect.poll(() => takeGreeted(address()), { interval: 50 }).toBeUndefined()
    relay = await startRelay({ address: '127.0.0.1', port: 1 })
  })
})

/** The HAProxy drain against a real HAProxy: what it changes, what it waits for, and what it leaves alone. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Change } from '../../src/drain/drain.ts'
import { drainByType } from '../../src/drain/index.ts'
import { HAS_BALANCERS, startHaproxy, type Balancer } from '../support/balancers.ts'
import { change, eventually, freePort, here, slowRequest, startApp, type App } from './place.ts'

const closing: (() => unknown)[] = []
let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-drain-'))))
afterAll(async () => {
  for (const close of closing.toReversed()) await close()
  rmSync(dir, { recursive: true, force: true })
})

describe.skipIf(!HAS_BALANCERS)('haproxy', () => {
  const kind = drainByType('haproxy')
  let apps: readonly App[] = []
  let proxy: Balancer
  let dead = ''
  const names = ['web1', 'web2', 'web3']
  beforeAll(async () => {
    const folder = join(dir, 'haproxy')
    mkdirSync(folder)
    apps = [await startApp(), await startApp()]
    closing.push(...apps.map((app) => () => app.stop()))
    dead = `127.0.0.1:${freePort()}`
    const servers = [...apps.map(({ server }) => server), dead]
    proxy = await startHaproxy({ dir: folder, address: '127.0.0.1', port: freePort(), servers, fall: 2 })
    closing.push(() => proxy.stop())
    await eventually(async () => (await standings()).join(' ') === 'in in sick')
  })

  const options = (more: object = {}) => kind.options.parse({ backend: 'shop', ...proxy.options, ...more })
  const apply = async (wanted: Change, more: object = {}) => (await kind.change(here, options(more), wanted)).settle()
  const standings = async (more: object = {}) => {
    const [pool] = await kind.pools(here, options(more), change('in', names))
    return [...(pool?.servers.values() ?? [])]
  }
  const byHand = (command: string) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(proxy.options['socket'] ?? '', () => socket.write(`${command}\n`))
      socket.resume().once('close', () => resolve())
      socket.once('error', reject)
    })

  it('drains, waits for the requests under way, and puts back', async () => {
    const requests = [await slowRequest(proxy.url), await slowRequest(proxy.url)]
    await eventually(() => apps.every(({ waiting }) => waiting.length === 1))
    expect(await apply(change('drained', ['web1'], { waitMs: 800 }))).toMatch(/web1 still had requests under way/)
    expect(await standings()).toEqual(['drained', 'in', 'sick'])
    let settled = false
    const done = apply(change('drained', ['web1'])).then(() => (settled = true))
    await sleep(1500)
    expect(settled).toBe(false)
    for (const { waiting } of apps) waiting.pop()?.end('slow\n')
    await done
    expect(await Promise.all(requests.map(({ status }) => status))).toEqual([200, 200])
    await apply(change('in', ['web1']))
    expect(await standings()).toEqual(['in', 'in', 'sick'])
  })

  it('waits until a server is up, and fails when it does not come up', async () => {
    await apply(change('drained', ['web3']))
    await expect(apply(change('in', ['web3'], { waitMs: 1500 }))).rejects.toThrow('HAProxy did not find web3 up within')
    expect(await standings()).toEqual(['in', 'in', 'sick'])
    await apply(change('drained', ['web3']))
    let settled = false
    const done = apply(change('in', ['web3'])).then(() => (settled = true))
    await sleep(1000)
    expect(settled).toBe(false)
    const [, port] = dead.split(':')
    const http = createServer((_, response) => response.end('ok\n')).listen(Number(port), '127.0.0.1')
    await done
    expect(await standings()).toEqual(['in', 'in', 'in'])
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  })

  it('leaves alone what a person took out', async () => {
    await byHand('set server shop/web2 state maint')
    expect((await standings())[1]).toBe('out')
    await apply(change('drained', ['web2']))
    expect((await standings())[1]).toBe('out')
    await apply(change('in', ['web2']))
    expect((await standings())[1]).toBe('out')
    await byHand('set server shop/web2 state ready')
  })

  it('is asked over TCP as well, and refuses by name what does not work', async () => {
    const tcp = new URL(proxy.url)
    expect((await standings({ socket: `127.0.0.1:${Number(tcp.port) + 1000}` })).slice(0, 1)).toEqual(['in'])
    await expect(standings({ backend: 'other' })).rejects.toThrow('has no backend "other"')
    await expect(standings({ socket: '/nowhere/admin.sock' })).rejects.toThrow('"/nowhere/admin.sock"')
    const weak = { socket: `${proxy.options['socket']}.operator` }
    await expect(apply(change('drained', ['web1']), weak)).rejects.toThrow('HAProxy refused to set servers of "shop"')
  })
})

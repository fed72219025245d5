/** The drains of one run, against a real nginx on this machine: what hosts ask for in the same moment, and the last server of a pool. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DrainSpec } from '../../src/config/balancers.ts'
import { drainByType } from '../../src/drain/index.ts'
import type { Fleet } from '../../src/fleet/fleet.ts'
import { parseHostName } from '../../src/names.ts'
import { drainsOf, type Drains } from '../../src/release/drains.ts'
import type { Host } from '../../src/transport/transport.ts'
import { freePort, here } from '../drain/place.ts'
import { HAS_BALANCERS, startNginx, upstreamText, type Balancer } from '../support/balancers.ts'
import { SIGNAL } from '../support/bundle.ts'

const SERVERS = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']
const HOSTS = ['web1', 'web2', 'web3', 'lb1'].map((name): Host => ({
  name: parseHostName(name),
  address: name,
  roles: [],
  labels: {},
  env: {},
  deployTo: '/opt/shop',
  transport: 'local',
}))
const [web1, web2, web3, lb] = HOSTS as [Host, Host, Host, Host]

let dir = ''
let nginx: Balancer
let spec: DrainSpec
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-drains-'))
  if (!HAS_BALANCERS) return
  mkdirSync(join(dir, 'lb'))
  nginx = await startNginx({ dir: join(dir, 'lb'), address: '127.0.0.1', port: freePort(), servers: SERVERS })
  const reload = `echo reloaded >>${dir}/reloads; ${nginx.options['reload']}`
  spec = {
    type: 'nginx',
    options: drainByType('nginx').options.parse({ ...nginx.options, reload }),
    on: [lb],
    servers: new Map([web1, web2, web3].map(({ name }, i) => [name, SERVERS[i] ?? ''])),
    waitMs: 30_000,
    allowEmpty: false,
  }
})
afterAll(async () => {
  if (HAS_BALANCERS) await nginx.stop()
  rmSync(dir, { recursive: true })
})

/** As a fleet whose hosts are all this machine. */
function drainsWith(more: Partial<DrainSpec> = {}): Drains {
  const fleet = {
    environment: { drains: [{ ...spec, ...more }], projectDir: dir },
    session: () => here,
    reconnect: () => Promise.resolve(here),
  } as unknown as Fleet
  return drainsOf(fleet, { emit: () => undefined, signal: SIGNAL, run: 'r1', by: 'me' })
}

const options = { env: {}, signal: SIGNAL }
const text = (): string => readFileSync(nginx.options['file'] ?? '', 'utf8')
const reloads = (): number => readFileSync(join(dir, 'reloads'), 'utf8').split('\n').length - 1

describe.skipIf(!HAS_BALANCERS)('drains', () => {
  beforeEach(async () => {
    const drains = drainsWith()
    await Promise.all([web1, web2, web3].map((host) => drains.in(host, options)))
    expect(text()).toBe(upstreamText(SERVERS))
  })

  it('of hosts that ask together are one change of the balancer', async () => {
    const drains = drainsWith()
    await drains.out(web3, options)
    const before = reloads()
    await Promise.all([drains.in(web3, options), drains.out(web1, options), drains.out(web2, options)])
    expect(reloads()).toBe(before + 2)
    expect(text().match(/server \S+ max_fails=0 down;/g)).toHaveLength(2)
    expect(await drains.out(lb, options)).toBe('')
  })

  it('never take the last server out, whatever became of the others since the plan', async () => {
    const drains = drainsWith()
    await Promise.all([drains.out(web1, options), drains.out(web2, options)])
    const before = text()
    await expect(drains.out(web3, options)).rejects.toMatchObject({
      reason: 'not-switched',
      message: 'could not be taken out of "lb1": no other server of "shop" gets requests now',
    })
    expect(text()).toBe(before)
    // On the way back, and where it is allowed, it is taken out.
    await drains.out(web3, { ...options, evenLast: true })
    await drains.in(web3, options)
    await drainsWith({ allowEmpty: true }).out(web3, options)
    expect(text().match(/down;/g)).toHaveLength(3)
  })

  it('say which balancer it was that did not do it', async () => {
    const broken = { ...(spec.options as object), test: 'echo no good >&2; exit 1' }
    await expect(drainsWith({ options: broken }).out(web1, options)).rejects.toMatchObject({
      message: expect.stringMatching(/^could not be taken out of "lb1": .* refuses the configuration/),
      details: ['no good'],
    })
  })
})

/**
 * Releases behind real nginx and real HAProxy under constant load: with a drain not one request fails, whatever becomes of the release;
 * without it some do.
 */
import { readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HAS_BALANCERS, startHaproxy, startNginx, upstreamText, type Balancer } from '../support/balancers.ts'
import { startLoad, type LoadResult } from '../support/load.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { APP_PORT, endApps, servedApp, SERVED, servedEnv } from './served-app.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')
const SLOW = 600_000

let place: Place
let nginx: Balancer
let haproxy: Balancer
let servers: readonly string[] = []

beforeAll(async () => {
  if (!HAS_BALANCERS) return
  place = await makePlace(5)
  const [lb] = place.fleet.hosts.slice(4)
  if (!lb) throw new Error('no balancer host')
  servers = place.fleet.hosts.slice(0, 4).map(({ address }) => `${address}:${APP_PORT}`)
  nginx = await startNginx({ dir: lb.root, address: lb.address, port: 8081, servers })
  haproxy = await startHaproxy({ dir: lb.root, address: lb.address, port: 8082, servers })
  await configure({ strategy: 'all' })
  await place.build('1.0.0', servedApp())
  await expectShip('release', 0)
  await configure()
}, SLOW)

afterAll(async () => {
  if (!HAS_BALANCERS) return
  await nginx.stop()
  await haproxy.stop()
  endApps(place.deployTo)
  await place.dispose()
}, SLOW)

/** Both balancers stand in front of the same four hosts; their drains are made on the fifth. */
function drains(): readonly unknown[] {
  const on = ['web5']
  return [
    { type: 'nginx', on, server: `{address}:${APP_PORT}`, ...nginx.options },
    { type: 'haproxy', on, server: '{host}', backend: 'shop', ...haproxy.options },
  ]
}

async function configure(release: Readonly<Record<string, unknown>> = { drain: drains() }): Promise<void> {
  const hosts = place.fleet.hosts.slice(0, 4).map(({ name, address }, i) => ({
    host: name,
    deployTo: place.deployTo[i] ?? '',
    labels: { address },
    env: servedEnv(address),
  }))
  await place.shop.configure({
    name: 'shop',
    build: { from: 'app' },
    release: { ...SERVED, strategy: 'rolling', ...release },
    environments: { production: { hosts } },
  })
}

async function expectShip(args: string, code: number) {
  const result = await place.ship(args)
  expect({ code: result.code, said: result.code === code ? '' : result.stderr + result.stdout }).toEqual({
    code,
    said: '',
  })
  return result
}

async function underLoad(work: () => Promise<unknown>): Promise<LoadResult> {
  const load = startLoad([nginx.url, haproxy.url])
  const [done] = await Promise.allSettled([work()])
  const result = await load.stop()
  if (done.status === 'rejected') throw done.reason
  // A load that reached nothing would prove nothing.
  expect(result.requests).toBeGreaterThan(100)
  return result
}

function live(): string[] {
  return place.deployTo.slice(0, 4).map((dir) => readFileSync(join(dir, 'current', 'VERSION'), 'utf8').trim())
}

function upstreams(): string {
  return readFileSync(nginx.options['file'] ?? '', 'utf8')
}

/** By HAProxy: "up", "down", and "drain" whatever its check says. */
async function states(): Promise<Record<string, string>> {
  const socket = createConnection(haproxy.options['socket'] ?? '')
  socket.write('show servers state shop\n')
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  const rows = text.split('\n').filter((line) => line.includes(' shop '))
  return Object.fromEntries(
    rows.map((row) => {
      const [, , , name = '', , operation, admin] = row.split(' ')
      return [name, admin === '8' ? 'drain' : admin !== '0' ? `admin ${admin}` : operation === '2' ? 'up' : 'down']
    }),
  )
}

const ALL_UP = { web1: 'up', web2: 'up', web3: 'up', web4: 'up' }

async function expectAllIn(): Promise<void> {
  expect(upstreams()).toBe(upstreamText(servers))
  // A check may still be on its way for a host that was not drained; a drained one would stay so.
  await expect.poll(states, { timeout: 60_000, interval: 200 }).toEqual(ALL_UP)
}

describeOverSsh('behind nginx and HAProxy under load', () => {
  describe.skipIf(!HAS_BALANCERS)('(needs nginx and haproxy)', () => {
    it(
      'not one request fails in a rolling release, a failing one, a canary that falls ill, and a rollback',
      async () => {
        await expectAllIn()
        await place.build('1.1.0', servedApp())
        const rolling = await underLoad(() => expectShip('release', 0))
        expect(rolling.failures).toEqual([])
        expect(live()).toEqual(['1.1.0', '1.1.0', '1.1.0', '1.1.0'])
        expect([...rolling.answers.keys()].toSorted()).toEqual(['1.0.0', '1.1.0'])
        await expectAllIn()

        // Three hosts run it already when the last one is not healthy: all go back, and not all at once.
        await place.build('1.2.0', servedApp(['web4']))
        const failing = await underLoad(() => expectShip('release', 6))
        expect(failing.failures).toEqual([])
        expect(live()).toEqual(['1.1.0', '1.1.0', '1.1.0', '1.1.0'])
        expect([...failing.answers.keys()].toSorted()).toEqual(['1.1.0', '1.2.0'])
        await expectAllIn()

        // A canary that falls ill while it bakes, when it has its share of the requests already.
        await configure({ drain: drains(), strategy: { type: 'canary', bake: '6s', rest: 'rolling' } })
        await place.build('1.3.0', servedApp([], ['web1']))
        const abort = await underLoad(async () => {
          const { stderr } = await expectShip('release', 6)
          expect(stderr).toContain('not healthy any more')
        })
        expect(abort.failures).toEqual([])
        expect([...abort.answers.keys()].toSorted()).toEqual(['1.1.0', '1.3.0'])
        expect(live()).toEqual(['1.1.0', '1.1.0', '1.1.0', '1.1.0'])
        await expectAllIn()
        await configure()

        const back = await underLoad(() => expectShip('rollback', 0))
        expect(back.failures).toEqual([])
        expect([...back.answers.keys()].toSorted()).toEqual(['1.0.0', '1.1.0'])
        expect(live()).toEqual(['1.0.0', '1.0.0', '1.0.0', '1.0.0'])
        await expectAllIn()
      },
      SLOW,
    )

    it(
      'without a drain some requests fail',
      async () => {
        await configure({})
        await place.build('2.0.0', servedApp())
        const { failures } = await underLoad(() => expectShip('release', 0))
        expect(failures.filter((line) => line.includes(nginx.url)).length).toBeGreaterThan(0)
        expect(failures.filter((line) => line.includes(haproxy.url)).length).toBeGreaterThan(0)
        await configure()
      },
      SLOW,
    )

    it(
      'killed before it put a host back: the next run does it, whether the release is the same or not',
      async () => {
        const killed = async (at: string): Promise<void> => {
          const env = { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: at }
          const { signal, stdout } = await place.ship('release --json', { env })
          expect(signal, stdout).toBe('SIGKILL')
          expect(upstreams()).toContain(`server ${servers[0]} max_fails=0 down; # drained by ship\n`)
          expect((await states())['web1']).toBe('drain')
        }
        const before = live()[0] ?? ''
        await place.build('3.0.0', servedApp())
        await killed('step.finished drain')
        // The release that is live everywhere: there would be nothing to do, were it not for the drained host.
        const plan = await expectShip(`plan ${before}`, 0)
        expect(plan.stdout).toMatch(/web1 .*gate only.*out of "web5" since a run that ended before it was done/)
        await expectShip(`release ${before}`, 0)
        await expectAllIn()
        await killed('step.finished gate')
        await expectShip('release', 0)
        expect(live()).toEqual(['3.0.0', '3.0.0', '3.0.0', '3.0.0'])
        await expectAllIn()
      },
      SLOW,
    )

    it(
      'a host that cannot be put back stays drained, and it is said',
      async () => {
        const before = live()[0] ?? ''
        await place.build('4.0.0', servedApp(['web1']))
        // The way back is blocked: the release before does not start any more.
        const [dir = ''] = place.deployTo
        const script = join(dir, 'releases', before, 'restart.sh')
        const text = readFileSync(script, 'utf8')
        await writeFile(script, 'exit 1\n')
        const { stderr } = await expectShip('release', 7)
        expect(stderr).toMatch(/web1 runs \S+: .*it stays drained: .*haproxy shop on web5/)
        expect(upstreams()).toContain(`server ${servers[0]} max_fails=0 down; # drained by ship\n`)
        expect((await states())['web1']).toBe('drain')
        await rm(script)
        await writeFile(script, text)
        // It is put back by whatever comes next, through its gate.
        await expectShip(`release ${before}`, 0)
        await expectAllIn()
      },
      SLOW,
    )

    it(
      'never drains the last server of a pool: the plan refuses, with the cure',
      async () => {
        await configure({ drain: drains(), strategy: 'all' })
        await place.build('5.0.0', servedApp())
        const refused = await expectShip('release', 9)
        expect(refused.stderr).toContain(
          'draining web1, web2, web3, web4 would leave "shop" on "web5" without a server',
        )
        expect(refused.stderr).toContain('batch: 1')
        const planned = await expectShip('plan', 9)
        expect(planned.stderr).toContain('allowEmpty')
        // Three of four may go at once, but not when a person took the fourth out.
        await configure({ drain: drains(), strategy: { type: 'rolling', batch: 3 } })
        const { stdout } = await expectShip('plan', 0)
        expect(stdout).toMatch(/^drain +nginx .*shop\.conf on web5, haproxy shop on web5$/m)
        await expectAllIn()
      },
      SLOW,
    )
  })
})

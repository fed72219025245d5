/** In which order hosts switch and go back, what has to hold meanwhile, and hosts that the others do not wait for. */
import { existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { FleetHost } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')
const SIZE = 6
const SLOW = 240_000

let place: Place
beforeAll(async () => {
  place = await makePlace(SIZE)
  await place.build('1.0.0')
  await place.build('1.1.0')
  await expectCode('release 1.0.0', 0)
}, SLOW)
afterAll(() => place.dispose())
beforeEach(() => rmSync(journal(), { force: true }))

/** Written by the hosts, which share a machine: what was switched where, in order. */
function journal(): string {
  return join(place.fleet.dir, 'switches')
}

/** Lines such as "web1 release" and "web1 put-back". */
function switches(): string[] {
  return existsSync(journal()) ? readFileSync(journal(), 'utf8').trim().split('\n') : []
}

function putBacks(): string[] {
  return switches().flatMap((line) => /^(\w+) put-back$/.exec(line)?.[1] ?? [])
}

async function configure(release: Readonly<Record<string, unknown>>, ill = 'false'): Promise<void> {
  await place.configure({
    hooks: { afterSwitch: [`echo "$SHIP_HOST $SHIP_ACTION" >>'${journal()}'`] },
    // A host is ill with the new version only: going back helps.
    health: [{ exec: `[ "$SHIP_VERSION" = 1.0.0 ] || ! { ${ill}; }`, deadline: '300ms', interval: '100ms' }],
    ...release,
  })
}

async function expectCode(args: string | readonly string[], code: number, options = {}) {
  const result = await place.ship(args, options)
  expect({ code: result.code, said: result.code === code ? '' : result.stderr + result.stdout }).toEqual({
    code,
    said: '',
  })
  return result
}

function eventsOf(stdout: string) {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

function resultOf(stdout: string) {
  return eventsOf(stdout).at(-1)
}

async function live(): Promise<string[]> {
  const found = await Promise.all(place.deployTo.map((dir) => runs(dir)))
  expect(found.every((f) => f.whole)).toBe(true)
  return found.map((f) => f.version)
}

function all(version: string, except: Readonly<Record<number, string>> = {}): string[] {
  return Array.from({ length: SIZE }, (_, i) => except[i + 1] ?? version)
}

function host(n: number): FleetHost {
  const found = place.fleet.hosts[n - 1]
  if (!found) throw new Error(`no host ${n}`)
  return found
}

async function backToOld(): Promise<void> {
  await place.configure()
  await expectCode('release 1.0.0 --allow-downgrade', 0)
}

describeOverSsh('a canary', () => {
  it('that is ill from the start: no other host is touched, whatever may fail', async () => {
    await configure({ strategy: { type: 'canary', count: 1, bake: '10m' }, maxFailed: 3 }, 'true')
    const { stderr } = await expectCode('release 1.1.0', 6)
    expect(stderr).toContain('not healthy within 0.3 s')
    expect(switches()).toEqual(['web1 release', 'web1 put-back'])
    expect(await live()).toEqual(all('1.0.0'))
  })

  it('that falls ill while it bakes goes back at once, and no other host is touched', async () => {
    const ill = join(place.fleet.dir, 'ill')
    await configure(
      { strategy: { type: 'canary', count: 2, bake: '20s' } },
      `[ -e '${ill}' ] && [ "$SHIP_HOST" = web2 ]`,
    )
    const onSeen = (): void => writeFileSync(ill, '')
    // The bake is seen when it begins; by lines it would be told of only when it has taken a while.
    const { stdout } = await expectCode('release 1.1.0 --json', 6, { when: '"step":"bake"', onSeen })
    expect(resultOf(stdout).error).toMatchObject({
      host: 'web2',
      message: expect.stringMatching(/^not healthy any more/),
    })
    const bake = eventsOf(stdout).find((e) => e.event === 'step.failed' && e.step === 'bake')
    expect(bake.durationMs).toBeLessThan(15_000)
    expect(putBacks().toSorted()).toEqual(['web1', 'web2'])
    expect(new Set(switches().map((line) => line.split(' ')[0]))).toEqual(new Set(['web1', 'web2']))
    expect(await live()).toEqual(all('1.0.0'))
  })

  it(
    'that stays well for the whole bake is followed by the others, in the order of the plan',
    async () => {
      await configure({ strategy: { type: 'canary', bake: '700ms', rest: { type: 'rolling', batch: 3 } } })
      const plan = resultOf((await expectCode('plan 1.1.0 --json', 0)).stdout).data
      expect(plan.waves).toEqual([['web1'], ['web2', 'web3', 'web4'], ['web5', 'web6']])
      expect(plan.waveRules.map((rule: { bakeMs: number }) => rule.bakeMs)).toEqual([700, 0, 0])
      const { stdout } = await expectCode('release 1.1.0 --json', 0)
      const bakes = eventsOf(stdout).filter((e) => e.step === 'bake' && e.event === 'step.finished')
      expect(bakes).toHaveLength(1)
      expect(bakes[0].durationMs).toBeGreaterThanOrEqual(699)
      expect(bakes[0].note).toMatch(/^healthy for 0\.7 s, asked [2-9] times$/)
      const order = switches().map((line) => line.split(' ')[0] ?? '')
      expect([order.slice(0, 1), order.slice(1, 4).toSorted(), order.slice(4).toSorted()]).toEqual(plan.waves)
      expect(await live()).toEqual(all('1.1.0'))
      await backToOld()
    },
    SLOW,
  )
})

describeOverSsh('a run that is killed while it bakes', () => {
  it('is gone on with by the next one, which bakes again before the others follow', { timeout: SLOW }, async () => {
    await configure({ strategy: { type: 'canary', bake: '500ms' } })
    const env = { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: 'step.started bake' }
    expect((await place.ship('release 1.1.0 --json', { env })).code).toBeNull()
    expect(await live()).toEqual(all('1.0.0', { 1: '1.1.0' }))
    const { stdout } = await expectCode('release 1.1.0 --json', 0)
    const told = eventsOf(stdout).filter((e) => e.event === 'step.finished' && ['bake', 'switch'].includes(e.step))
    expect(told.map((e) => e.step)).toEqual(['bake', ...Array<string>(SIZE - 1).fill('switch')])
    expect(await live()).toEqual(all('1.1.0'))
    await backToOld()
  })
})

describeOverSsh('waves', () => {
  it('go back in the reverse order, each gated before the next one leaves', async () => {
    await configure({ strategy: [2, 4] }, '[ "$SHIP_HOST" = web5 ]')
    await expectCode('release 1.1.0', 6)
    const back = putBacks()
    expect([back.slice(0, 2), back.slice(2, 4), back.slice(4)].map((group) => group.toSorted())).toEqual([
      ['web5', 'web6'],
      ['web3', 'web4'],
      ['web1', 'web2'],
    ])
    expect(await live()).toEqual(all('1.0.0'))
  })
})

describeOverSsh('hosts that fail', () => {
  it(
    'as many as may: they are put back alone, the others go on, and it is said',
    async () => {
      await configure({ strategy: { type: 'rolling', batch: 3 }, maxFailed: 1 }, '[ "$SHIP_HOST" = web2 ]')
      const { stdout, stderr } = await expectCode('release 1.1.0', 0)
      expect(stderr).toMatch(/web2.*is left out and stays behind/)
      expect(stdout).toMatch(/web2 +1\.0\.0 +1\.0\.0 +put back/)
      expect(stdout).toContain('shop 1.1.0 is live on 5 of 6 hosts')
      expect(stdout).toContain('1 host is behind: web2 (1 may fail, 0 may be missing)')
      expect(putBacks()).toEqual(['web2'])
      expect(await live()).toEqual(all('1.1.0', { 2: '1.0.0' }))

      const told = await expectCode('status --exit-code', 1)
      expect(told.stdout).toMatch(/web2 +1\.0\.0 \(behind\)/)
      const inode = lstatSync(join(place.deployTo[0] ?? '', 'current')).ino
      await configure({})
      rmSync(journal())
      await place.build('1.2.0')
      const { data, hosts } = resultOf((await expectCode('release --catch-up --json', 0)).stdout)
      expect(data.plan.target).toBe('1.1.0')
      expect(hosts.filter((h: { outcome: string }) => h.outcome === 'released')).toMatchObject([{ host: 'web2' }])
      expect(switches()).toEqual(['web2 release'])
      expect(lstatSync(join(place.deployTo[0] ?? '', 'current')).ino).toBe(inode)
      expect(await live()).toEqual(all('1.1.0'))
      await expectCode('status --exit-code', 0)
      await backToOld()
    },
    SLOW,
  )

  it('and cannot be put back are nothing that may be: all go back, and it is said which', async () => {
    const health = [{ exec: '[ "$SHIP_HOST" != web2 ]', deadline: '300ms', interval: '100ms' }]
    await configure({ strategy: { type: 'rolling', batch: 3 }, maxFailed: 3, health })
    const { stderr } = await expectCode('release 1.1.0', 7)
    expect(stderr).toContain('web2 runs 1.0.0')
    expect(putBacks().toSorted()).toEqual(['web1', 'web2', 'web3'])
    expect(await live()).toEqual(all('1.0.0'))
  })

  it('more than may: all go back', async () => {
    await configure(
      { strategy: { type: 'rolling', batch: 3 }, maxFailed: 1 },
      'case $SHIP_HOST in web2 | web6) ;; *) false ;; esac',
    )
    await expectCode('release 1.1.0', 6)
    expect(putBacks().toSorted()).toEqual(['web1', 'web2', 'web3', 'web4', 'web5', 'web6'])
    expect(putBacks()[0]).toBe('web2')
    expect(await live()).toEqual(all('1.0.0'))
  })

  it(
    'to be staged: the others go on, as many as may fail; not when it would be the trial',
    async () => {
      await place.build('1.3.0')
      const broken = `[ "$SHIP_HOST" != web1 ] || { rm -rf .ship/incoming && touch .ship/incoming; }`
      const hooks = { beforeStage: [broken] }
      const mend = (): void => rmSync(join(place.deployTo[0] ?? '', '.ship', 'incoming'), { force: true })
      await configure({ hooks, maxFailed: 1, strategy: 'canary' })
      await expectCode('release 1.3.0', 5)
      mend()
      expect(await live()).toEqual(all('1.0.0'))

      await configure({ hooks, maxFailed: 1 })
      const { data, hosts } = resultOf((await expectCode('release 1.3.0 --json', 0)).stdout)
      expect(data.behind).toMatchObject([{ host: 'web1', kind: 'failed', runs: '1.0.0' }])
      expect(hosts[0]).toMatchObject({ host: 'web1', outcome: 'not-switched', before: '1.0.0', after: '1.0.0' })
      expect(await live()).toEqual(all('1.3.0', { 1: '1.0.0' }))
      mend()
      await backToOld()
      for (const dir of place.deployTo) expect(await leftovers(dir)).toEqual([])
    },
    SLOW,
  )
})

describeOverSsh('a hook that runs once', () => {
  it(
    'falls to another host when its own is left out before',
    async () => {
      await place.build('1.4.0')
      const once = join(place.fleet.dir, 'once')
      await place.configure({
        maxFailed: 1,
        hooks: {
          beforeStage: [`[ "$SHIP_HOST" != web1 ] || { rm -rf .ship/incoming && touch .ship/incoming; }`],
          beforeSwitch: [{ run: `echo "$SHIP_HOST" >>'${once}'`, once: true }],
        },
      })
      await expectCode('release 1.4.0', 0)
      expect(readFileSync(once, 'utf8')).toBe('web2\n')
      rmSync(join(place.deployTo[0] ?? '', '.ship', 'incoming'), { force: true })
      await backToOld()
    },
    SLOW,
  )

  it('is not left out: when its host fails before it ran, all go back', async () => {
    await place.configure({
      strategy: { type: 'rolling', batch: 3 },
      maxFailed: 1,
      hooks: {
        afterSwitch: [
          { run: '[ "$SHIP_HOST $SHIP_ACTION" != "web4 release" ]' },
          { run: 'true', once: true, role: 'db' },
        ],
      },
    })
    const config = JSON.parse(readFileSync(join(place.shop.dir, 'ship.config.json'), 'utf8'))
    config.environments.production.hosts[3].roles = ['db']
    await place.shop.configure(config)
    await expectCode('release 1.1.0', 6)
    expect(await live()).toEqual(all('1.0.0'))
  })
})

describeOverSsh('hosts that are dead', () => {
  it(
    'stop a release unless so many may be missing; then they are left out, and catch up later',
    async () => {
      await host(3).sshd.kill()
      await configure({})
      expect((await expectCode('release 1.1.0', 4)).stderr).toContain('web3')
      await configure({ maxUnreachable: '20%' })
      const plan = await expectCode('plan 1.1.0', 0)
      expect(plan.stdout).toMatch(/web3 +left out/)
      expect(plan.stdout).toContain('5 of 6 hosts')
      const { stdout } = await expectCode('release 1.1.0 --json', 0)
      const { data, hosts, exitCode } = resultOf(stdout)
      expect(exitCode).toBe(0)
      expect(data.behind).toMatchObject([{ host: 'web3', kind: 'unreachable' }])
      expect(hosts[2]).toMatchObject({ host: 'web3', outcome: 'unreachable' })
      expect(stdout).toContain('is left out and stays behind')
      expect(await live()).toEqual(all('1.1.0', { 3: '1.0.0' }))

      // Still dead: there is nothing that could be brought level.
      expect((await expectCode('release --catch-up', 4)).stderr).toContain('run 1.1.0 already')
      await host(3).sshd.restart()
      rmSync(journal())
      await expectCode('release --catch-up', 0)
      expect(switches()).toEqual(['web3 release'])
      expect(await live()).toEqual(all('1.1.0'))
      await backToOld()
    },
    SLOW,
  )

  it('more than may be missing: exit 4, and nothing is changed', async () => {
    await Promise.all([host(2).sshd.kill(), host(5).sshd.kill()])
    await configure({ maxUnreachable: 1 })
    const { stderr } = await expectCode('release 1.1.0', 4)
    expect(stderr).toContain('web2')
    expect(stderr).toContain('web5')
    expect(switches()).toEqual([])
    await Promise.all([host(2).sshd.restart(), host(5).sshd.restart()])
    expect(await live()).toEqual(all('1.0.0'))
  })
})

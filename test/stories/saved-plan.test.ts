/** A plan that is saved is executed exactly, or not at all. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

const SLOW = 300_000
const SECRET = 'hunter2-of-the-shop'

let place: Place
beforeAll(async () => {
  place = await makePlace(2)
  await place.build('1.0.0')
  await place.build('1.1.0')
  await configure()
  await expectCode('release 1.0.0', 0)
}, SLOW)
afterAll(() => place.dispose())

function configure(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
  return place.configure({ hooks: { afterSwitch: [{ run: 'true', env: { PASSWORD: SECRET } }] }, ...more })
}

async function expectCode(args: string | readonly string[], code: number) {
  const result = await place.ship(args)
  expect({ code: result.code, said: result.code === code ? '' : result.stderr + result.stdout }).toEqual({
    code,
    said: '',
  })
  return result
}

async function live(): Promise<string[]> {
  return (await Promise.all(place.deployTo.map((dir) => runs(dir)))).map(({ version }) => version)
}

/** What is said when it is refused: nothing was sent, nothing is locked. */
async function refused(args: string): Promise<string> {
  const { stderr } = await expectCode(args, 9)
  expect(await live()).toEqual(['1.0.0', '1.0.0'])
  for (const dir of place.deployTo) {
    expect(existsSync(join(dir, 'releases', '1.1.0'))).toBe(false)
    expect(await leftovers(dir)).toEqual([])
  }
  return stderr
}

describeOverSsh('a saved plan', () => {
  it('names its hosts and its bundle, and holds no secret', { timeout: SLOW }, async () => {
    const { stdout } = await expectCode('plan 1.1.0 --out plan.json', 0)
    expect(stdout).toContain('saved: ship release --plan plan.json')
    const text = readFileSync(join(place.shop.dir, 'plan.json'), 'utf8')
    expect(JSON.parse(text)).toMatchObject({
      schema: 1,
      asked: { hosts: [], on: [] },
      plan: { target: '1.1.0', hosts: [{ host: 'web1', action: 'stage' }, { host: 'web2' }] },
    })
    expect(text).not.toContain(SECRET)
  })

  it(
    'is refused when the configuration changed, even in a value that it does not show',
    { timeout: SLOW },
    async () => {
      await configure({ hooks: { afterSwitch: [{ run: 'true', env: { PASSWORD: 'another' } }] } })
      expect(await refused('release --plan plan.json')).toMatch(
        /the configuration changed[\s\S]*changed: hooks[\s\S]*ship plan --out plan\.json/,
      )
      await configure({ keep: 3 })
      expect(await refused('release --plan plan.json')).toMatch(/changed: keep/)
      const [first] = place.fleet.hosts
      const hosts = [{ host: first?.name, deployTo: place.deployTo[0] }]
      await place.configure({}, { environments: { production: { hosts } } })
      expect(await refused('release --plan plan.json')).toMatch(/changed: hosts \(web2 is gone\)/)
      await place.configure({}, { environments: { live: { hosts } } })
      expect(await refused('release --plan plan.json')).toMatch(/there is no environment "production"/)
      await configure()
    },
  )

  it('is refused when flags, another environment or another bundle are named', { timeout: SLOW }, async () => {
    expect((await expectCode('release --plan plan.json --hosts web1', 2)).stderr).toContain('--hosts is part of a plan')
    expect((await expectCode('release --plan plan.json -e live', 2)).stderr).toContain('a plan for "production"')
    expect((await expectCode('release --plan gone.json', 2)).stderr).toContain('there is no plan')
    expect(await refused('release 1.0.0 --plan plan.json')).toMatch(/it was for 1\.1\.0[\s\S]*this is 1\.0\.0/)
  })

  it('is refused when the bundle got other bytes under the same version', { timeout: SLOW }, async () => {
    const { dir } = place.shop
    renameSync(join(dir, 'dist'), join(dir, 'kept'))
    await place.build('1.1.0', { 'page 0.txt': 'other bytes' })
    expect(await refused('release --plan plan.json')).toMatch(/it was for 1\.1\.0[\s\S]*this is 1\.1\.0/)
    rmSync(join(dir, 'dist'), { recursive: true })
    renameSync(join(dir, 'kept'), join(dir, 'dist'))
  })

  it('is refused when it was tampered with', { timeout: SLOW }, async () => {
    const file = join(place.shop.dir, 'tampered.json')
    const saved = JSON.parse(readFileSync(join(place.shop.dir, 'plan.json'), 'utf8'))
    const write = (value: unknown): void => writeFileSync(file, JSON.stringify(value))
    write({ ...saved, plan: { ...saved.plan, waves: [['web1'], ['web2']] } })
    expect(await refused('release --plan tampered.json')).toMatch(/waves: web1 \| web2 -> web1, web2/)
    write({ ...saved, plan: { ...saved.plan, extra: true } })
    expect(await refused('release --plan tampered.json')).toMatch(/is no plan of ship/)
    write({ ...saved, schema: 2 })
    expect(await refused('release --plan tampered.json')).toMatch(/the plan has schema 2/)
  })

  it('is refused when a host changed', { timeout: SLOW }, async () => {
    await expectCode('pin 1.0.0 --hosts web2', 0)
    expect(await refused('release --plan plan.json')).toMatch(/the hosts changed since the plan was made/)
    await expectCode('unpin 1.0.0 --hosts web2', 0)
  })

  it('runs exactly as it was planned, once', { timeout: SLOW }, async () => {
    const { stdout } = await expectCode('release --plan plan.json', 0)
    expect(stdout).toContain('1.1.0 is live on 2 hosts')
    expect(await live()).toEqual(['1.1.0', '1.1.0'])
    expect((await expectCode('release --plan plan.json', 9)).stderr).toContain('web1 runs 1.1.0 now, not 1.0.0')
  })

  it('keeps the hosts and flags that it was made with', { timeout: SLOW }, async () => {
    await expectCode('plan 1.0.0 --allow-downgrade --hosts web2 --out one.json', 0)
    await expectCode('release --plan one.json', 0)
    expect(await live()).toEqual(['1.1.0', '1.0.0'])
  })
})

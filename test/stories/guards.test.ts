/** What must hold before a release, and the flag that overrides each: nothing is touched before. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { runs } from './shop.ts'

const SLOW = 300_000

let place: Place
beforeAll(async () => void (place = await makePlace(2)), SLOW)
afterAll(() => place.dispose())

function git(...args: readonly string[]): string {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'init.defaultBranch=main']
  return execFileSync('git', [...identity, ...args], { cwd: place.shop.dir, encoding: 'utf8' }).trim()
}

/** web1 is production, web2 is staging. */
async function configure(release: Readonly<Record<string, unknown>>): Promise<void> {
  const [one, two] = place.fleet.hosts.map(({ name }, i) => ({ hosts: [{ host: name, deployTo: place.deployTo[i] }] }))
  const environments = { production: { ...one, ...release }, staging: two }
  await place.configure({}, { environments })
}

async function expectCode(args: string, code: number) {
  const result = await place.ship(args)
  expect({ code: result.code, said: result.code === code ? '' : result.stderr + result.stdout }).toEqual({
    code,
    said: '',
  })
  return result
}

/** What is said when it is refused before the host was as much as looked at. */
async function refused(args: string): Promise<string> {
  const { stderr } = await expectCode(args, 9)
  expect(existsSync(place.deployTo[0] ?? '')).toBe(false)
  expect(stderr).not.toContain('web1')
  return stderr
}

const RELEASE = 'release -e production'

describeOverSsh('a release', () => {
  beforeEach(() => place.fresh(), SLOW)

  it('waits for the end of a frozen time, and goes on with --during-freeze', { timeout: SLOW }, async () => {
    await place.build('1.0.0')
    await configure({ freeze: [{ from: '2000-01-01', to: '2999-12-31', why: 'the shop is full' }] })
    expect(await refused(RELEASE)).toMatch(
      /"production" is frozen until 2999-12-31 \(UTC\): the shop is full[\s\S]*--during-freeze/,
    )
    expect(await refused('plan -e production')).toContain('is frozen')
    const { stderr } = await expectCode(`${RELEASE} --during-freeze`, 0)
    expect(stderr).toMatch(/is frozen until .* \(--during-freeze\)/)
    // Going back is never held up.
    await configure({})
    await place.build('1.1.0')
    await expectCode(RELEASE, 0)
    await configure({ freeze: [{ from: '2000-01-01', to: '2999-12-31' }], branch: 'main' })
    await expectCode('rollback -e production', 0)
    await configure({ freeze: [{ from: '2000-01-01', to: '2000-12-31' }] })
    await expectCode(`${RELEASE} --dry-run`, 0)
  })

  it('is of the branch that it must be of, or goes on with --any-branch', { timeout: SLOW }, async () => {
    await configure({ branch: 'main' })
    await place.build('1.0.0')
    expect(await refused(RELEASE)).toMatch(
      /1\.0\.0 was not built from branch main: it names no commit[\s\S]*--any-branch/,
    )
    git('init', '-q')
    git('add', 'app', 'package.json')
    git('commit', '-qm', 'one')
    git('checkout', '-qb', 'feature')
    await place.shop.write('1.1.0')
    expect((await place.ship('build --version 1.1.0')).code).toBe(0)
    expect(await refused(RELEASE)).toContain('its sources differed from commit')
    git('commit', '-qam', 'two')
    expect((await place.ship('build --version 1.1.1')).code).toBe(0)
    expect(await refused(RELEASE)).toMatch(/commit [0-9a-f]{9} is not on main/)
    await expectCode(`${RELEASE} --any-branch`, 0)
    git('checkout', '-q', 'main')
    git('merge', '-q', 'feature')
    expect((await place.ship('build --version 1.1.2')).code).toBe(0)
    await expectCode(RELEASE, 0)
    expect(await runs(place.deployTo[0] ?? '')).toMatchObject({ link: 'releases/1.1.2' })
  })

  it(
    'has run in the other environment before, for long enough, or goes on with --skip-soak',
    { timeout: SLOW },
    async () => {
      await place.build('1.0.0')
      const soak = (time: string): Promise<void> => configure({ soak: { environment: 'staging', for: time } })
      await soak('1h')
      const lacking = await refused(RELEASE)
      expect(lacking).toMatch(
        /1\.0\.0 has not been verified in "staging" for 1 h on every host[\s\S]*web2 runs nothing[\s\S]*--skip-soak/,
      )
      await expectCode('release -e staging', 0)
      expect(await refused(RELEASE)).toMatch(/web2 has it since \d{4}-.* UTC, for \d+ s/)
      await place.fleet.hosts[1]?.sshd.refuse()
      const { stderr } = await expectCode(RELEASE, 4)
      expect(stderr).toContain('--skip-soak')
      await place.fleet.hosts[1]?.sshd.restart()
      await soak('1s')
      await sleep(1100)
      await expectCode(RELEASE, 0)
      await soak('1h')
      await place.build('1.1.0')
      await expectCode(RELEASE, 9)
      await expectCode(`${RELEASE} --skip-soak`, 0)
    },
  )
})

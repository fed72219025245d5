/** The main job over real SSH, by the command line: what a user types, what the hosts hold afterwards. */
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

let place: Place
beforeAll(async () => void (place = await makePlace(3)))
afterAll(() => place.dispose())
beforeEach(() => place.fresh())

async function live(): Promise<string[]> {
  const found = await Promise.all(place.deployTo.map((dir) => runs(dir)))
  expect(found.every((f) => f.whole)).toBe(true)
  return found.map((f) => f.version)
}

/** Runs ship and expects a code; the error text helps when it is another one. */
async function expectCode(args: string | readonly string[], code: number) {
  const result = await place.ship(args)
  expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
  return result
}

describeOverSsh('release', () => {
  it('goes to three hosts, is upgraded, is rolled back, and is told', async () => {
    await place.build('1.0.0')
    const first = await expectCode('release', 0)
    expect(first.stdout).toContain('shop 1.0.0 is live on 3 hosts')
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])

    await place.build('1.1.0')
    await expectCode('release', 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])

    const status = JSON.parse((await expectCode('status --json --exit-code', 0)).stdout.trim().split('\n').at(-1) ?? '')
    expect(status.data.hosts).toMatchObject(
      [1, 2, 3].map((n) => ({ host: `web${n}`, version: '1.1.0', state: 'verified' })),
    )

    const asked = new Date().toISOString()
    await expectCode('rollback', 0)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    // It is live since it was gone back to, and not since it was live for the first time.
    const back = JSON.parse((await expectCode('status --json', 0)).stdout.trim().split('\n').at(-1) ?? '')
    for (const { since } of back.data.hosts) expect(since > asked).toBe(true)
    const { stdout: releases } = await expectCode('releases', 0)
    expect(releases).toMatch(/1\.1\.0 +bad/)
    expect(releases).toMatch(/1\.0\.0 +verified +current/)
    const { stdout: history } = await expectCode('history', 0)
    expect(history.split('\n').filter((l) => / (release|rollback) /.test(l))).toHaveLength(3)
    for (const dir of place.deployTo) expect(await leftovers(dir)).toEqual([])
  })

  it('does nothing when the version is live already, and says so', async () => {
    await place.build('1.0.0')
    await expectCode('release', 0)
    const before = lstatSync(join(place.deployTo[0] ?? '', 'current')).ino
    const { stdout } = await expectCode('release', 0)
    expect(stdout).toContain('already live on 3 hosts: nothing to do')
    expect(lstatSync(join(place.deployTo[0] ?? '', 'current')).ino).toBe(before)
  })

  it('refuses other bytes under a version that a host holds', async () => {
    await place.build('1.0.0')
    await expectCode('release', 0)
    await place.ship(['--version'])
    await writeFile(join(place.shop.dir, 'app', 'VERSION'), 'other\n')
    // In another dist, as another machine would build it.
    await expectCode(['build'], 9)
    const { rm } = await import('node:fs/promises')
    await rm(join(place.shop.dir, 'dist'), { recursive: true })
    await expectCode('build', 0)
    const refused = await expectCode('release', 9)
    expect(refused.stderr).toContain('other bytes')
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })

  it('refuses a downgrade unless it is meant', async () => {
    await place.build('1.0.0')
    await place.build('2.0.0')
    await expectCode('release', 0)
    const refused = await expectCode('release 1.0.0', 9)
    expect(refused.stderr).toContain('--allow-downgrade')
    await expectCode('release 1.0.0 --allow-downgrade', 0)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })

  it('takes the newest version that a range admits', async () => {
    for (const version of ['1.0.0', '1.1.0', '2.0.0']) await place.build(version)
    await expectCode(['release', '^1.0.0'], 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
    const none = await expectCode(['release', '^3'], 2)
    expect(none.stderr).toContain('built are: 2.0.0, 1.1.0, 1.0.0')
  })

  it('works from a folder below the project, and on some hosts', async () => {
    await place.build('1.0.0')
    const below = join(place.shop.dir, 'app')
    const { code } = await place.ship('release --hosts web2', { cwd: below })
    expect(code).toBe(0)
    expect(place.deployTo.map((dir) => existsSync(join(dir, 'current')))).toEqual([false, true, false])
  })

  it('plans without touching anything, and the plan names bytes, links, hooks and prunes', async () => {
    await place.configure({
      shared: { dirs: ['log'] },
      hooks: { afterSwitch: ['true'] },
      health: [{ exec: './run' }],
      keep: 1,
    })
    await place.build('1.0.0')
    const { stdout } = await expectCode('plan', 0)
    expect(stdout).toContain('release shop 1.0.0 to production: 3 hosts')
    expect(stdout).toMatch(/hook +afterSwitch: true/)
    expect(stdout).toMatch(/gate +exec/)
    expect(stdout).toMatch(/links +log/)
    for (const dir of place.deployTo) expect(existsSync(dir)).toBe(false)
    for (const version of ['1.0.0', '1.1.0']) {
      await place.build(version)
      await expectCode('release', 0)
    }
    await place.build('1.2.0')
    expect((await expectCode('release --dry-run', 0)).stdout).toMatch(/prunes +1\.0\.0/)
  })
})

describeOverSsh('what users of Capistrano rely on', () => {
  it('linked folders and files, parents made; a missing file stops it before anything is switched', async () => {
    await place.configure({
      shared: { dirs: ['log', 'a/b/uploads'], files: ['config/local.env'], optionalFiles: ['extra'] },
    })
    await place.build('1.0.0', { extra: 'from the bundle\n' })
    const refused = await expectCode('release', 5)
    expect(refused.stderr).toContain('config/local.env')
    for (const dir of place.deployTo) expect(existsSync(join(dir, 'current'))).toBe(false)

    for (const dir of place.deployTo) {
      await mkdir(join(dir, 'shared/config'), { recursive: true })
      await writeFile(join(dir, 'shared/config/local.env'), 'SECRET=1\n')
    }
    await expectCode('release', 0)
    const [dir = ''] = place.deployTo
    expect(await readFile(join(dir, 'current/config/local.env'), 'utf8')).toBe('SECRET=1\n')
    expect(readlinkSync(join(dir, 'current/a/b/uploads'))).toBe('../../../../shared/a/b/uploads')
    await writeFile(join(dir, 'current/a/b/uploads/one'), 'kept\n')
    await place.build('1.1.0')
    await expectCode('release', 0)
    expect(await readFile(join(dir, 'current/a/b/uploads/one'), 'utf8')).toBe('kept\n')
    expect(await readFile(join(dir, 'current/VERSION'), 'utf8')).toBe('1.1.0\n')
  })

  it('keeps N good ones; failed ones do not count, and the last good one stays', async () => {
    await place.configure({ keep: 2, health: [{ exec: 'grep -q good health', deadline: '1s', interval: '100ms' }] })
    const health = (word: string) => ({ health: `${word}\n` })
    for (const version of ['1.0.0', '1.1.0']) {
      await place.build(version, health('good'))
      await expectCode('release', 0)
    }
    for (const version of ['1.2.0', '1.3.0', '1.4.0']) {
      await place.build(version, health('bad'))
      await expectCode('release', 6)
    }
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
    await place.build('1.5.0', health('good'))
    await expectCode('release', 0)
    const [dir = ''] = place.deployTo
    expect(readdirSync(join(dir, 'releases')).toSorted()).toEqual(['1.1.0', '1.5.0'])
    await expectCode('rollback', 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
  })

  it('rolls back to a named one, and not to one that was never good', async () => {
    await place.configure({ health: [{ exec: 'grep -q good health', deadline: '1s', interval: '100ms' }] })
    for (const [version, word] of [
      ['1.0.0', 'good'],
      ['1.1.0', 'good'],
      ['1.2.0', 'good'],
      ['1.3.0', 'bad'],
    ] as const) {
      await place.build(version, { health: `${word}\n` })
      await expectCode('release', word === 'good' ? 0 : 6)
    }
    await expectCode('rollback 1.0.0', 0)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    const refused = await expectCode('rollback 1.3.0', 9)
    expect(refused.stderr).toContain('1.3.0')
  })
})

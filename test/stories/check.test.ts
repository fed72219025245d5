/** `ship check`: everything that stands in the way of a release is told at once, with its cure, and nothing is changed. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'

let place: Place
beforeAll(async () => void (place = await makePlace(2)))
afterAll(() => place.dispose())
beforeEach(() => place.fresh())

async function check(code: number, args = 'check') {
  const { code: ended, stdout, stderr } = await place.ship(args)
  expect({ ended, said: ended === code ? '' : stdout + stderr }).toEqual({ ended: code, said: '' })
  return { stdout, stderr }
}

describeOverSsh('ship check', () => {
  it('says that all is well, and which command comes next', async () => {
    await place.build('1.0.0')
    const { stdout, stderr } = await check(0)
    expect(stdout).toMatch(/web1 +nothing +Linux \S+ +[\d.]+ \S+ +ready/)
    expect(stdout).toContain('production is ready: 2 hosts, shop 1.0.0')
    expect(stderr).toContain('next:  ship release -e production')
    for (const dir of place.deployTo) expect(existsSync(dir)).toBe(false)
    await place.ship('release')
    expect((await check(0)).stdout).toMatch(/web2 +1\.0\.0 /)
  })

  it('tells every problem of every host at once, equal ones once, each with its cure', async () => {
    const [first = '', second = ''] = place.deployTo
    await place.configure({
      shared: { files: ['local.env'] },
      hooks: {
        afterSwitch: ['no-such-restarter --now', 'bin/own', 'cd / && true'],
        beforeSwitch: ['/usr/bin/env true'],
      },
      health: [{ exec: ['no-such-checker'] }],
    })
    mkdirSync(join(first, 'current'), { recursive: true })
    const { stdout, stderr } = await check(5)
    // The project's, then the hosts'.
    expect(stdout).not.toContain('error: shop was not built yet')
    expect(stdout).toContain(`error: web1: "${first}/current" is a directory, not a link`)
    expect(stdout).toContain(`mv ${first}/current ${first}/current.old`)
    expect(stdout).toContain('error: web1, web2: "shared/local.env" does not exist on the host')
    expect(stdout).toContain('scp local.env')
    expect(stdout).toContain('error: web1, web2: there is no program "no-such-restarter", which hook')
    expect(stdout).toContain('there is no program "no-such-checker", which the exec check calls')
    expect(stdout).not.toContain('"bin/own"')
    expect(stdout).not.toContain('"cd"')
    expect(stderr).toContain('production is not ready: 7 problems, 2 of 2 hosts concerned')
    expect(existsSync(second)).toBe(false)
    // A release stops at the first of them.
    await place.build('1.0.0')
    expect((await check(5)).stdout).not.toContain('was not built yet')
  })

  it('warns of a check for a role that no host has, as a release does', async () => {
    await place.configure({ health: [{ exec: 'true', role: 'web' }] })
    await place.build('1.0.0')
    const warning = 'warning: no host of "production" has the role "web", so a health check for it does nothing'
    expect((await check(0)).stderr).toContain(warning)
    expect((await check(0, 'release --yes')).stderr).toContain(warning)
  })

  it('looks at hosts before the first build, too: that is no problem, and what comes next', async () => {
    await place.fresh()
    const { stdout, stderr } = await check(0)
    expect(stdout).toContain('\nshop was not built yet: dist/ has no bundle of it\nproduction is ready: 2 hosts\n')
    expect(stderr).toMatch(/next: +ship build\n/)
  })

  it('asks the other hosts when one is down, and ends like a release', async () => {
    await place.build('1.0.0')
    const [host] = place.fleet.hosts
    await host?.sshd.stop()
    try {
      const { stdout } = await check(4)
      expect(stdout).toMatch(/web1 +not reached/)
      expect(stdout).toMatch(/web2 +nothing .* ready/)
      const { stdout: json } = await check(4, 'check --json')
      const result = JSON.parse(json.trim().split('\n').at(-1) ?? '')
      expect(result).toMatchObject({
        exitCode: 4,
        data: {
          bundle: '1.0.0',
          hosts: [
            { host: 'web1', reached: false, problems: [{ reason: 'unreachable' }] },
            { host: 'web2', reached: true, problems: [] },
          ],
        },
      })
    } finally {
      await host?.sshd.restart()
    }
  })

  it('sees a bundle that was tampered with, and what a host holds with other bytes', async () => {
    await place.build('1.0.0')
    await place.ship('release')
    rmSync(join(place.shop.dir, 'dist'), { recursive: true })
    await place.build('1.0.0', { extra: 'other' })
    expect((await check(9)).stdout).toContain('version 1.0.0 is already on this host with other bytes')
    writeFileSync(join(place.shop.dir, 'dist/shop-1.0.0.tar.gz'), 'not it')
    expect((await check(9)).stdout).toMatch(/error: .*shop-1\.0\.0/)
  })
})

/** Releases of packages that are cut off: ship killed, the connection lost, the host down, an installation that never ends. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeInDebian } from '../support/debian-root.ts'
import { makeDebPlace, type DebPlace } from './deb-place.ts'

let place: DebPlace
const live = (version: string): string => `installed ${version}-1, releases/${version}, whole`
const onBoth = <T>(what: T): T[] => [what, what]

describeInDebian('a release of a package', () => {
  beforeAll(async () => void (place = await makeDebPlace(2)), 600_000)
  afterAll(() => place.dispose())
  beforeEach(() => place.fresh())

  it('is gone on with when ship was killed in the middle of an installation', async () => {
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    writeFileSync(join(place.dir, 'slow.sh'), '#!/bin/sh\necho once >>/tmp/installing\nsleep 4\n')
    await place.build('1.1.0', { scripts: { postinst: 'slow.sh' } })
    for (const root of place.hosts.roots) rmSync(join(root.path, 'tmp/installing'), { force: true })
    const killed = await place.killedWhen(() =>
      place.hosts.roots.every(({ path }) => existsSync(join(path, 'tmp/installing'))),
    )
    expect(killed.signal).toBe('SIGKILL')
    expect(await place.audit()).not.toEqual(onBoth(''))
    const { stderr } = await place.ends('release --yes', 0)
    expect(stderr).toMatch(/took over the lock/)
    expect(await place.runs()).toEqual(onBoth(live('1.1.0')))
    // It was waited for, not begun again.
    for (const root of place.hosts.roots) {
      expect(readFileSync(join(root.path, 'tmp/installing'), 'utf8')).toBe('once\n')
    }
    expect(await place.audit()).toEqual(onBoth(''))
  })

  it('goes back when the connection is cut in the middle of an installation', async () => {
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    writeFileSync(join(place.dir, 'slow.sh'), '#!/bin/sh\ntouch /tmp/installing\nsleep 3\n')
    await place.build('1.1.0', { scripts: { postinst: 'slow.sh' } })
    for (const root of place.hosts.roots) rmSync(join(root.path, 'tmp/installing'), { force: true })
    const releasing = place.ship('release --yes')
    while (!existsSync(place.at('tmp/installing'))) await sleep(50)
    await place.hosts.fleet.hosts[0]?.sshd.cut()
    const { code, stderr } = await releasing
    expect({ code, stderr: code === 6 ? '' : stderr }).toEqual({ code: 6, stderr: '' })
    expect(stderr).toMatch(/web1.*switch/)
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
    expect(await place.audit()).toEqual(onBoth(''))
  })

  it('gets the old package back when the new one never ends', async () => {
    place.configure({ install: { timeout: '6s' } })
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    writeFileSync(join(place.dir, 'slow.sh'), '#!/bin/sh\nsleep 600\n')
    await place.build('1.1.0', { scripts: { postinst: 'slow.sh' } })
    const { stderr } = await place.ends('release --yes', 6)
    expect(stderr).toMatch(/the installation took longer than 6 s/)
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
    expect(await place.audit()).toEqual(onBoth(''))
    const left = execFileSync('sh', ['-c', 'pgrep -x sleep -a || true']).toString()
    expect(left).not.toContain('sleep 600')
  })

  it('is gone on with when the host was cut off at any moment of dpkg', async () => {
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    const files = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`file ${n}`, `${n}\n`.repeat(2000)]))
    await place.build('1.1.0', {}, files)
    for (const ms of [20, 80, 140, 200, 300]) {
      const doing = place.hosts.roots.map(({ path }) => join(path, 'opt/shop/.ship/debs/doing'))
      for (const file of doing) rmSync(file, { force: true })
      await place.killedWhen(() => doing.every((file) => existsSync(file)), ms)
      const isBack = ms === 140
      await place.ends(isBack ? 'rollback 1.0.0 --yes' : 'release --yes', 0)
      // What dpkg had unpacked and not yet written into its list belongs to nobody: it stays, beside what is live, until that version comes.
      const found = (await place.runs()).map((one) => (isBack ? one.replace(/, 1\.1\.0$/, '') : one))
      expect(found).toEqual(onBoth(live(isBack ? '1.0.0' : '1.1.0')))
      expect(await place.audit()).toEqual(onBoth(''))
      if (!isBack) await place.ends('rollback 1.0.0 --yes', 0)
    }
  })

  it('is gone on with when the host went down in the middle of an installation', async () => {
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    writeFileSync(
      join(place.dir, 'slow.sh'),
      '#!/bin/sh\n[ -e /tmp/fast ] || { touch /tmp/installing; exec sleep 60; }\n',
    )
    await place.build('1.1.0', { scripts: { postinst: 'slow.sh' } })
    for (const root of place.hosts.roots) rmSync(join(root.path, 'tmp/installing'), { force: true })
    await place.killedWhen(() => place.hosts.roots.every(({ path }) => existsSync(join(path, 'tmp/installing'))), 0)
    for (const root of place.hosts.roots) writeFileSync(join(root.path, 'tmp/fast'), '')
    const status = await place.answer('status')
    expect(status.hosts.map(({ state }) => state)).toEqual(onBoth('half-installed'))
    // Both ways lead out: back, and on.
    await place.ends('rollback 1.0.0 --yes', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
    expect(await place.audit()).toEqual(onBoth(''))
    await place.ends('release --yes', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.1.0')))
  })
})

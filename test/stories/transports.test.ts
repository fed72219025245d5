/** Every way to reach a host ends in the same tree; and what the system's programs do when they are cut, killed or not there. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { asSeen, describeInChroot, startFilesOnly } from '../support/files-only.ts'
import { startFleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makeCounted, type Counted } from './counted.ts'
import { leftovers, runs } from './shop.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')

let place: Counted

describeOverSsh('transports', () => {
  beforeAll(async () => void (place = await makeCounted()))
  afterAll(() => place.dispose())
  beforeEach(() => place.fresh())

  describeInChroot('to four kinds of hosts', () => {
    it('end in identical trees, release after release', async () => {
      const chroot = await startFilesOnly(1)
      try {
        const places = ['sftp', 'rsync', 'local'].map((name) => join(place.root, name))
        const caged = join(chroot.hosts[0]?.root ?? '', 'shop')
        const all = [...places, caged]
        const noise = randomBytes(600_000)
        for (const version of ['1.0.0', '1.1.0']) {
          const files = { 'bulk/noise': Buffer.concat([Buffer.from(version), noise]), 'deep/er/file': 'same\n' }
          await place.configure([
            { host: 'web1', deployTo: places[0], transport: 'sftp' },
            { host: 'web2', deployTo: places[1], transport: 'rsync' },
            { host: 'here', local: places[2] },
          ])
          await place.build(version, files)
          await place.expectCode('release', 0)
          await place.configure([{ host: 'web1', deployTo: asSeen(chroot, caged) }])
          await place.expectCode('release', 0, { env: { SHIP_SSH_CONFIG: chroot.sshConfigFile } })
          const trees = all.map((one) => tree(one, version))
          expect(trees[0]).toContain('bulk/noise')
          for (const other of trees) expect(other).toBe(trees[0])
        }
        for (const one of all) expect(await leftovers(one)).toEqual([])
      } finally {
        await chroot.dispose()
      }
    }, 120_000)
  })

  it('go on where rsync was cut, with what had come and what was there before', async () => {
    await place.configure([{ host: 'counted', deployTo: place.root, transport: 'rsync' }], { limit: '3MB/s' })
    const noise = randomBytes(9_000_000)
    await place.build('1.0.0', { 'data.bin': noise, kept: 'x'.repeat(1000) })
    await place.expectCode('release', 0)
    const changed = Buffer.concat([randomBytes(6_000_000), noise])
    await place.build('1.0.1', { 'data.bin': changed })
    const { stdout } = await place.expectCode('release --json', 0, {
      when: '"event":"step.progress","step":"stage"',
      onSeen: () => void sleep(600).then(() => place.relay.cut()),
    })
    expect(stdout).toContain('the connection was cut')
    // Of the 6 MB that are new, the second time only what had not come.
    const [, sent = ''] = /"note":"([\d.]+) MB sent \(/.exec(stdout) ?? []
    expect(Number(sent)).toBeGreaterThan(0.5)
    expect(Number(sent)).toBeLessThan(5.5)
    expect(readFileSync(join(place.root, 'current/data.bin')).equals(changed)).toBe(true)
    expect(await leftovers(place.root)).toEqual([])
  }, 120_000)

  it('leave no ssh behind when ship is killed', async () => {
    const temporary = join(place.dir, 'tmp')
    mkdirSync(temporary, { recursive: true })
    await place.configure([{ host: 'web1', deployTo: place.root, transport: 'rsync' }])
    await place.build('1.0.0')
    const env = { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: 'step.finished stage', TMPDIR: temporary }
    expect((await place.ship('release --json', { env })).signal).toBe('SIGKILL')
    for (let tries = 0; tries < 100 && running(temporary) > 0; tries++) await sleep(100)
    expect(running(temporary)).toBe(0)
    expect(readdirSync(temporary).some((name) => name.startsWith('ship-ssh-'))).toBe(true)
    // The next run takes over, and clears away the folder of the dead one.
    await place.expectCode('release', 0, { env: { TMPDIR: temporary } })
    expect(readdirSync(temporary).filter((name) => name.startsWith('ship-'))).toEqual([])
    expect((await runs(place.root)).version).toBe('1.0.0')
  }, 60_000)

  it('are told with the reason, and do without rsync where there is none', async () => {
    const programs = join(place.dir, 'programs')
    mkdirSync(programs)
    execFileSync('busybox', ['--install', '-s', programs])
    expect(existsSync(join(programs, 'rsync'))).toBe(false)
    const bare = await startFleet(1, { config: [`SetEnv PATH=${programs} SHLVL=2`] })
    try {
      const env = { SHIP_SSH_CONFIG: bare.sshConfigFile }
      await place.configure([{ host: 'web1', deployTo: place.root, transport: 'rsync' }])
      for (const version of ['1.0.0', '1.0.1']) {
        await place.build(version, { 'data.bin': randomBytes(400_000), same: 'x'.repeat(5_000_000) })
        const { stderr } = await place.expectCode('release -v', 0, { env })
        expect(stderr).toContain('rsync is not on both sides')
        expect((await runs(place.root)).version).toBe(version)
      }
      // One that is there, but of no use.
      writeFileSync(join(programs, 'rsync'), '#!/bin/sh\necho "no, not today" >&2\nexit 5\n', { mode: 0o755 })
      await place.build('1.0.2', { 'data.bin': randomBytes(400_000) })
      const { stderr } = await place.expectCode('release', 0, { env })
      expect(stderr).toMatch(
        /warning: web1: files that changed are sent whole, because rsync ended with \d+: .*not today/,
      )
      expect((await runs(place.root)).version).toBe('1.0.2')
      expect(await leftovers(place.root)).toEqual([])
      await place.configure([{ host: 'web1', deployTo: place.root }])
      expect((await place.expectCode('release -v', 0, { env })).stderr).toContain('transport sftp: nothing')
    } finally {
      await bare.dispose()
    }
  }, 60_000)
})

/** Every path of a release with its type, mode, time, size and target, and the content of files. */
function tree(deployTo: string, version: string): string {
  const list = `find . -printf '%p %y %m %T@ %n %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum`
  return execFileSync('sh', ['-c', list], {
    cwd: join(deployTo, 'releases', version),
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
}

/** Processes that have a folder in their command line. */
function running(folder: string): number {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(`${folder}/ship-ssh-`)
    } catch {
      return false
    }
  }).length
}

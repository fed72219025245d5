/** Releases of packages to real Debian roots over real sshd: what dpkg says afterwards is what counts. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { scriptText, type Verb } from '../../src/host/shell/call.ts'
import { offer } from '../support/debian-hosts.ts'
import { describeInDebian } from '../support/debian-root.ts'
import { makeDebPlace, type DebPlace } from './deb-place.ts'

let place: DebPlace
const live = (version: string): string => `installed ${version}-1, releases/${version}, whole`
const onBoth = <T>(what: T): T[] => [what, what]

describeInDebian('a fleet of Debian hosts', () => {
  beforeAll(async () => void (place = await makeDebPlace(2)), 600_000)
  afterAll(() => place.dispose())
  beforeEach(() => place.fresh())

  it('is installed by a user who may use sudo, and by no other', async () => {
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    await place.build('1.1.0')
    await place.ends('release --yes', 0)
    const [root] = place.hosts.roots
    await root?.run(['useradd', '-m', 'deploy'])
    await root?.run(['chown', '-R', 'deploy', '/opt/shop/.ship'])
    await root?.run(['chown', 'deploy', '/opt/shop', '/opt/shop/shared'])
    const asDeploy = async (verb: Verb, ...args: string[]): Promise<string> => {
      const text = scriptText(verb, 'package')
      const argv = ['runuser', '-u', 'deploy', '--', 'sh', '-c', text, verb, 'M', '/opt/shop', ...args]
      const { stdout, stderr } = (await root?.run(argv)) ?? { stdout: '', stderr: '' }
      return stdout + stderr
    }
    expect(await asDeploy('probe')).not.toContain('M tool root')
    writeFileSync(place.at('etc/sudoers.d/deploy'), 'deploy ALL=(ALL) NOPASSWD: ALL\n')
    expect(await asDeploy('probe')).toContain('M tool root')
    const token = 'a'.repeat(32)
    expect(await asDeploy('lock', token, '{}', '-', 'any')).toContain('M end ok')
    const back = [token, 'releases/1.0.0', 'releases/1.1.0', '-', '-', '60', '600']
    expect(await asDeploy('switch', ...back)).toContain('M end ok')
    expect((await place.runs())[0]).toBe(live('1.0.0'))
    // A lock that was lost meanwhile: dpkg is not touched.
    const ghost = await asDeploy('switch', 'b'.repeat(32), 'releases/1.1.0', 'releases/1.0.0', '-', '-', '60', '600')
    expect(ghost).toContain('M end locked')
    expect((await place.runs())[0]).toBe(live('1.0.0'))
    expect(await asDeploy('unlock', token)).toContain('M end ok')
  })

  it('is released to, upgraded and rolled back, and its state is told', async () => {
    await place.build('1.0.0')
    const planned = await place.ends('plan', 0)
    expect(planned.stdout).toContain('1.0.0')
    expect(await place.runs()).toEqual(onBoth('absent'))
    await place.ends('release --yes', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))

    await place.build('1.1.0')
    await place.ends('release --yes', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.1.0')))
    const again = await place.ends('release --yes', 0)
    expect(again.stdout).toMatch(/already live/)

    const status = await place.answer('status')
    expect(status.hosts.map(({ version, state }) => [version, state])).toEqual(onBoth(['1.1.0', 'verified']))
    const { hosts } = await place.answer('releases')
    expect(hosts[0]?.releases).toMatchObject([
      { version: '1.1.0', state: 'verified', deb: { package: 'shop', version: '1.1.0-1' } },
      { version: '1.0.0', state: 'verified', deb: { version: '1.0.0-1' } },
    ])
    await place.ends('verify -e production', 0)
    writeFileSync(place.at('opt/shop/current/VERSION', 1), 'changed\n')
    const drifted = await place.ends('verify -e production', 1)
    expect(drifted.stdout).toMatch(/web2 +1\.1\.0 +changed +VERSION/)
    writeFileSync(place.at('opt/shop/current/VERSION', 1), '1.1.0\n')

    await place.ends('rollback --yes', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
    const history = await place.ends('history', 0)
    expect(history.stdout).toMatch(/rollback +1\.0\.0/)
    // An older version is refused, and goes when it is meant.
    await place.ends('release 1.1.0 --yes', 0)
    await place.ends('release 1.0.0 --yes', 9)
    await place.ends('release 1.0.0 --yes --allow-downgrade', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
  })

  it('keeps as many packages as it is told to, and never those that are needed', async () => {
    place.configure({ keep: 2 })
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      await place.build(version)
      await place.ends('release --yes', 0)
    }
    const kept = readdirSync(place.at('opt/shop/.ship/debs')).filter((name) => name.endsWith('.deb'))
    expect(kept.toSorted()).toEqual(['1.1.0.deb', '1.2.0.deb'])
    expect(readdirSync(place.at('opt/shop/.ship/manifests')).toSorted()).toEqual([
      '1.1.0.manifest.json',
      '1.2.0.manifest.json',
    ])
  })

  it('gets the old package back when the new one cannot be configured', async () => {
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    // It fails on one host only; the other one, which is well, goes back too.
    writeFileSync(
      join(place.dir, 'broken.sh'),
      '#!/bin/sh\n[ ! -e /etc/breaks ] || { echo "no such database" >&2; exit 3; }\n',
    )
    await place.build('1.1.0', { scripts: { postinst: 'broken.sh' } })
    writeFileSync(place.at('etc/breaks', 1), '')
    try {
      const { stderr } = await place.ends('release --yes', 6)
      expect(stderr).toContain('no such database')
      expect(stderr).toMatch(/web2, switch: .*post-installation script subprocess returned error exit status 3/)
      expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
      expect(await place.audit()).toEqual(onBoth(''))
      const { hosts } = await place.answer('releases')
      expect(hosts.map((h) => h.releases.map((r) => `${r.version} ${r.state}`))).toEqual(
        onBoth(['1.1.0 failed', '1.0.0 verified']),
      )
    } finally {
      rmSync(place.at('etc/breaks', 1))
    }
    // What was wrong is mended: the same package goes.
    await place.ends('release --yes', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.1.0')))
  })

  it('is left without the package when its first release fails', async () => {
    writeFileSync(join(place.dir, 'broken.sh'), '#!/bin/sh\nexit 3\n')
    await place.build('1.0.0', {
      scripts: { postinst: 'broken.sh' },
      files: [{ from: 'package.json', to: '/etc/shop.json' }],
    })
    await place.ends('release --yes', 6)
    expect(await place.runs()).toEqual(onBoth('absent'))
    expect(await place.audit()).toEqual(onBoth(''))
    expect(existsSync(place.at('etc/shop.json'))).toBe(false)
    expect(existsSync(place.at('opt/shop/current'))).toBe(false)
  })

  it('goes back when a health check fails, with what the administrator changed', async () => {
    const deb = { files: [{ from: 'shop.conf', to: '/etc/shop.conf' }] }
    writeFileSync(join(place.dir, 'shop.conf'), 'packaged\n')
    place.configure({ health: [{ exec: 'grep -q ok health', deadline: '2s', interval: '200ms' }] })
    await place.build('1.0.0', deb)
    await place.ends('release --yes', 0)
    writeFileSync(place.at('etc/shop.conf'), 'mine\n')
    writeFileSync(join(place.dir, 'shop.conf'), 'packaged anew\n')
    await place.build('1.1.0', deb, { health: 'bad\n' })
    const { stderr } = await place.ends('release --yes', 6)
    expect(stderr).toMatch(/gate: 2 of 2 hosts failed/)
    expect(stderr).toContain('put back and passed the gate again')
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
    expect(readFileSync(place.at('etc/shop.conf'), 'utf8')).toBe('mine\n')
  })

  it('gets dependencies from apt, and is left alone where apt does not have them', async () => {
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    await place.build('1.1.0', { depends: ['shop-words (>= 2)'] })
    const [first, second] = place.hosts.roots
    if (first && second) await offer(first, 'shop-words', '2.1')
    const { stderr } = await place.ends('release --yes', 5)
    expect(stderr).toMatch(/web2, stage: .*shop-words/)
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
    if (first && second) await offer(second, 'shop-words', '2.1')
    await place.ends('release --yes', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.1.0')))
    // Nor is another package taken away for it.
    await place.build('1.2.0', { conflicts: ['shop-words'] })
    expect((await place.ends('release --yes', 5)).stderr).toMatch(/stage: .*Packages need to be removed/)
    expect(await place.runs()).toEqual(onBoth(live('1.1.0')))
  })

  it('waits for whoever installs something else, but not for ever', async () => {
    await place.build('1.0.0')
    place.configure({ install: { lock: '1s' } })
    const [root] = place.hosts.roots
    const hold =
      'import fcntl,sys,time; f=open(sys.argv[1],"w"); fcntl.lockf(f,fcntl.LOCK_EX); print("held",flush=True); time.sleep(float(sys.argv[2]))'
    const holding = async (seconds: number): Promise<() => void> => {
      const file = join(root?.path ?? '', 'var/lib/dpkg/lock-frontend')
      const child = spawn('python3', ['-c', hold, file, String(seconds)], { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout, 'data')
      return () => void child.kill('SIGKILL')
    }
    const release = await holding(600)
    const { stderr } = await place.ends('release --yes', 6)
    release()
    expect(stderr).toMatch(/lock/i)
    expect(await place.runs()).toEqual(onBoth('absent'))
    place.configure({ install: { lock: '60s' } })
    const letGo = await holding(600)
    const releasing = place.ends('release --yes', 0)
    while (!existsSync(place.at('opt/shop/.ship/debs/doing'))) await sleep(20)
    await sleep(3000)
    letGo()
    await releasing
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
  })

  it('says that the disk is full, and runs what it ran', async () => {
    const disk = place.at('opt')
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk])
    try {
      await place.build('1.0.0')
      await place.ends('release --yes', 0)
      // Compressed it is small, and the room that is left takes it; unpacked it does not fit.
      await place.build('1.1.0', {}, { big: 'x'.repeat(16_000_000) })
      writeFileSync(join(disk, 'filler'), Buffer.alloc(6_000_000))
      const { stderr } = await place.ends('release --yes', 5)
      expect(stderr).toMatch(/not enough disk space/)
      rmSync(join(disk, 'filler'))
      writeFileSync(
        join(place.dir, 'fill.sh'),
        '#!/bin/sh\n[ ! -d /opt/shop ] || [ ! -e /tmp/fill ] || head -c 30M /dev/zero >/opt/filler || true\n',
      )
      await place.build('1.2.0', { scripts: { preinst: 'fill.sh' } }, { big: 'x'.repeat(8_000_000) })
      writeFileSync(place.at('tmp/fill'), '')
      const full = await place.ends('release --yes', 6)
      expect(full.stderr).toMatch(/No space left|disk is full/)
      rmSync(join(disk, 'filler'), { force: true })
      rmSync(place.at('tmp/fill'))
      expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
      expect(await place.audit()).toEqual(onBoth(''))
    } finally {
      execFileSync('umount', ['-l', disk])
    }
  })

  it('refuses by name what cannot work, before anything is touched', async () => {
    await place.build('1.0.0')
    const [first] = place.hosts.roots
    // Somebody installed it by hand: there would be no way back.
    const deb = join(place.dir, 'dist/shop_1.0.0-1_all.deb')
    copyFileSync(deb, place.at('tmp/shop.deb'))
    await first?.run(['dpkg', '-i', '/tmp/shop.deb'])
    await place.build('1.1.0')
    expect((await place.ends('release --yes', 9)).stderr).toMatch(/web1.*installed by somebody else/)
    await place.ends('release 1.0.0 --yes', 0)
    expect(await place.runs()).toEqual(onBoth(live('1.0.0')))
    await first?.run(['apt-mark', 'hold', 'shop'])
    expect((await place.ends('release --yes', 9)).stderr).toMatch(/web1.*on hold/)
    await first?.run(['apt-mark', 'unhold', 'shop'])
    // Archives do not go where packages are, nor packages where archives are.
    place.configure({ format: 'archive' }, {}, { build: { from: 'app', formats: ['tar.gz'] } })
    await place.build('1.2.0')
    expect((await place.ends('release --yes', 9)).stderr).toMatch(/is on this host as the package "shop"/)
    for (const root of place.hosts.roots) {
      await root.run(['dpkg', '--purge', 'shop'])
      rmSync(join(root.path, 'opt/shop'), { recursive: true, force: true })
    }
    await place.ends('release --yes', 0)
    place.configure()
    await place.build('1.3.0')
    const { stderr } = await place.ends('release --yes', 9)
    expect(stderr).toMatch(/as unpacked archives, current leads to releases\/1\.2\.0/)
    expect(await place.runs()).toEqual(onBoth('absent, releases/1.2.0, whole'))
    // The configuration is told what packages do not have.
    place.configure({ shared: { dirs: ['uploads'] } })
    expect((await place.ends('plan', 2)).stderr).toMatch(/release\.shared\.dirs is for archives/)
    place.configure({ deployTo: '/srv/shop' })
    expect((await place.ends('plan', 2)).stderr).toMatch(/installed in \/opt\/shop/)
  })

  it('does not install what was changed on the host', async () => {
    await place.build('1.0.0')
    await place.ends('release --yes', 0)
    await place.build('1.1.0')
    await place.ends('release --yes', 0)
    appendFileSync(place.at('opt/shop/.ship/debs/1.0.0.deb'), 'more')
    const { stderr } = await place.ends('rollback --yes', 9)
    expect(stderr).toMatch(/changed on the host since it was verified/)
    expect(await place.runs()).toEqual(onBoth(live('1.1.0')))
  })
})

/** dpkg itself, in a Debian 12: whatever way it goes, a reader of `current` sees a whole release at any time. */
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { debianRoot, describeInDebian, type DebianRoot } from '../support/debian-root.ts'
import { dpkg, installed, makeDeb, readDuring, type PackageOptions, type Seen } from './packages.ts'

const FAIL = '#!/bin/sh\necho "no, $1"\nexit 3\n'

describeInDebian('dpkg', () => {
  let root: DebianRoot
  let turn = 0
  let name = ''
  beforeAll(() => {
    root = debianRoot()
  }, 600_000)
  afterAll(() => root.dispose())

  /** A package of its own for each test, in version 1.0.0. */
  async function install(options: PackageOptions = {}) {
    turn += 1
    name = `shop-${turn}`
    await dpkg(root, ['-i', makeDeb(root, name, options)])
    return installed(root, name)
  }
  const make = (options: PackageOptions): string => makeDeb(root, name, options)
  const read = (work: () => Promise<unknown>): Promise<Seen> => readDuring(installed(root, name).at(''), work)
  /** What the reader must have seen, so that it proves something. */
  const whole = (seen: Seen, versions: readonly string[], briefly?: string): void => {
    expect(seen.faults).toEqual([])
    expect(seen.looks).toBeGreaterThan(100)
    expect(seen.versions.filter((v) => v !== briefly).toSorted()).toEqual([...versions].toSorted())
  }

  it('installs a release and makes current', async () => {
    const shop = await install()
    expect(await shop.status()).toBe('install ok installed 1.0.0-1')
    expect(shop.current()).toBe('releases/1.0.0')
    expect(shop.releases()).toEqual(['1.0.0'])
    expect(shop.read('VERSION')).toBe('1.0.0-1\n')
  })

  it('upgrades', async () => {
    const shop = await install({ files: { old: 'only in 1.0.0' } })
    const deb = make({ release: '1.1.0' })
    whole(await read(() => dpkg(root, ['-i', deb])), ['1.0.0-1', '1.1.0-1'])
    expect(shop.current()).toBe('releases/1.1.0')
    expect(shop.releases()).toEqual(['1.1.0'])
    expect(await shop.status()).toBe('install ok installed 1.1.0-1')
  })

  it('is seen to tear without the bridge', async () => {
    await install()
    const change = (_: string, text: string): string => text.replace('install|upgrade) protect', 'install|upgrade) :')
    const deb = make({ release: '1.1.0', change })
    const seen = await read(() => dpkg(root, ['-i', deb]))
    expect(seen.faults.join('\n')).toContain('ENOENT')
  })

  it('downgrades', async () => {
    const shop = await install({ release: '2.0.0' })
    const deb = make({ release: '1.0.0' })
    whole(await read(() => dpkg(root, ['-i', deb])), ['2.0.0-1', '1.0.0-1'])
    expect(shop.current()).toBe('releases/1.0.0')
    expect(shop.releases()).toEqual(['1.0.0'])
  })

  it('upgrades to another revision of the same release', async () => {
    const shop = await install({ files: { old: 'only in -1' } })
    const deb = make({ version: '1.0.0-2' })
    const seen = await read(() => dpkg(root, ['-i', deb]))
    whole(seen, ['1.0.0-1', '1.0.0-2'])
    expect(seen.targets).toContain('releases/.dpkg-1.0.0')
    expect(shop.current()).toBe('releases/1.0.0')
    expect(shop.releases()).toEqual(['1.0.0'])
    expect(existsSync(shop.at('current/old'))).toBe(false)
  })

  it('installs the same package again', async () => {
    const shop = await install()
    const deb = make({})
    whole(await read(() => dpkg(root, ['-i', deb])), ['1.0.0-1'])
    expect(shop.current()).toBe('releases/1.0.0')
    expect(shop.releases()).toEqual(['1.0.0'])
  })

  it('goes back when preinst fails', async () => {
    const shop = await install()
    const preinst = `#!/bin/sh\necho "live $(readlink /opt/${name}/current)"\nexit 3\n`
    const deb = make({ release: '1.1.0', custom: { preinst } })
    const seen = await read(async () => {
      const text = await dpkg(root, ['-i', deb], 1)
      expect(text).toContain('live releases/.dpkg-1.0.0')
    })
    whole(seen, ['1.0.0-1'])
    expect(shop.current()).toBe('releases/1.0.0')
    expect(shop.releases()).toEqual(['1.0.0'])
    expect(await shop.status()).toBe('install ok installed 1.0.0-1')
  })

  it('goes back when unpacking fails in the middle', async () => {
    const shop = await install()
    // Another package holds a file of the new one: dpkg finds out when most of it is unpacked.
    const other = `${name}-other`
    const taken = `/opt/${name}/releases/1.1.0/zzz`
    await dpkg(root, ['-i', makeDeb(root, other, { hasTree: false, tmpfiles: '# none\n' })])
    const list = `${root.path}/var/lib/dpkg/info/${other}.list`
    writeFileSync(list, `/.\n${taken}\n`)
    const deb = make({ release: '1.1.0', files: { zzz: 'taken' } })
    const seen = await read(async () => {
      const text = await dpkg(root, ['-i', deb], 1)
      expect(text).toContain(`trying to overwrite '${taken}'`)
    })
    whole(seen, ['1.0.0-1'])
    expect(shop.current()).toBe('releases/1.0.0')
    expect(shop.releases()).toEqual(['1.0.0'])
    expect(await shop.status()).toBe('install ok installed 1.0.0-1')
    await dpkg(root, ['-r', other])
  })

  it('keeps the old release live when postinst fails, and goes on with --configure', async () => {
    const shop = await install()
    const postinst = `#!/bin/sh\ntest -e /tmp/${name}-go || { echo "no, $1"; exit 3; }\n`
    const deb = make({ release: '1.1.0', custom: { postinst } })
    const seen = await read(() => dpkg(root, ['-i', deb], 1))
    // The new one is live while its postinst runs, which may be too short to be seen.
    whole(seen, ['1.0.0-1'], '1.1.0-1')
    expect(await shop.status()).toBe('install ok half-configured 1.1.0-1')
    expect(shop.current()).toBe('releases/.dpkg-1.0.0')
    expect(shop.read('VERSION')).toBe('1.0.0-1\n')

    const again = await read(() => dpkg(root, ['--configure', '-a'], 1))
    whole(again, ['1.0.0-1'], '1.1.0-1')
    expect(shop.current()).toBe('releases/.dpkg-1.0.0')

    writeFileSync(`${root.path}/tmp/${name}-go`, '')
    whole(await read(() => dpkg(root, ['--configure', '-a'])), ['1.0.0-1', '1.1.0-1'])
    expect(shop.current()).toBe('releases/1.1.0')
    expect(shop.releases()).toEqual(['1.1.0'])
  })

  it('goes back to the old package after a failed postinst', async () => {
    const shop = await install()
    await dpkg(root, ['-i', make({ release: '1.1.0', custom: { postinst: FAIL } })], 1)
    const deb = make({ release: '1.0.0' })
    whole(await read(() => dpkg(root, ['-i', deb])), ['1.0.0-1'])
    expect(shop.current()).toBe('releases/1.0.0')
    expect(shop.releases()).toEqual(['1.0.0'])
  })

  it('upgrades twice before it configures', async () => {
    const shop = await install()
    const debs = [make({ release: '1.1.0' }), make({ release: '1.2.0' })]
    const seen = await read(async () => {
      for (const deb of debs) await dpkg(root, ['--unpack', deb])
      expect(shop.current()).toBe('releases/.dpkg-1.0.0')
      await dpkg(root, ['--configure', '-a'])
    })
    whole(seen, ['1.0.0-1', '1.2.0-1'])
    expect(shop.releases()).toEqual(['1.2.0'])
  })

  it('keeps the rights of a setuid file through an upgrade', async () => {
    const prepare = (tree: string): void => chmodSync(`${tree}/helper`, 0o4755)
    const shop = await install({ files: { helper: 'x' }, prepare })
    await dpkg(root, ['--unpack', make({ release: '1.1.0', files: { helper: 'x' }, prepare })])
    expect(shop.current()).toBe('releases/.dpkg-1.0.0')
    expect(statSync(shop.at('current/helper')).mode & 0o7777).toBe(0o4755)
  })

  it('leaves a release that ship put there alone until it is configured, and says so', async () => {
    const shop = await install()
    asShip(shop.at, '1.5.0')
    const deb = make({ release: '1.1.0' })
    const texts: string[] = []
    const seen = await read(async () => texts.push(await dpkg(root, ['-i', deb])))
    whole(seen, ['1.5.0', '1.1.0-1'])
    expect(seen.targets).toEqual(['releases/1.5.0', 'releases/1.1.0'])
    expect(texts.join('')).toContain('led to release 1.5.0, put there by ship release; now it leads to 1.1.0')
    expect(shop.releases()).toEqual(['1.1.0', '1.5.0'])

    // Neither does a removal touch it.
    rmSync(shop.at('current'))
    symlinkSync('releases/1.5.0', shop.at('current'))
    await dpkg(root, ['-P', name])
    expect(shop.current()).toBe('releases/1.5.0')
    expect(shop.releases()).toEqual(['1.5.0'])
  })

  it('does not take over a folder of ship', async () => {
    const shop = await install()
    asShip(shop.at, '1.1.0')
    const text = await dpkg(root, ['-i', make({ release: '1.1.0' })], 1)
    expect(text).toContain(`/opt/${name}/releases/1.1.0 was put there by ship release`)
    expect(shop.read('VERSION')).toBe('1.1.0\n')
    expect(await shop.status()).toBe('install ok installed 1.0.0-1')
  })

  it('refuses a current that is no link', async () => {
    const shop = await install()
    rmSync(shop.at('current'))
    mkdirSync(shop.at('current'))
    const text = await dpkg(root, ['-i', make({ release: '1.1.0' })], 1)
    expect(text).toContain(`/opt/${name}/current is not a link`)
    expect(await shop.status()).toBe('install ok installed 1.0.0-1')
    expect(shop.releases()).toEqual(['1.0.0'])
  })

  /** A release as `ship release` leaves it, live. */
  function asShip(at: (path: string) => string, version: string): void {
    mkdirSync(at(`releases/${version}/pages`), { recursive: true })
    mkdirSync(at('.ship/releases'), { recursive: true })
    writeFileSync(at(`.ship/releases/${version}.json`), '{}\n')
    writeFileSync(at(`releases/${version}/VERSION`), `${version}\n`)
    for (let page = 0; page < 400; page++) {
      writeFileSync(at(`releases/${version}/pages/page ${page}.txt`), `${version} page ${page}\n`)
    }
    rmSync(at('current'))
    symlinkSync(`releases/${version}`, at('current'))
  }
})

/** Services, users, folders and the project's own scripts through the life of a package, judged by Debian's own tools in a Debian 12. */
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ScriptName } from '../../src/deb/scripts.ts'
import type { ServiceSpec } from '../../src/deb/service.ts'
import { debianRoot, describeInDebian, type DebianRoot } from '../support/debian-root.ts'
import { dpkg, installed, makeDeb, type PackageOptions } from './packages.ts'

/** Stands for systemctl where systemd would run: writes down what it is asked. Units are enabled as their links say. */
const FAKE_SYSTEMCTL = `#!/bin/sh
echo "$*" >>/systemctl.log
for unit do :; done
link=/etc/systemd/system/multi-user.target.wants/$unit
case "$*" in
  *preset*) ln -s "/usr/lib/systemd/system/$unit" "$link" ;;
  *is-enabled*) if [ -L "$link" ]; then echo enabled; else echo disabled; exit 1; fi ;;
  *is-active*) exit 3 ;;
esac
`

describeInDebian('a package with services', () => {
  let root: DebianRoot
  let turn = 0
  beforeAll(() => {
    root = debianRoot()
  }, 600_000)
  afterAll(() => root.dispose())

  const inside = (path: string): string => join(root.path, path)
  const wanted = (unit: string): string => inside(`/etc/systemd/system/multi-user.target.wants/${unit}`)
  const isLink = (path: string): boolean => {
    try {
      return readlinkSync(path) !== ''
    } catch {
      return false
    }
  }
  function newShop(services: readonly Partial<ServiceSpec>[], more: PackageOptions = {}) {
    turn += 1
    const name = `svc-${turn}`
    const specs = services.map((s, i) => ({ name: i === 0 ? name : `${name}-${i}`, exec: 'bin/shop', ...s }))
    const make = (options: PackageOptions = {}): string =>
      makeDeb(root, name, { pages: 3, services: specs, ...more, ...options })
    return {
      name,
      make,
      unit: `${name}.service`,
      install: (options?: PackageOptions) => dpkg(root, ['-i', make(options)]),
    }
  }

  it('enables on installation, keeps what the administrator chose, and forgets on purge', async () => {
    const { name, unit, install } = newShop([{}, { enable: false }])
    await install()
    expect(readlinkSync(wanted(unit))).toMatch(new RegExp(`^(/usr)?/lib/systemd/system/${unit}$`))
    expect(isLink(wanted(`${name}-1.service`))).toBe(false)

    // As `systemctl disable` does.
    rmSync(wanted(unit))
    await install({ release: '1.1.0' })
    expect(isLink(wanted(unit))).toBe(false)
    const state = inside(`/var/lib/systemd/deb-systemd-helper-enabled/${unit}.dsh-also`)
    expect(readFileSync(state, 'utf8')).toContain(`multi-user.target.wants/${unit}`)

    await dpkg(root, ['-r', name])
    expect(existsSync(state)).toBe(true)
    expect(existsSync(inside(`/usr/lib/systemd/system/${unit}`))).toBe(false)
    await dpkg(root, ['-P', name])
    expect(existsSync(state)).toBe(false)
  })

  it('is enabled anew after a removal, and a purge takes the link away', async () => {
    const { name, unit, install } = newShop([{}])
    await install()
    await dpkg(root, ['-r', name])
    await install()
    expect(isLink(wanted(unit))).toBe(true)
    await dpkg(root, ['-P', name])
    expect(isLink(wanted(unit))).toBe(false)
  })

  it('removes and purges all that is its own, and nothing else', async () => {
    const { name, install } = newShop(
      [{ stateDirectory: 'SELF/data' }].map((s) => ({ ...s, stateDirectory: `svc-own/data` })),
    )
    await install()
    const shop = installed(root, name)
    mkdirSync(inside('/var/lib/svc-own/data'), { recursive: true })
    writeFileSync(inside('/var/lib/svc-own/data/db'), 'x')
    writeFileSync(inside('/var/lib/svc-own/other'), 'x')
    const text = await dpkg(root, ['-r', name])
    expect(text).not.toContain('not empty')
    expect(existsSync(shop.at(''))).toBe(false)
    expect(existsSync(inside('/var/lib/svc-own/data/db'))).toBe(true)
    await dpkg(root, ['-P', name])
    expect(existsSync(inside('/var/lib/svc-own/data'))).toBe(false)
    expect(existsSync(inside('/var/lib/svc-own/other'))).toBe(true)
  })

  it('keeps data in /opt that is not its own', async () => {
    const { name, install } = newShop([])
    await install()
    const shop = installed(root, name)
    mkdirSync(shop.at('shared'))
    writeFileSync(shop.at('shared/upload'), 'x')
    mkdirSync(shop.at('releases/0.9.0'))
    await dpkg(root, ['-P', name])
    expect(shop.current()).toBeUndefined()
    expect(shop.releases()).toEqual(['0.9.0'])
    expect(readFileSync(shop.at('shared/upload'), 'utf8')).toBe('x')
  })

  it('stays as it was when its removal fails', async () => {
    const { name, unit, install } = newShop([{}])
    await install({ custom: { prerm: '#!/bin/sh\nexit 3\n' } })
    await dpkg(root, ['-r', name], 1)
    const shop = installed(root, name)
    expect(shop.current()).toBe('releases/1.0.0')
    expect(await shop.status()).toBe('deinstall ok installed 1.0.0-1')
    expect(isLink(wanted(unit))).toBe(true)
  })

  it('is live again when the package it should make room for cannot be installed', async () => {
    const { name, install } = newShop([{}])
    const prerm = '#!/bin/sh\necho "prerm $*"\n'
    await install({ custom: { prerm } })
    const other = makeDeb(root, `${name}-other`, {
      fields: { Conflicts: name, Replaces: name, Provides: name },
      // Its preinst sees that current went away.
      custom: { preinst: `#!/bin/sh\nls -d /opt/${name}/current || echo no current\nexit 3\n` },
    })
    const text = await dpkg(root, ['-i', other], 1)
    expect(text).toContain('prerm remove in-favour')
    expect(text).toContain('no current')
    expect(installed(root, name).current()).toBe('releases/1.0.0')
    expect(await installed(root, name).status()).toBe('install ok installed 1.0.0-1')
  })

  it('makes the users of its services and its folders', async () => {
    const { name, install } = newShop([{ user: 'shopd', group: 'shopg' }], {
      sysusers: 'u extra - "more" /nonexistent\r\n',
      tmpfiles: 'd /var/cache/svc-cache 0750 shopd shopg\n',
    })
    await install()
    const passwd = readFileSync(inside('/etc/passwd'), 'utf8')
    expect(passwd).toMatch(new RegExp(`^shopd:x:\\d+:\\d+:${name} service:/opt/${name}:/usr/sbin/nologin$`, 'm'))
    expect(passwd).toMatch(/^extra:x:/m)
    expect(readFileSync(inside('/etc/group'), 'utf8')).toMatch(/^shopg:x:/m)
    const { mode, uid } = statSync(inside('/var/cache/svc-cache'))
    expect((mode & 0o777).toString(8)).toBe('750')
    expect(passwd).toContain(`shopd:x:${uid}:`)
  })

  it('calls its own scripts with the arguments of dpkg, in their order', async () => {
    const log = (script: ScriptName): string =>
      `#!/bin/bash -u\r\necho "${script} $* in \${BASH_VERSION:+bash} live $(readlink /opt/$DPKG_MAINTSCRIPT_PACKAGE/current)" >>/own.log\r\nexit 0\r\necho never >>/own.log\r\n`
    const custom = { preinst: log('preinst'), postinst: log('postinst'), prerm: log('prerm'), postrm: log('postrm') }
    const { name, install } = newShop([{}], { custom })
    await install()
    await install({ release: '1.1.0' })
    await dpkg(root, ['-P', name])
    expect(readFileSync(inside('/own.log'), 'utf8').split('\n')).toEqual([
      'preinst install in bash live ',
      'postinst configure  in bash live releases/1.0.0',
      'prerm upgrade 1.1.0-1 in bash live releases/1.0.0',
      'preinst upgrade 1.0.0-1 1.1.0-1 in bash live releases/.dpkg-1.0.0',
      'postrm upgrade 1.1.0-1 in bash live releases/.dpkg-1.0.0',
      'postinst configure 1.0.0-1 in bash live releases/1.1.0',
      'prerm remove in bash live releases/1.1.0',
      'postrm remove in bash live ',
      'postrm purge in bash live ',
      '',
    ])
    expect(installed(root, name).current()).toBeUndefined()
  })

  it('ends at the first command of its own scripts that fails', async () => {
    const { name, install, make } = newShop([], {})
    await install()
    const deb = make({ release: '1.1.0', custom: { postinst: '#!/bin/sh\nfalse\ntouch /went-on\n' } })
    await dpkg(root, ['-i', deb], 1)
    expect(existsSync(inside('/went-on'))).toBe(false)
    expect(installed(root, name).current()).toBe('releases/.dpkg-1.0.0')
  })

  /** What the fake systemctl is asked for while `work` runs, in a root where systemd seems to run. */
  async function asked(name: string, work: () => Promise<unknown>): Promise<readonly string[]> {
    mkdirSync(inside('/run/systemd/system'), { recursive: true })
    writeFileSync(inside('/usr/bin/systemctl'), FAKE_SYSTEMCTL)
    chmodSync(inside('/usr/bin/systemctl'), 0o755)
    try {
      await work()
      const lines = readFileSync(inside('/systemctl.log'), 'utf8').trim().split('\n')
      return lines.filter((line) => !/ (?:is-|preset )/.test(line)).map((line) => line.replaceAll(name, 'shop'))
    } finally {
      rmSync(inside('/usr/bin/systemctl'))
      rmSync(inside('/run/systemd'), { recursive: true })
      rmSync(inside('/systemctl.log'), { force: true })
    }
  }
  const RELOAD = '--system daemon-reload'

  it('asks systemd for what debhelper asks (a fake writes it down)', async () => {
    const { name, install } = newShop([{}, { start: false }, { restartAfterUpgrade: false }])
    expect(await asked(name, () => install())).toEqual([
      RELOAD,
      '--quiet --system start shop.service',
      '--quiet --system start shop-2.service',
    ])
    expect(await asked(name, () => install({ release: '1.1.0' }))).toEqual([
      'stop shop-2.service',
      RELOAD,
      '--quiet --system restart shop.service',
      'try-restart shop-1.service',
      '--quiet --system start shop-2.service',
    ])
    expect(await asked(name, () => dpkg(root, ['-r', name]))).toEqual([
      'stop shop.service shop-1.service shop-2.service',
      RELOAD,
    ])
  })

  it('asks by debconf, does all once, and forgets the answers on purge', async () => {
    const { name, install } = newShop([{}], { debconf: true })
    const config = `#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_input high ${name}/port || true\ndb_go\n`
    const templates = `Template: ${name}/port\nType: string\nDefault: 8080\nDescription: Port:\n The port to listen on.\n`
    const postinst = `#!/bin/sh
. /usr/share/debconf/confmodule
db_get ${name}/port
echo "$1 port $RET live $(readlink /opt/${name}/current)" >>/asked.log
`
    const work = () => install({ control: { config, templates }, custom: { postinst } })
    expect(await asked(name, work)).toEqual([RELOAD, '--quiet --system start shop.service'])
    expect(readFileSync(inside('/asked.log'), 'utf8')).toBe('configure port 8080 live releases/1.0.0\n')
    expect(installed(root, name).current()).toBe('releases/1.0.0')
    const known = (): string => readFileSync(inside('/var/cache/debconf/config.dat'), 'utf8')
    expect(known()).toContain(`Name: ${name}/port`)
    await dpkg(root, ['-P', name])
    expect(known()).not.toContain(`Name: ${name}/port`)
  })
})

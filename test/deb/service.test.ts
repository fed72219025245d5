/** Units and scripts as text: what systemd and the shells make of them, and what is refused by name. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { maintainerScripts, type PackageFacts } from '../../src/deb/scripts.ts'
import { unitText, type ServiceSpec } from '../../src/deb/service.ts'
import { scriptDepends, systemFiles } from '../../src/deb/system-files.ts'

const dir = mkdtempSync(join(tmpdir(), 'ship-unit-'))
afterAll(() => rmSync(dir, { recursive: true }))

const facts = (more: Partial<PackageFacts> = {}): PackageFacts => ({
  package: 'shop',
  release: '1.4.2',
  hasTree: true,
  services: [],
  sysusers: undefined,
  tmpfiles: undefined,
  conffiles: [],
  custom: {},
  ...more,
})
const unit = (spec: Partial<ServiceSpec>): string => unitText({ name: 'shop', exec: 'bin/shop', ...spec }, 'shop')
const lines = (spec: Partial<ServiceSpec>, key: string): readonly string[] =>
  unit(spec)
    .split('\n')
    .filter((line) => line.startsWith(`${key}=`))

describe('a unit', () => {
  it('runs the program of the live release', () => {
    expect(unit({ user: 'shop', workingDirectory: 'app', stateDirectory: 'shop' })).toBe(`[Unit]
Description=shop
After=network.target

[Service]
Type=exec
ExecStart=/opt/shop/current/bin/shop
WorkingDirectory=/opt/shop/current/app
User=shop
EnvironmentFile=-/etc/default/shop
Restart=on-failure
StateDirectory=shop
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=multi-user.target
`)
  })

  it('takes lines of the user in the place of its own', () => {
    const extra = { Service: { Restart: 'always', LimitNOFILE: '4096', Environment: ['A=1', 'B=2'] } }
    expect(lines({ extra, environment: { C: '3' } }, 'Restart')).toEqual(['Restart=always'])
    expect(lines({ extra, environment: { C: '3' } }, 'Environment')).toEqual(['Environment=A=1', 'Environment=B=2'])
    expect(lines({ extra }, 'LimitNOFILE')).toEqual(['LimitNOFILE=4096'])
  })

  it.skipIf(!existsSync('/usr/bin/systemd-analyze'))('reads to systemd as it is meant', () => {
    // systemd says what it reads of a unit only when it runs; but it complains about what it cannot read.
    const root = join(dir, 'root')
    const program = join(root, 'opt/shop/current/bin/my shop')
    mkdirSync(dirname(program), { recursive: true })
    mkdirSync(join(root, 'etc/systemd/system'), { recursive: true })
    writeFileSync(program, '')
    chmodSync(program, 0o755)
    const verify = (text: string): string => {
      writeFileSync(join(root, 'etc/systemd/system/shop.service'), text)
      const argv = ['verify', '--man=no', '--recursive-errors=no', `--root=${root}`, 'shop.service']
      const { stdout, stderr } = spawnSync('systemd-analyze', argv, { encoding: 'utf8' })
      return (stdout + stderr)
        .split('\n')
        .filter((line) => /shop\.service/.test(line))
        .join('\n')
    }
    const odd = ['100%', '$HOME', '"x"', "it's", 'a b', '\\d', '', ';', 'ü €']
    const text = unit({
      exec: 'bin/my shop',
      args: odd,
      environment: { ODD: odd.join('|') },
      description: '100% "shop"',
      workingDirectory: 'my app',
    })
    expect(verify(text)).toBe('')
    expect(verify(text.replace('"$$HOME"', '"$$HOME').replace('ExecStart=', 'ExecStart="'))).toContain('shop.service')
    expect(text).toContain(
      String.raw`"/opt/shop/current/bin/my shop" 100%% $$HOME "\"x\"" "it's" "a b" "\\d" "" ";" "ü €"`,
    )
  })

  it.each([
    [{ name: 'a/b' }, 'name "a/b"'],
    [{ exec: '../shop' }, '".."'],
    [{ exec: 'bin/shop\nUser=root' }, 'exec holds a line break'],
    [{ args: ['a\n[Install]'] }, 'args holds a line break'],
    [{ description: 'ends with \\' }, 'description ends with a backslash'],
    [{ user: 'Shop User' }, 'user "Shop User"'],
    [{ group: '0day' }, 'group "0day"'],
    [{ stateDirectory: '../etc' }, 'stateDirectory "../etc"'],
    [{ after: ['network.target\nX=1'] }, 'after "network.target\\x0aX=1"'],
    [{ environment: { 'A B': 'x' } }, 'environment "A B"'],
    [{ environment: { A: 'x\ny' } }, 'environment A holds a line break'],
    [{ extra: { Service: { 'Restart=no\nUser': 'x' } } }, 'is no key of a unit'],
    [{ extra: { Service: { User: 'x\ny' } } }, 'User holds a line break'],
    [{ unit: 'ExecStart=/bin/true\n' }, 'unit has no [Service] section'],
  ] as const)('refuses %j by name', (spec, problem) => {
    expect(() => unit(spec)).toThrow(problem)
  })

  it('is taken as it is when it is given whole', () => {
    expect(unit({ unit: '\uFEFF[Service]\r\nExecStart=/bin/true' })).toBe('[Service]\nExecStart=/bin/true\n')
  })
})

describe('files of the system', () => {
  it('are units, users and folders, sorted', () => {
    const services = [
      { name: 'shop', exec: 'bin/shop', user: 'shop' },
      { name: 'shop-worker', exec: 'bin/worker', user: 'shop', group: 'media' },
      { name: 'shop-web', exec: 'bin/web', user: 'www-data' },
    ]
    const all = facts({ services, sysusers: 'g media -', tmpfiles: 'd /run/shop' })
    expect(systemFiles(all).map(({ path, mode }) => `${path} ${mode.toString(8)}`)).toEqual([
      'usr/lib/systemd/system/shop-web.service 644',
      'usr/lib/systemd/system/shop-worker.service 644',
      'usr/lib/systemd/system/shop.service 644',
      'usr/lib/sysusers.d/shop.conf 644',
      'usr/lib/tmpfiles.d/shop.conf 644',
    ])
    const content = (path: string): string | undefined => systemFiles(all).find((f) => f.path.endsWith(path))?.content
    expect(content('sysusers.d/shop.conf')).toBe('g media -\nu shop - "shop service" /opt/shop\n')
    expect(content('tmpfiles.d/shop.conf')).toBe('d /run/shop\n')
    expect(scriptDepends(all)).toEqual([
      'systemd | systemd-standalone-sysusers | systemd-sysusers',
      'systemd | systemd-standalone-tmpfiles | systemd-tmpfiles',
    ])
    expect(scriptDepends(facts())).toEqual([])
    expect(systemFiles(facts())).toEqual([])
  })

  it('refuses two services of one name', () => {
    const services = [
      { name: 'shop', exec: 'bin/shop' },
      { name: 'shop', exec: 'bin/other' },
    ]
    expect(() => systemFiles(facts({ services }))).toThrow('two services are named "shop"')
  })
})

describe('the scripts', () => {
  const custom = {
    preinst: '#!/bin/sh\n# nothing but a comment',
    postinst: '#! /usr/bin/env bash\r\necho "}"\r\ncat <<E\r\n }\r\nE\r\n',
    prerm: '#!/bin/sh -eu\n',
    postrm: '\uFEFF#!/bin/dash -x\necho bye\n',
  }
  const services = [
    { name: 'shop', exec: 'bin/shop', user: 'shop', stateDirectory: 'shop' },
    { name: 'b', exec: 'bin/b', enable: false, start: false },
    { name: 'c', exec: 'bin/c', restartAfterUpgrade: false },
  ]
  const full = facts({ custom, services, tmpfiles: 'd /run/shop\n' })

  it('are right for their shell, and the same each time', () => {
    const scripts = maintainerScripts(full)
    expect([...scripts.keys()]).toEqual(['preinst', 'postinst', 'prerm', 'postrm'])
    for (const [name, text] of scripts) {
      const shell = name === 'postinst' ? '/bin/bash' : '/bin/sh'
      expect(text.split('\n').slice(0, 3)).toEqual([`#!${shell}`, expect.stringContaining(name), 'set -e'])
      execFileSync(shell, ['-n'], { input: text })
      expect(text).not.toMatch(/[\r\uFEFF]|undefined/)
    }
    expect(maintainerScripts(full)).toEqual(scripts)
  })

  it.skipIf(!existsSync('/usr/bin/shellcheck'))('please shellcheck', () => {
    for (const [name, text] of maintainerScripts(facts({ services, tmpfiles: 'd /run/shop\n' }))) {
      const { stdout } = spawnSync('shellcheck', ['-s', 'sh', '-'], { input: text, encoding: 'utf8' })
      expect(`${name}: ${stdout}`).toBe(`${name}: `)
    }
  })

  it('are only those that have something to do', () => {
    expect([...maintainerScripts(facts({ hasTree: false })).keys()]).toEqual([])
    const some = facts({ hasTree: false, custom: { prerm: '#!/bin/sh\n' } })
    expect([...maintainerScripts(some).keys()]).toEqual(['prerm'])
    expect([...maintainerScripts(facts()).keys()]).toEqual(['preinst', 'postinst', 'prerm', 'postrm'])
  })

  it.each([
    ['echo hi\n', 'the postinst script of the project does not start with "#!"'],
    ['#!/usr/bin/perl -w\n', 'is not for sh or bash, but "#!/usr/bin/perl -w"'],
    ['#!/bin/sh -n\n', 'is not for sh or bash, but "#!/bin/sh -n"'],
    ['#!/bin/sh\n\0\n', 'holds a NUL byte'],
  ])('refuse %j of the project by name', (text, problem) => {
    expect(() => maintainerScripts(facts({ custom: { postinst: text } }))).toThrow(problem)
  })

  it('refuse names that are none', () => {
    expect(() => maintainerScripts(facts({ package: 'a b' }))).toThrow('"a b" is not a name for a package')
    expect(() => maintainerScripts(facts({ release: '../1' }))).toThrow('"../1" is not a name for a release')
  })
})

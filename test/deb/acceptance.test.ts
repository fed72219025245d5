/**
 * What nfpm tests of its packages (its acceptance cases: simple, symlink, folders, complex, overrides, meta, changelog, compression,
 * predepends, breaks, triggers, debconf, upgrade), with our configuration and the real dpkg and apt of a Debian 12.
 */
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { debianRoot, describeInDebian, type DebianRoot } from '../support/debian-root.ts'
import { dpkg } from './packages.ts'
import { output, packageProject, type PackageProject } from './shop-packages.ts'

/** Leaves a file that says how it was called. */
const proof = (name: string): string => `#!/bin/sh\nset -e\necho "$*" >>/tmp/${name}-proof\n`
const SCRIPTS = { preinst: 'preinst', postinst: 'postinst', prerm: 'prerm', postrm: 'postrm' }

describeInDebian('packages in a Debian 12', () => {
  let root: DebianRoot
  let project: PackageProject
  beforeAll(() => void (root = debianRoot()), 600_000)
  afterAll(() => root.dispose())
  beforeEach(() => {
    project = packageProject()
    project.writeApp({ 'bin/fake': '#!/bin/sh\necho fake\n' })
    chmodSync(join(project.app, 'bin/fake'), 0o755)
    project.write({ 'whatever.conf': 'a = 1\n', 'folder/file1': '1', 'folder/folder2/file2': '2' })
    project.write(Object.fromEntries(Object.keys(SCRIPTS).map((name) => [name, proof(name)])))
  })
  afterEach(async () => {
    project.dispose()
    await root.run(['dpkg', '--purge', '--force-all', 'foo', 'dummy', 'foo-b'])
    await root.run(['sh', '-c', 'rm -rf /tmp/*-proof /debs/*'])
  })

  const inside = (path: string): string => join(root.path, path)
  const isThere = (path: string): boolean => existsSync(inside(path))
  const proofOf = (name: string): string =>
    isThere(`/tmp/${name}-proof`) ? readFileSync(inside(`/tmp/${name}-proof`), 'utf8') : ''
  /** Builds foo and puts it into the root; resolves with its path there. */
  async function foo(
    deb: Readonly<Record<string, unknown>> = {},
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    return place(await project.deb(deb, { name: 'foo', ...more }))
  }
  function place(file: string): string {
    mkdirSync(inside('/debs'), { recursive: true })
    cpSync(file, inside(`/debs/${basename(file)}`))
    return `/debs/${basename(file)}`
  }
  /** Another package, by dpkg-deb itself. */
  function dummy(fields: Readonly<Record<string, string>> = {}): string {
    const all = {
      Package: 'dummy',
      Version: '1.0',
      Architecture: 'all',
      Maintainer: 'T <t@example.org>',
      ...fields,
      Description: 'x',
    }
    const text = Object.entries(all).map(([name, value]) => `${name}: ${value}\n`)
    mkdirSync(join(project.dir, 'dummy/DEBIAN'), { recursive: true })
    writeFileSync(join(project.dir, 'dummy/DEBIAN/control'), text.join(''))
    const file = join(project.dir, `${all.Package}_${all.Version}.deb`)
    output('dpkg-deb', '--root-owner-group', '-Znone', '-b', join(project.dir, 'dummy'), file)
    return place(file)
  }
  /** What dpkg finds changed; the root leaves documentation out. */
  async function changed(): Promise<string> {
    const { stdout } = await root.run(['dpkg', '-V', 'foo'])
    return stdout.replaceAll(/^missing +\/usr\/share\/doc\/.*\n/gm, '')
  }
  const CONF = { files: [{ from: 'whatever.conf', to: '/etc/foo/whatever.conf' }] }

  it('simple: a changed conffile outlives removal, the tree does not, and purge takes all', async () => {
    await dpkg(root, ['-i', await foo(CONF)])
    const { stdout } = await root.run(['/opt/foo/current/bin/fake'])
    expect(stdout).toBe('fake\n')
    expect(await changed()).toBe('')
    appendFileSync(inside('/etc/foo/whatever.conf'), 'wat\n')
    expect(await changed()).toMatch(/^..5\S* c \/etc\/foo\/whatever\.conf/)
    await dpkg(root, ['-r', 'foo'])
    expect(readFileSync(inside('/etc/foo/whatever.conf'), 'utf8')).toBe('a = 1\nwat\n')
    expect(isThere('/opt/foo')).toBe(false)
    await dpkg(root, ['-P', 'foo'])
    expect(isThere('/etc/foo')).toBe(false)
  })

  it('conffiles: an upgrade keeps what the administrator changed, and takes what nobody did', async () => {
    await dpkg(root, ['-i', await foo(CONF)])
    project.write({ 'whatever.conf': 'a = 2\n' })
    await dpkg(root, ['-i', await foo({ ...CONF, revision: '2' })])
    expect(readFileSync(inside('/etc/foo/whatever.conf'), 'utf8')).toBe('a = 2\n')
    appendFileSync(inside('/etc/foo/whatever.conf'), 'wat\n')
    project.write({ 'whatever.conf': 'a = 3\n' })
    await dpkg(root, ['--force-confold', '-i', await foo({ ...CONF, revision: '3' })])
    expect(readFileSync(inside('/etc/foo/whatever.conf'), 'utf8')).toBe('a = 2\nwat\n')
    await dpkg(root, ['-i', await foo({ conffiles: ['remove-on-upgrade /etc/foo/whatever.conf'], revision: '4' })])
    expect(isThere('/etc/foo/whatever.conf')).toBe(false)
  })

  it('links and folders', async () => {
    await dpkg(root, [
      '-i',
      await foo({
        files: [{ from: 'folder', to: '/usr/share/whatever' }],
        links: { '/usr/bin/fake': '/opt/foo/current/bin/fake', '/path/to/symlink': '/etc/foo/whatever.conf' },
        dirs: ['/var/log/whatever'],
      }),
    ])
    expect((await root.run(['fake'])).stdout).toBe('fake\n')
    expect(readlinkSync(inside('/path/to/symlink'))).toBe('/etc/foo/whatever.conf')
    expect(readFileSync(inside('/usr/share/whatever/folder2/file2'), 'utf8')).toBe('2')
    expect(statSync(inside('/var/log/whatever')).isDirectory()).toBe(true)
    await dpkg(root, ['-r', 'foo'])
    for (const path of ['/path', '/usr/share/whatever', '/var/log/whatever', '/usr/bin/fake'])
      expect(isThere(path), path).toBe(false)
  })

  it('complex: relations, modes and scripts at their time', async () => {
    const deb = await foo({
      depends: ['bash'],
      recommends: ['fish'],
      suggests: ['zsh'],
      provides: ['fake'],
      replaces: ['foo-old'],
      files: [
        {
          from: 'app/bin/fake',
          to: '/usr/sbin/fake',
          mode: '4755',
        },
      ],
      scripts: SCRIPTS,
    })
    const { stdout } = await root.run(['apt-cache', 'show', deb])
    for (const line of ['Depends: bash', 'Recommends: fish', 'Suggests: zsh', 'Provides: fake'])
      expect(stdout).toContain(`${line}\n`)
    await dpkg(root, ['-i', deb])
    expect(lstatSync(inside('/usr/sbin/fake')).mode & 0o7777).toBe(0o4755)
    expect([proofOf('preinst'), proofOf('postinst'), proofOf('prerm'), proofOf('postrm')]).toEqual([
      'install\n',
      'configure \n',
      '',
      '',
    ])
    await dpkg(root, ['-r', 'foo'])
    expect([proofOf('prerm'), proofOf('postrm')]).toEqual(['remove\n', 'remove\n'])
    await dpkg(root, ['-P', 'foo'])
    expect(proofOf('postrm')).toBe('remove\npurge\n')
  })

  it('overrides: what is said for this processor stands instead of what is said for all', async () => {
    const architecture = output('dpkg', '--print-architecture').trim()
    const deb = await foo({
      scripts: SCRIPTS,
      depends: ['bash'],
      architectures: { [architecture]: { depends: ['bash (>= 4.4) | fish'], scripts: { postinst: 'postinst' } } },
    })
    await dpkg(root, ['-i', deb])
    expect((await root.run(['dpkg-query', '-Wf', '${Depends}', 'foo'])).stdout).toBe('bash (>= 4.4) | fish')
    expect([proofOf('preinst'), proofOf('postinst')]).toEqual(['', 'configure \n'])
  })

  it('upgrade: every script learns what it is called for', async () => {
    await dpkg(root, ['-i', await foo({ scripts: SCRIPTS })])
    await dpkg(root, ['-i', await foo({ scripts: SCRIPTS }, { version: '1.1.0' })])
    expect(proofOf('preinst')).toBe('install\nupgrade 1.0.0-1 1.1.0-1\n')
    expect(proofOf('postinst')).toBe('configure \nconfigure 1.0.0-1\n')
    expect(proofOf('prerm')).toBe('upgrade 1.1.0-1\n')
    expect(proofOf('postrm')).toBe('upgrade 1.1.0-1\n')
    expect(readlinkSync(inside('/opt/foo/current'))).toBe('releases/1.1.0')
  })

  it('meta: apt installs a package of relations only, with what it needs', async () => {
    const needed = dummy({ Version: '1.5' })
    const bytes = readFileSync(inside(needed))
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const index = `${output('dpkg-deb', '-f', inside(needed)).trim()}\nFilename: .${needed}\nSize: ${bytes.length}\nSHA256: ${sha256}\n\n`
    writeFileSync(inside('/Packages'), index)
    writeFileSync(inside('/only.list'), 'deb [trusted=yes] file:/ ./\n')
    const here = ['-o', 'Dir::Etc::sourcelist=/only.list', '-o', 'Dir::Etc::sourceparts=-']
    expect((await root.run(['apt-get', ...here, 'update'])).stderr).toBe('')
    const deb = await foo({ tree: false, depends: ['dummy (>= 1.2)'], description: 'all that foo needs' })
    const { code, stderr } = await root.run(['apt-get', ...here, 'install', '-y', deb])
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    expect((await root.run(['dpkg-query', '-Wf', '${Status} ${Version}\n', 'foo', 'dummy'])).stdout).toBe(
      'install ok installed 1.5\ninstall ok installed 1.0.0-1\n',
    )
    expect(isThere('/opt/foo')).toBe(false)
  })

  it('changelog and copyright are where Debian looks for them', async () => {
    project.write({ 'CHANGELOG.md': '## [1.0.0] - 2024-05-06\n\n- note 1\n- note 2\n' })
    const all = '--path-include=/usr/share/doc/foo/*'
    await dpkg(root, [all, '-i', await foo()])
    const text = gunzipSync(readFileSync(inside('/usr/share/doc/foo/changelog.Debian.gz'))).toString()
    expect(text).toMatch(/^foo \(1\.0\.0-1\)[\s\S]*\* note 1\n {2}\* note 2\n[\s\S]*Shop <ops@shop\.example\.org>/)
    expect(readFileSync(inside('/usr/share/doc/foo/copyright'), 'utf8')).toMatch(
      /^Format: https:\/\/www\.debian\.org\/doc\//,
    )
  })

  it.each(['none', 'gzip', 'xz', 'zstd'])('compression %s is installed and removed', async (compression) => {
    await dpkg(root, ['-i', await foo({ ...CONF, compression })])
    expect((await root.run(['/opt/foo/current/bin/fake'])).stdout).toBe('fake\n')
    await dpkg(root, ['-r', 'foo'])
    expect(isThere('/opt/foo')).toBe(false)
  })

  it('predepends: dpkg does not unpack what it cannot set up', async () => {
    const deb = await foo({ preDepends: ['dummy (>= 1.0)'] })
    expect(await dpkg(root, ['-i', deb], 1)).toContain('foo pre-depends on dummy (>= 1.0)')
    expect(isThere('/opt/foo')).toBe(false)
    await dpkg(root, ['-i', dummy()])
    await dpkg(root, ['-i', deb])
    expect(isThere('/opt/foo/current/bin/fake')).toBe(true)
  })

  it('breaks and conflicts keep it from being installed beside others', async () => {
    await dpkg(root, ['-i', dummy()])
    const deb = await foo({ breaks: ['dummy'] })
    expect(await dpkg(root, ['-i', deb], 1)).toContain('foo breaks dummy')
    expect(await dpkg(root, ['-i', await foo({ conflicts: ['dummy'], revision: '2' })], 1)).toContain(
      'foo conflicts with dummy',
    )
    await dpkg(root, ['-r', 'dummy'])
    await dpkg(root, ['-i', deb])
  })

  it('triggers call postinst, by name and by file', async () => {
    await dpkg(root, [
      '-i',
      await foo({ scripts: SCRIPTS, triggers: ['interest manual-trigger', 'interest-noawait /usr/share/watched'] }),
    ])
    await root.run(['dpkg-trigger', '--by-package', 'foo', 'manual-trigger'])
    await root.run(['dpkg', '--triggers-only', 'foo'])
    expect(proofOf('postinst')).toBe('configure \ntriggered manual-trigger\n')
    project.write({ watched: 'x' })
    await dpkg(root, [
      '-i',
      place(
        await project.deb({ tree: false, files: [{ from: 'watched', to: '/usr/share/watched/x' }] }, { name: 'foo-b' }),
      ),
    ])
    expect(proofOf('postinst')).toContain('triggered /usr/share/watched\n')
    expect(readlinkSync(inside('/opt/foo/current'))).toBe('releases/1.0.0')
  })

  it('debconf asks, and postinst gets the answer', async () => {
    project.write({
      config: '#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_input medium foo/port || true\ndb_go || true\n',
      templates: 'Template: foo/port\nType: string\nDefault: 8080\nDescription: Port of foo\n Where it listens.\n',
      postinst: '#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get foo/port\necho "$RET" >/tmp/port-proof\n',
    })
    const debconf = { config: 'config', templates: 'templates' }
    await dpkg(root, ['-i', await foo({ depends: ['debconf'], debconf, scripts: { postinst: 'postinst' } })])
    expect(proofOf('port')).toBe('8080\n')
  })

  it('names that break others are installed by dpkg', async () => {
    const long = `${'a path of many words/'.repeat(16)}end`
    const names = [' leading', 'trailing ', `it's "odd"`, '日本語 🦊', '$(reboot)', '-n', long]
    project.writeApp(Object.fromEntries(names.map((name) => [`odd/${name}`, name])))
    await dpkg(root, ['-i', await foo()])
    for (const name of names) expect(readFileSync(inside(`/opt/foo/current/odd/${name}`), 'utf8')).toBe(name)
    expect(await changed()).toBe('')
    await dpkg(root, ['-r', 'foo'])
    expect(isThere('/opt/foo')).toBe(false)
  })
})

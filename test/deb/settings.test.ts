/** What the configuration of packages says, and what it cannot say: fields, files, several packages, overrides, refusals by name. */
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { debArchitecture } from '../../src/deb/architecture.ts'
import {
  controlFile,
  describeWith,
  field,
  installedText,
  listing,
  packageProject,
  type PackageProject,
} from './shop-packages.ts'

const HERE = debArchitecture(`linux-${process.arch}`)

let project: PackageProject
beforeEach(() => {
  project = packageProject()
  project.writeApp({ 'bin/shop': '#!/bin/sh\necho shop\n', 'data.txt': 'data\n' })
  chmodSync(join(project.app, 'bin/shop'), 0o755)
})
afterEach(() => project.dispose())

/** A packed text that is installed. */
function unpacked(deb: string, path: string): string {
  const bytes = execFileSync('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -xOf - "./$2"', 'sh', deb, path])
  return gunzipSync(bytes).toString()
}

describeWith(['dpkg-deb'], 'control', () => {
  it('has every field in the usual order, as dpkg reads it', async () => {
    const deb = await project.deb({
      description: 'sells things\nTo people.\n\nAnd to others.',
      preDepends: ['init-system-helpers'],
      depends: ['adduser', 'bash (>=5) | zsh', 'shop-data (= ${binary:Version})'],
      recommends: ['nginx'],
      suggests: ['redis:any'],
      enhances: ['till'],
      breaks: ['shop-old (<< 2)'],
      conflicts: ['store'],
      replaces: ['shop-old (<< 2)'],
      provides: ['webshop (= 1.0)'],
      section: 'web',
      priority: 'optional',
      multiArch: 'foreign',
      homepage: 'https://shop.example.org/',
      fields: {
        'Built-Using': 'zlib (= 1.2.13)',
        'X-Team': 'shop',
      },
      revision: '3',
      epoch: 1,
      triggers: ['activate-noawait ldconfig'],
    })
    expect(deb).toMatch(/\/shop_1\.0\.0-3_all\.deb$/)
    expect(controlFile(deb, 'control').split('\n')).toEqual([
      'Package: shop',
      'Version: 1:1.0.0-3',
      'Architecture: all',
      'Maintainer: Shop <ops@shop.example.org>',
      expect.stringMatching(/^Installed-Size: \d+$/),
      'Pre-Depends: init-system-helpers',
      'Depends: adduser, bash (>= 5) | zsh, shop-data (= 1:1.0.0-3)',
      'Recommends: nginx',
      'Suggests: redis:any',
      'Enhances: till',
      'Breaks: shop-old (<< 2)',
      'Conflicts: store',
      'Replaces: shop-old (<< 2)',
      'Provides: webshop (= 1.0)',
      'Section: web',
      'Priority: optional',
      'Multi-Arch: foreign',
      'Homepage: https://shop.example.org/',
      'Built-Using: zlib (= 1.2.13)',
      'X-Team: shop',
      'Description: sells things',
      ' To people.',
      ' .',
      ' And to others.',
      '',
    ])
    expect(field(deb, 'Depends')).toBe('adduser, bash (>= 5) | zsh, shop-data (= 1:1.0.0-3)')
    expect(controlFile(deb, 'triggers')).toBe('activate-noawait ldconfig\n')
  })

  it('takes from package.json what it does not say', async () => {
    project.writeApp({
      'package.json': JSON.stringify({
        name: 'shop',
        description: 'Shop - an online shop for small things.',
        license: 'Apache-2.0',
        author: {
          name: 'A. Body',
          email: 'a@body.example.org',
        },
        homepage: 'https://body.example.org',
      }),
      LICENSE: 'Copyright (c) 2019-2024 A. Body and others\n\nLicensed under the Apache License\n',
    })
    project.configure({ build: { from: 'app', formats: ['deb'] } })
    await project.ship('build')
    const deb = join(project.dir, 'dist/shop_1.0.0-1_all.deb')
    expect(field(deb, 'Maintainer')).toBe('A. Body <a@body.example.org>')
    expect(field(deb, 'Homepage')).toBe('https://body.example.org')
    expect(field(deb, 'Description').split('\n')[0]).toBe('online shop for small things')
    const copyright = installedText(deb, 'usr/share/doc/shop/copyright')
    expect(copyright).toContain('Copyright: 2019-2024 A. Body and others\nLicense: Apache-2.0\n')
    expect(copyright).toContain('/usr/share/common-licenses/Apache-2.0')
  })

  it('names the C library that programs in the tree need, and the processor', async () => {
    project.writeApp({ 'prebuilt/true': '' })
    execFileSync('cp', ['/bin/true', join(project.app, 'prebuilt/true')])
    const deb = await project.deb({ depends: ['adduser'] })
    const newest = execFileSync('sh', [
      '-c',
      `objdump -T /bin/true | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -n 1`,
    ]).toString()
    expect(field(deb, 'Depends')).toBe(`libc6 (>= ${newest.trim().replace('GLIBC_', '')}), adduser`)
    expect(field(deb, 'Architecture')).toBe(HERE)
  })

  it.each([
    [{ depends: ['Bad Name'] }, 'deb.depends[0]: is no relation'],
    [{ depends: ['a, bc'] }, 'holds a comma'],
    [{ depends: ['bash (> 1)'] }, 'uses ">", whose meaning changed; use ">>" or ">="'],
    [{ conflicts: ['ab | cd'] }, 'has alternatives, which Conflicts cannot have'],
    [{ provides: ['ab (>= 1)'] }, 'provides a version with "=" only'],
    [{ depends: ['bash\nEssential: yes'] }, 'is no relation'],
    [{ maintainer: 'nobody' }, 'is no maintainer; write "Name <mail@host.example>"'],
    [{ description: 'x'.repeat(81) }, 'has a first line of more than 80 characters'],
    [{ description: 'shop sells things' }, 'starts with the name of the package'],
    [{ fields: { depends: 'x' } }, 'deb.fields: "depends" has a key of its own'],
    [{ fields: { 'X-A': 'a\u0000b' } }, 'X-A of the .deb holds a control character'],
    [{ triggers: ['do it'] }, 'is no trigger'],
    [{ package: 'Shop' }, 'is no name for a package'],
    [{ revision: '1-2' }, 'is no revision'],
    [{ dependz: ['a'] }, 'did you mean "depends"?'],
    [{ multiArch: 'yes' }, 'use "no", "same", "foreign" or "allowed"'],
  ])('refuses %j', async (deb, said) => expect(await project.refused(deb)).toContain(said))

  it('refuses a package without a keeper or a description, before anything is built', async () => {
    expect(await project.refused({ maintainer: undefined })).toContain('deb.maintainer is missing')
    const said = await project.refused({ description: undefined })
    expect(said).toContain('the package "shop" has no description')
    expect(said).not.toContain('manifest')
    expect(await project.refused({}, { version: '1.0.0-rc1' })).toContain('use "1.0.0-rc.1"')
    expect(await project.refused({}, { name: 's' })).toContain('"s" is no name for a Debian package')
  })
})

describeWith(['dpkg-deb'], 'files outside of the tree', () => {
  it('are installed with their modes, and all of /etc is a conffile', async () => {
    project.write({ 'pack/shop.conf': 'a=1\n', 'pack/conf.d/a b.conf': '', 'pack/tool': 'x\n', 'pack/lib/data': '' })
    chmodSync(join(project.dir, 'pack/tool'), 0o755)
    symlinkSync('data', join(project.dir, 'pack/lib/link'))
    const deb = await project.deb({
      files: [
        {
          from: 'pack/shop.conf',
          to: '/etc/shop/shop.conf',
          mode: '0640',
        },
        {
          from: 'pack/conf.d',
          to: '/etc/shop/conf.d/',
        },
        {
          from: 'pack/tool',
          to: '/usr/bin/shop-tool',
        },
        {
          from: 'pack/tool',
          to: '/usr/libexec/shop/su',
          mode: '4755',
        },
        {
          from: 'pack/lib',
          to: '/usr/lib/shop',
        },
      ],
      dirs: ['/var/log/shop'],
      conffiles: ['/usr/lib/shop/data', 'remove-on-upgrade /etc/shop/old.conf'],
      links: {
        '/usr/bin/shop': '/opt/shop/current/bin/shop',
        '/usr/bin/till': '/usr/bin/shop',
        '/usr/lib/x/y/z': '/usr/lib/shop/data',
      },
    })
    const lines = listing(deb).map((line) => line.replace(/^(\S+) +\S+ +\d+ \S+ \S+ /, '$1 '))
    expect(lines).toEqual(
      expect.arrayContaining([
        '-rw-r----- ./etc/shop/shop.conf',
        '-rw-r--r-- ./etc/shop/conf.d/a b.conf',
        '-rwxr-xr-x ./usr/bin/shop-tool',
        '-rwsr-xr-x ./usr/libexec/shop/su',
        'drwxr-xr-x ./var/log/shop/',
        'lrwxrwxrwx ./usr/lib/shop/link -> data',
        'lrwxrwxrwx ./usr/bin/shop -> /opt/shop/current/bin/shop',
        // Policy 10.5: relative within a folder at the top.
        'lrwxrwxrwx ./usr/bin/till -> shop',
        'lrwxrwxrwx ./usr/lib/x/y/z -> ../../shop/data',
      ]),
    )
    expect(controlFile(deb, 'conffiles').trimEnd().split('\n')).toEqual([
      '/etc/shop/conf.d/a b.conf',
      '/etc/shop/shop.conf',
      '/usr/lib/shop/data',
      'remove-on-upgrade /etc/shop/old.conf',
    ])
  })

  it.each([
    [{ files: [{ from: 'gone', to: '/etc/a' }] }, 'deb.files: "gone" does not exist'],
    [
      { files: [{ from: 'one', to: '/bin/a' }] },
      '"/bin/a" of the .deb lies in a folder that is a link on many hosts; use "/usr/bin/a"',
    ],
    [{ files: [{ from: 'one', to: '/usr/local/bin/a' }] }, 'belongs to the administrator'],
    [{ files: [{ from: 'one', to: '/usr/../etc/a' }] }, 'must not climb'],
    [{ files: [{ from: 'one', to: 'etc/a' }] }, 'must be an absolute path'],
    [
      {
        files: [
          { from: 'one', to: '/usr/a' },
          { from: 'one', to: '/usr/a' },
        ],
      },
      '"/usr/a" of the .deb is there twice',
    ],
    [
      {
        files: [
          { from: 'one', to: '/usr/a' },
          { from: 'one', to: '/usr/a/b' },
        ],
      },
      'lies below "/usr/a", which is a file',
    ],
    [
      { links: { '/opt/shop/current': 'releases/1' } },
      `"/opt/shop/current" of the .deb is what the package's own scripts make`,
    ],
    [{ conffiles: ['/usr/none'] }, '"/usr/none" is no file of the package'],
    [{ conffiles: ['/opt/shop/releases/1.0.0/data.txt'] }, 'is part of a release, which an upgrade replaces whole'],
    [{ scripts: { postinst: 'gone.sh' } }, 'deb.scripts.postinst is "gone.sh", which cannot be read'],
    [{ files: [{ from: 'id_rsa', to: '/usr/share/shop/id_rsa' }] }, 'id_rsa'],
  ])('refuses %j', async (deb, said) => {
    project.write({ one: '1', id_rsa: '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n' })
    const stderr = await project.refused(deb, {}, said === 'id_rsa' ? 3 : 2)
    expect(stderr).toContain(said)
  })
})

describeWith(['dpkg-deb'], 'the tree of a package', () => {
  it('may be a part of what was built, which verify says', async () => {
    project.writeApp({ 'docs/a.md': 'a', 'docs/b.md': 'b' })
    const deb = await project.deb({ exclude: ['docs/**'] }, { build: { formats: ['deb', 'tar.gz'] } })
    expect(listing(deb).some((line) => line.includes('docs'))).toBe(false)
    const { stdout } = await project.ship(['verify', deb])
    expect(stdout).toMatch(/unchecked +shop_1\.0\.0-1_all\.deb holds 3 of 6 entries, each as listed/)
    expect(stdout).not.toContain('is whole')
  })

  it('must not have links to what it leaves out, nor be empty', async () => {
    symlinkSync('data.txt', join(project.app, 'link'))
    expect(await project.refused({ exclude: ['data.txt'] })).toContain(
      '"link" is a link to "data.txt", which the package "shop" leaves out',
    )
    expect(await project.refused({ include: ['none/**'] })).toContain('nothing of the tree is in the package "shop"')
  })
})

describeWith(['dpkg-deb'], 'several packages', () => {
  it('come from one build, each with its own settings', async () => {
    const debs = await project.debs({
      section: 'web',
      depends: ['adduser'],
      packages: {
        shop: { service: { exec: 'bin/shop' } },
        'shop-worker': {
          tree: false,
          depends: ['cron'],
          description: 'works for the shop',
          services: { worker: { exec: 'bin/shop', args: ['work'] } },
        },
        'shop-data': { include: ['data.txt'], architecture: 'all' },
      },
    })
    expect(debs.map((deb) => deb.replace(/.*\//, ''))).toEqual([
      'shop_1.0.0-1_all.deb',
      'shop-worker_1.0.0-1_all.deb',
      'shop-data_1.0.0-1_all.deb',
    ])
    const [shop = '', worker = '', data = ''] = debs
    expect(debs.map((deb) => field(deb, 'Section'))).toEqual(['web', 'web', 'web'])
    expect(debs.map((deb) => field(deb, 'Source'))).toEqual(['', 'shop', 'shop'])
    expect(field(shop, 'Depends')).toBe('adduser')
    expect(field(worker, 'Depends')).toBe('shop (= 1.0.0-1), cron')
    expect(installedText(worker, 'usr/lib/systemd/system/shop-worker.service')).toContain(
      'ExecStart=/opt/shop/current/bin/shop work\n',
    )
    expect(installedText(shop, 'usr/lib/systemd/system/shop.service')).toContain(
      'ExecStart=/opt/shop/current/bin/shop\n',
    )
    expect(listing(worker).some((line) => line.includes('./opt'))).toBe(false)
    expect(
      listing(data)
        .filter((line) => line.includes('/releases/') && line.startsWith('-'))
        .map((l) => l.replace(/.* /, '')),
    ).toEqual(['./opt/shop-data/releases/1.0.0/data.txt'])
    const list = JSON.parse(project.read('dist/artifacts.json')) as {
      builds: { artifacts: { kind: string; format?: string; file: string }[] }[]
    }
    expect(list.builds[0]?.artifacts.filter((a) => a.kind === 'deb').map((a) => a.format)).toEqual([
      'deb',
      'deb',
      'deb',
    ])
    execFileSync('sha256sum', ['-c', '--strict', '--quiet', 'SHA256SUMS'], { cwd: join(project.dir, 'dist') })
    expect(project.read('dist/SHA256SUMS')).toContain('shop-worker_1.0.0-1_all.deb')
    expect(project.read('dist/shop-1.0.0.provenance.json')).toContain('shop-worker_1.0.0-1_all.deb')
  })

  it('differ by processor as the configuration says', async () => {
    const other = HERE === 'amd64' ? 'arm64' : 'amd64'
    const debs = await project.debs({
      depends: ['one'],
      architectures: { [HERE]: { depends: ['here-one'], architecture: HERE }, [other]: { depends: ['other-one'] } },
      packages: {
        shop: {},
        'shop-b': { tree: false, architectures: { [HERE]: { depends: ['here-two'] }, [other]: { suggests: ['xx'] } } },
      },
    })
    expect(debs.map((deb) => field(deb, 'Depends'))).toEqual(['here-one', 'here-two'])
    expect(debs.map((deb) => field(deb, 'Architecture'))).toEqual([HERE, HERE])
    expect(debs.map((deb) => field(deb, 'Suggests'))).toEqual(['', ''])
  })

  it('must not install the same file', async () => {
    const files = [{ from: 'app/data.txt', to: '/usr/share/shop/data' }]
    const said = await project.refused({ packages: { shop: { files }, 'shop-b': { files, tree: false } } })
    expect(said).toContain('"/usr/share/shop/data" is in two packages, "shop" and "shop-b"')
    expect(await project.refused({ files, packages: { shop: {} } })).toContain(
      'deb.files would be in each of deb.packages',
    )
  })
})

describeWith(['dpkg-deb'], 'services', () => {
  it('come from the processes of the recipe, with what the configuration adds', async () => {
    project.write({
      'recipes/mine.js': `export default { name: 'mine', summary: '', build: (step) => step.copy(),
        processes: async () => [{ name: 'web', bin: 'shop' }, { name: 'worker', bin: 'shop' }] }`,
    })
    const deb = await project.deb(
      { services: { worker: { args: ['work'], user: 'shop' } } },
      { build: { recipe: 'mine' } },
    )
    const unit = (name: string): string => installedText(deb, `usr/lib/systemd/system/${name}.service`)
    expect(unit('shop-web')).toContain('ExecStart=/opt/shop/current/bin/shop\n')
    expect(unit('shop-worker')).toContain('ExecStart=/opt/shop/current/bin/shop work\n')
    expect(unit('shop-worker')).toContain('User=shop\n')
    expect(field(deb, 'Depends')).toBe('systemd | systemd-standalone-sysusers | systemd-sysusers')
  })

  it.each([
    [{ service: { exec: 'bin/none' } }, 'runs "bin/none", which is not in its tree'],
    [{ service: { exec: 'data.txt' } }, 'runs "data.txt", which is not executable'],
    [{ services: { web: {} } }, 'the service "web" of the package "shop" has no program'],
    [{ tree: false, service: { exec: 'bin/shop' } }, 'runs "bin/shop", and no package has the tree'],
  ])('refuse %j', async (deb, said) => expect(await project.refused(deb)).toContain(said))
})

describeWith(['dpkg-deb', 'dpkg-parsechangelog'], 'the changelog', () => {
  const CHANGELOG = `# Changelog

## [Unreleased]

- Not yet.

## [1.0.0] - 2024-05-06

### Added

- **Carts** that [hold](https://x.example) \`many\` things, which is a line so long that it has to be broken into two for Debian
  and goes on here.
  - With a part.

## [0.9.0-rc1] - 2024-05-01

- Cannot be sorted.

## [0.2.0] - 2024-04-30

Words only.

## 0.1.0

- No date.
`

  it('is that of the project, as dpkg parses it', async () => {
    project.write({ 'CHANGELOG.md': CHANGELOG })
    const deb = await project.deb()
    const text = unpacked(deb, 'usr/share/doc/shop/changelog.Debian.gz')
    expect(text).toBe(`shop (1.0.0-1) unstable; urgency=medium

  [ Added ]
  * Carts that hold \`many\` things, which is a line so long that it has to be
    broken into two for Debian and goes on here.
    - With a part.

 -- Shop <ops@shop.example.org>  Mon, 06 May 2024 00:00:00 +0000

shop (0.2.0-1) unstable; urgency=medium

  * Words only.

 -- Shop <ops@shop.example.org>  Tue, 30 Apr 2024 00:00:00 +0000
`)
    writeFileSync(join(project.dir, 'parsed'), text)
    const parsed = execFileSync('dpkg-parsechangelog', ['--all', '-l', join(project.dir, 'parsed')], {
      stdio: 'pipe',
    }).toString()
    expect(parsed).toContain('Version: 1.0.0-1')
    expect(parsed).toContain('Timestamp: 1714953600')
  })

  it('says of a pre-release what is unreleased, when the configuration has a changelog', async () => {
    project.write({ 'CHANGELOG.md': CHANGELOG })
    const deb = await project.deb({}, { version: '1.1.0-rc.1', changelog: true })
    expect(unpacked(deb, 'usr/share/doc/shop/changelog.Debian.gz')).toMatch(
      /^shop \(1\.1\.0~rc\.1-1\) .*\n\n {2}\* Not yet\.\n/,
    )
  })
})

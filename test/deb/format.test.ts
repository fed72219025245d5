/** A package as dpkg, tar and ar read it: an awkward tree, sums, sizes, compressions, equal bytes. */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ship } from '../support/cli.ts'
import {
  controlFile,
  describeWith,
  field,
  LEAST,
  listing,
  output,
  packageProject,
  type PackageProject,
} from './shop-packages.ts'

/** 300 characters and more, in pieces that a file system takes. */
const LONG = `${'long/'.repeat(40)}${'name'.repeat(30)}`
const ODD = [
  `it's "odd" $HOME \`x\`.txt`,
  ' leading and trailing ',
  'tab*?[a].txt',
  '日本語 – ünïcödé 🦊.txt',
  '-rf',
  '%s\u00a0nbsp',
  '#hash',
]

let project: PackageProject
beforeEach(() => void (project = packageProject()))
afterEach(() => project.dispose())

/** A tree with everything that breaks somebody. */
function awkward(): void {
  project.writeApp({
    'bin/shop': '#!/bin/sh\necho shop\n',
    'a-b': '1',
    'a/b': '2',
    'a.b': '3',
    [`${LONG}.txt`]: 'deep\n',
    empty: '',
  })
  project.writeApp(Object.fromEntries(ODD.map((name) => [`odd/${name}`, `${name}\n`])))
  chmodSync(join(project.app, 'bin/shop'), 0o755)
  mkdirSync(join(project.app, 'empty dir/within'), { recursive: true })
  symlinkSync('bin/shop', join(project.app, 'link'))
  symlinkSync(`${LONG}.txt`, join(project.app, 'link to long'))
  linkSync(join(project.app, 'a/b'), join(project.app, 'a/hard link'))
  writeFileSync(join(project.app, 'blocks'), Buffer.alloc(512 * 3 + 1, 7))
}

/** Every path below a folder: type, mode, and digest or target. */
function contents(root: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const stats = lstatSync(join(root, name))
    const what = stats.isSymbolicLink()
      ? output('readlink', join(root, name)).trimEnd()
      : stats.isFile()
        ? createHash('sha256')
            .update(readFileSync(join(root, name)))
            .digest('hex')
        : 'dir'
    found.set(name, `${(stats.mode & 0o7777).toString(8)} ${what}`)
  }
  return found
}

describeWith(['dpkg-deb', 'tar', 'unzip', 'ar'], 'a package of an awkward tree', () => {
  it('installs the same files as the archives hold', { timeout: 60_000 }, async () => {
    awkward()
    const deb = await project.deb({}, { build: { formats: ['deb', 'tar.gz', 'tar.zst', 'zip'] } })
    const dist = join(project.dir, 'dist')
    const roots = ['deb', 'gz', 'zst', 'zip'].map((name) => join(project.dir, 'out', name))
    for (const root of roots) mkdirSync(root, { recursive: true })
    const [fromDeb = '', gz = '', zst = '', zip = ''] = roots
    output('dpkg-deb', '-x', deb, fromDeb)
    output('tar', '-xzf', join(dist, 'shop-1.0.0.tar.gz'), '-C', gz)
    output('tar', '--zstd', '-xf', join(dist, 'shop-1.0.0.tar.zst'), '-C', zst)
    output('unzip', '-q', join(dist, 'shop-1.0.0.zip'), '-d', zip)
    const installed = contents(join(fromDeb, 'opt/shop/releases/1.0.0'))
    for (const root of [gz, zst, zip]) expect(contents(join(root, 'shop-1.0.0'))).toEqual(installed)
    for (const name of ODD) expect(installed.has(`odd/${name}`), name).toBe(true)
    const deep = createHash('sha256').update('deep\n').digest('hex')
    expect(LONG.length).toBeGreaterThan(300)
    expect(installed.get(`${LONG}.txt`)).toBe(`644 ${deep}`)
    expect(installed.get('link to long')).toBe(`777 ${LONG}.txt`)
    expect(installed.get('empty dir/within')).toBe('755 dir')
    expect(installed.get('a/hard link')).toBe(installed.get('a/b'))
    expect(installed.get('bin/shop')).toMatch(/^755 /)
  })

  it('names every folder before what it holds, once, and all is owned by root', async () => {
    awkward()
    const deb = await project.deb({ files: [{ from: 'app/empty', to: '/etc/shop/conf.d/empty' }] })
    const lines = listing(deb)
    expect(lines.every((line) => / root\/root /.test(line))).toBe(true)
    const paths = lines.map((line) => line.replace(/^\S+ +\S+ +\d+ \S+ \S+ /, '').replace(/ -> .*/, ''))
    expect(paths[0]).toBe('./')
    expect(new Set(paths).size).toBe(paths.length)
    const seen = new Set<string>()
    for (const path of paths) {
      const parent = path.replace(/\/$/, '').replace(/[^/]*$/, '')
      expect(path === './' || seen.has(parent), path).toBe(true)
      seen.add(path)
    }
    expect(paths).toContain('./etc/shop/conf.d/')
    expect(paths.filter((path) => path.startsWith('./opt/shop/current'))).toEqual([])
  })

  it('has sums that md5sum accepts, and the size that Debian counts', async () => {
    awkward()
    const deb = await project.deb()
    const root = join(project.dir, 'root')
    output('dpkg-deb', '-x', deb, root)
    const sums = controlFile(deb, 'md5sums')
    writeFileSync(join(project.dir, 'sums'), sums)
    output('sh', '-c', 'cd "$1" && md5sum --quiet --strict -c ../sums', 'sh', root)
    const stats = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => lstatSync(join(root, name)))
    expect(sums.trimEnd().split('\n')).toHaveLength(stats.filter((s) => s.isFile()).length)
    // As dpkg-gencontrol counts (deb-substvars(5)).
    const kib = stats.reduce((sum, s) => sum + (s.isDirectory() ? 1 : Math.ceil(s.size / 1024)), 0)
    expect(field(deb, 'Installed-Size')).toBe(String(kib))
  })

  it('has no file older than lintian takes for a date', async () => {
    awkward()
    project.configure({ build: { from: 'app', formats: ['deb'] }, deb: LEAST })
    await project.ship('build', 0, { env: { SOURCE_DATE_EPOCH: '0', TZ: 'UTC' } })
    const lines = listing(join(project.dir, 'dist/shop_1.0.0-1_all.deb'))
    expect(lines.filter((line) => !line.includes(' 1980-01-01 00:00 '))).toEqual([])
  })

  it('has the members of the format in their order', async () => {
    awkward()
    const deb = await project.deb()
    expect(output('ar', 'tv', deb).replaceAll(/ +/g, ' ').split('\n').slice(0, 3)).toEqual([
      expect.stringMatching(/^rw-r--r-- 0\/0 4 Jan 1 00:00 1980 debian-binary$/),
      expect.stringMatching(/^rw-r--r-- 0\/0 \d+ Jan 1 00:00 1980 control.tar.gz$/),
      expect.stringMatching(/^rw-r--r-- 0\/0 \d+ Jan 1 00:00 1980 data.tar.gz$/),
    ])
    expect(output('ar', 'p', deb, 'debian-binary')).toBe('2.0\n')
  })
})

describeWith(['dpkg-deb', 'xz', 'zstd'], 'compression', () => {
  it.each([
    ['gzip', 'data.tar.gz'],
    ['gzip:1', 'data.tar.gz'],
    ['xz', 'data.tar.xz'],
    ['xz:0', 'data.tar.xz'],
    ['zstd', 'data.tar.zst'],
    ['zstd:19', 'data.tar.zst'],
    ['none', 'data.tar'],
  ])('%s is read by dpkg and by ship', async (compression, member) => {
    awkward()
    const deb = await project.deb({ compression })
    expect(output('ar', 't', deb).trim().split('\n')).toEqual(['debian-binary', 'control.tar.gz', member])
    const root = join(project.dir, 'root')
    output('dpkg-deb', '-x', deb, root)
    expect(readFileSync(join(root, 'opt/shop/releases/1.0.0/a/b'), 'utf8')).toBe('2')
    const { stdout } = await project.ship(['verify', deb])
    expect(stdout).toContain('entries as listed')
  })

  it('of a level that there is not is refused', async () => {
    project.writeApp({ a: 'a' })
    expect(await project.refused({ compression: 'gzip:10' })).toContain('deb.compression: gzip has no level 10')
    expect(await project.refused({ compression: 'lzma' })).toContain(
      'is no compression; use "gzip", "xz", "zstd" or "none"',
    )
  })

  it('by zstd warns, for dpkg of Debian 11 cannot read it', async () => {
    project.writeApp({ a: 'a' })
    project.configure({
      build: { from: 'app', formats: ['deb'] },
      deb: { maintainer: 'a b <a@b.example>', description: 'x y', compression: 'zstd' },
    })
    expect((await project.ship('build')).stderr).toContain('Debian 11 and older cannot unpack it')
  })
})

describeWith(['dpkg-deb'], 'equal bytes', () => {
  it('come out in another folder, time zone and umask, with every compression', { timeout: 600_000 }, async () => {
    awkward()
    project.write({ '.gitignore': 'dist\n', 'CHANGELOG.md': '# Changelog\n\n## [1.0.0] - 2024-05-06\n\n- One.\n' })
    const packages = Object.fromEntries(
      ['gzip', 'xz', 'zstd', 'none'].map((kind) => [`shop-${kind}`, { compression: kind }]),
    )
    project.configure({
      build: { from: 'app', formats: ['deb'] },
      deb: { maintainer: 'Shop <ops@shop.example.org>', description: 'sells things', packages },
    })
    project.commit()
    const other = mkdtempSync(join(tmpdir(), 'ship another place '))
    try {
      cpSync(project.dir, other, { recursive: true, verbatimSymlinks: true })
      await project.ship('build --check-repro')
      const { code, stderr } = await ship('build', { cwd: other, env: { TZ: 'Asia/Tokyo', LC_ALL: 'C' }, umask: 0o077 })
      expect(code, stderr).toBe(0)
      const names = readdirSync(join(project.dir, 'dist')).filter((n) => n.endsWith('.deb'))
      expect(names).toHaveLength(4)
      for (const name of names) {
        const [a, b] = [project.dir, other].map((dir) => readFileSync(join(dir, 'dist', name)))
        expect(a?.equals(b ?? Buffer.alloc(0)), name).toBe(true)
      }
    } finally {
      rmSync(other, { recursive: true, force: true })
    }
  })

  it('or a package that was built before is not replaced', async () => {
    project.writeApp({ a: 'a' })
    const deb = await project.deb()
    const before = readFileSync(deb)
    const said = await project.refused({ depends: ['bash'] }, {}, 9)
    expect(said).toContain('shop_1.0.0-1_all.deb was built before, with other bytes')
    expect(said).toContain('raise deb.revision')
    expect(readFileSync(deb).equals(before)).toBe(true)
    const [, second] = await project.debs({ depends: ['bash'], revision: '2' })
    expect(second === undefined ? '' : field(second, 'Version')).toBe('1.0.0-2')
  })
})

/** A file system without a disk, where there is one: what is measured is not its speed. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : undefined

describeWith(['dpkg-deb'], 'many files', () => {
  it('50,000 are packed, listed and verified', { timeout: 600_000 }, async () => {
    const count = 50_000
    const many = packageProject(MEMORY)
    try {
      for (let i = 0; i < count; i++) {
        const dir = join(many.app, 'files', String(i % 250))
        if (i < 250) mkdirSync(dir, { recursive: true })
        writeFileSync(join(dir, `file ${i}.txt`), `${i}\n`)
      }
      many.configure({ build: { from: 'app', formats: ['deb'] }, deb: LEAST })
      await many.ship('build', 0, { env: MEMORY === undefined ? {} : { TMPDIR: MEMORY } })
      const deb = join(many.dir, 'dist/shop_1.0.0-1_all.deb')
      const files = (text: string): readonly string[] => text.split('\n').filter((line) => line.includes('/files/'))
      expect(files(output('dpkg-deb', '-c', deb)).filter((line) => line.startsWith('-'))).toHaveLength(count)
      expect(files(controlFile(deb, 'md5sums'))).toHaveLength(count)
      expect((await many.ship(['verify', deb])).stdout).toContain(`holds all ${count + 251} entries as listed`)
    } finally {
      many.dispose()
    }
  })
})

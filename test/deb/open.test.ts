/** `ship inspect` and `ship verify` of packages: what they tell, and what they do not let pass. */
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readPackedTar } from '../../src/deb/decompress.ts'
import { describeWith, packageProject, type PackageProject } from './shop-packages.ts'

let project: PackageProject
beforeEach(() => {
  project = packageProject()
  project.writeApp({ 'bin/shop': '#!/bin/sh\necho shop\n', 'data.txt': 'data\n' })
  chmodSync(join(project.app, 'bin/shop'), 0o755)
})
afterEach(() => project.dispose())

/** Unpacks a package, lets a shell change it, and packs it again under the same name, as somebody would who wants it to look the same. */
function changed(deb: string, script: string, ...options: readonly string[]): void {
  const folder = join(project.dir, 'unpacked')
  execFileSync('dpkg-deb', ['-R', deb, folder])
  const home = join(folder, 'opt/shop/releases/1.0.0')
  execFileSync('sh', ['-ec', script], { cwd: folder, env: { ...process.env, home } })
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zgzip', ...options, '-b', folder, deb], { stdio: 'pipe' })
}

const RESUM = `(cd "$PWD" && find opt usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)`

describe('ship inspect', () => {
  it('shows what a package says of itself and what it installs', async () => {
    const deb = await project.deb({
      service: { exec: 'bin/shop' },
      depends: ['adduser'],
      description: 'sells things\nTo all.',
    })
    const { stdout } = await project.ship(['inspect', deb])
    expect(stdout).toContain('Package: shop\nVersion: 1.0.0-1\nArchitecture: all\n')
    expect(stdout).toContain('Depends: adduser\n')
    expect(stdout).toContain('Description: sells things\n To all.\n')
    expect(stdout).toContain('Scripts and lists: md5sums, postinst, postrm, preinst, prerm\n')
    expect(stdout).toMatch(/-0755 +\d+ B {2}opt\/shop\/releases\/1\.0\.0\/bin\/shop\n/)
    expect(stdout).toMatch(/-0644 +\d+ B {2}usr\/lib\/systemd\/system\/shop\.service\n/)
    const data = await project.data(`inspect ${deb}`)
    expect(data['fields']).toMatchObject({ Package: 'shop', Depends: 'adduser' })
  })

  it('compares two packages by their manifests', async () => {
    const first = await project.deb()
    project.writeApp({ 'more.txt': 'more\n' })
    const second = await project.deb({}, { version: '1.1.0' })
    const { stdout } = await project.ship(['inspect', second, '--diff', first])
    expect(stdout).toContain('more.txt')
  })

  it('needs the manifest beside it, and says which', async () => {
    const deb = await project.deb()
    rmSync(join(project.dir, 'dist/shop-1.0.0.manifest.json'))
    const { stderr } = await project.ship(['inspect', deb], 2)
    expect(stderr).toContain('there is no manifest beside "shop_1.0.0-1_all.deb"')
    expect(stderr).toContain('looked for shop-1.0.0.manifest.json')
  })
})

describeWith(['dpkg-deb'], 'ship verify', () => {
  it('finds a whole package whole, of a pre-release with an epoch too', async () => {
    const deb = await project.deb({ epoch: 2 }, { version: '1.1.0-rc.2' })
    const { stdout } = await project.ship(['verify', deb])
    expect(stdout).toMatch(
      /archive +ok +shop_1\.1\.0~rc\.2-1_all\.deb holds all 3 entries as listed, and 3 files of its own/,
    )
    expect(stdout).toMatch(/SHA256SUMS +ok/)
    expect(stdout).toMatch(/provenance +ok/)
    expect(stdout).toContain('shop 1.1.0-rc.2 is whole')
  })

  it.each([
    [
      'a changed file, sums made anew',
      `echo evil >"$home/data.txt"; ${RESUM}`,
      'holds "opt/shop/releases/1.0.0/data.txt" in another form than its manifest lists',
    ],
    ['a changed file', 'echo evil >"$home/data.txt"', 'data.txt" with other bytes than its md5sums say'],
    [
      'a file more in the tree',
      `echo evil >"$home/evil"; ${RESUM}`,
      'holds "opt/shop/releases/1.0.0/evil" twice, or its manifest does not list it',
    ],
    ['another mode', 'chmod 755 "$home/data.txt"', 'data.txt" in another form than its manifest lists'],
    ['a link in the place of a file', `ln -sf /etc/passwd "$home/data.txt"; ${RESUM}`, 'data.txt" in another form'],
    ['a file less', 'rm "$home/data.txt"', 'lacks "opt/shop/releases/1.0.0/data.txt" of its md5sums'],
    [
      'a file more elsewhere',
      'mkdir -p usr/bin; echo evil >usr/bin/evil',
      'holds "usr/bin/evil" with other bytes than its md5sums say',
    ],
  ])('sees %s', async (_, script, said) => {
    const deb = await project.deb()
    changed(deb, script)
    // Without sums the package speaks for itself.
    rmSync(join(project.dir, 'dist/SHA256SUMS'))
    const { stdout, stderr } = await project.ship(['verify', deb], 9)
    expect(stdout).toMatch(/archive +wrong/)
    expect(stdout).toContain(said)
    expect(stderr).toContain('is not to be trusted')
  })

  it('sees by SHA256SUMS and provenance what the tree does not tell: another script', async () => {
    const deb = await project.deb()
    changed(deb, `printf '#!/bin/sh\\nset -e\\nreboot\\n' >DEBIAN/postinst; chmod 755 DEBIAN/postinst`)
    const { stdout } = await project.ship(['verify', deb], 9)
    expect(stdout).toMatch(/archive +ok/)
    expect(stdout).toMatch(/SHA256SUMS +wrong +shop_1\.0\.0-1_all\.deb is not the file that SHA256SUMS lists/)
    expect(stdout).toMatch(/provenance +wrong/)
  })

  it.each([
    ['cut', (bytes: Buffer) => bytes.subarray(0, bytes.length - 100), 'the package ends too early'],
    [
      'longer',
      (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x'.repeat(100))]),
      'has a member without a header',
    ],
    ['no .deb', () => Buffer.from('nothing at all'), 'is no .deb'],
    ['empty', () => Buffer.alloc(0), 'ends too early'],
  ])('refuses a package that is %s', async (_, change, said) => {
    const deb = await project.deb()
    writeFileSync(deb, change(readFileSync(deb)))
    expect((await project.ship(['verify', deb], 9)).stderr).toContain(said)
  })

  it('refuses a package that unpacks to more than it may', async () => {
    const file = join(project.dir, 'data.tar.xz')
    execFileSync('sh', ['-ec', 'head -c 20000000 /dev/zero >zeros && tar -cJf data.tar.xz zeros'], { cwd: project.dir })
    const tar = { file, start: 0, size: statSync(file).size, extension: '.xz' }
    const names: string[] = []
    const read = (maxBytes: number): Promise<void> =>
      readPackedTar(
        { ...tar, maxBytes },
        async ({ path }, content) => {
          names.push(path)
          for await (const chunk of content ?? []) void chunk
        },
        new AbortController().signal,
      )
    await read(30_000_000)
    expect(names).toEqual(['zeros'])
    await expect(read(10_000_000)).rejects.toMatchObject({
      reason: 'refused',
      message: 'the package unpacks to more than 10000000 bytes',
    })
  })

  it('refuses a package beside the manifest of another', async () => {
    const deb = await project.deb()
    project.writeApp({ other: 'x' })
    await project.debs({}, { version: '1.1.0' })
    const dist = join(project.dir, 'dist')
    copyFileSync(join(dist, 'shop-1.1.0.manifest.json'), join(dist, 'shop-1.0.0.manifest.json'))
    expect((await project.ship(['verify', deb], 9)).stderr).toMatch(/manifest/)
  })
})

describe('a package', () => {
  it('is no bundle to release, which is said', async () => {
    const deb = await project.deb({}, { environments: { here: { hosts: [{ host: 'a', local: './host' }] } } })
    const first = await project.ship(['plan', '-e', 'here', deb], 2)
    expect(first.stderr).toContain('is a package, and an archive is needed')
    const second = await project.ship('plan -e here', 2)
    expect(second.stderr).toContain('shop 1.0.0 was built, as a package only (shop_1.0.0-1_all.deb)')
    expect(second.stderr).toContain('ship build --version 1.0.0 --format tar.zst')
  })

  it('stays listed when another format is built later', async () => {
    await project.deb()
    await project.ship('build --format tar.gz')
    for (const list of ['SHA256SUMS', 'artifacts.json', 'shop-1.0.0.provenance.json']) {
      expect(project.read(`dist/${list}`), list).toContain('shop_1.0.0-1_all.deb')
      expect(project.read(`dist/${list}`), list).toContain('shop-1.0.0.tar.gz')
    }
    execFileSync('sha256sum', ['-c', '--strict', '--quiet', 'SHA256SUMS'], { cwd: join(project.dir, 'dist') })
  })
})

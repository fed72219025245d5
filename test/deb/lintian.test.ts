/** Lintian of Debian 12 finds no error in packages of every kind, and the overrides silence only what is there. */
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, globSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeWith, installedText, packageProject, type PackageProject } from './shop-packages.ts'

let project: PackageProject
beforeEach(() => {
  project = packageProject()
  project.writeApp({ 'bin/shop': '#!/bin/sh\necho shop\n', 'README.md': '# Shop\n' })
  chmodSync(join(project.app, 'bin/shop'), 0o755)
})
afterEach(() => project.dispose())

/** Lines of lintian: `E: shop: tag place`. */
function lintian(deb: string): readonly string[] {
  const args = ['--allow-root', '--tag-display-limit', '0', '--display-info', deb]
  try {
    return lines(execFileSync('lintian', args, { stdio: ['ignore', 'pipe', 'pipe'] }))
  } catch (error) {
    // Its exit code says that it found something.
    const { stdout, status } = error as { stdout: Buffer; status: number }
    if (status === 2) return lines(stdout)
    throw error
  }
}

function lines(stdout: Buffer): readonly string[] {
  return stdout.toString().split('\n').filter(Boolean)
}

const isBad = (line: string): boolean => /^[EW]:/.test(line)

describeWith(['lintian', 'gcc', 'busybox'], 'lintian finds', () => {
  it('nothing in a package of the least configuration', { timeout: 600_000 }, async () => {
    expect(lintian(await project.deb()).filter(isBad)).toEqual([])
  })

  it('nothing in one with a service, conffiles, links, a licence and a changelog', { timeout: 600_000 }, async () => {
    project.writeApp({
      LICENSE: 'MIT License\n\nCopyright (c) 2024 Shop\n\nPermission is hereby granted to everybody.\n',
    })
    project.write({
      'CHANGELOG.md': '## [1.0.0] - 2024-05-06\n\n### Added\n\n- All of it.\n\n## [0.9.0] - 2024-05-01\n\n- Less.\n',
      'shop.conf': 'port = 80\n',
      postinst: '#!/bin/sh\nset -e\necho done\n',
    })
    const deb = await project.deb({
      description: 'sells things to people\nIt has carts.\n\nAnd a till.',
      section: 'web',
      homepage: 'https://shop.example.org/',
      license: 'MIT',
      scripts: { postinst: 'postinst' },
      service: {
        exec: 'bin/shop',
        user: 'shop',
        description: 'Shop',
        stateDirectory: 'shop',
        extra: { Unit: { Documentation: 'https://shop.example.org/' } },
      },
      files: [
        {
          from: 'shop.conf',
          to: '/etc/shop/shop.conf',
        },
      ],
      links: { '/usr/bin/shop': '/opt/shop/current/bin/shop' },
    })
    // debhelper's own scripts do the same.
    expect(
      lintian(deb)
        .filter(isBad)
        .filter((line) => !line.includes('command-with-path-in-maintainer-script')),
    ).toEqual([])
  })

  it('nothing in one with programs and libraries of its own, embedded as they are', { timeout: 600_000 }, async () => {
    mkdirSync(join(project.app, 'embedded/lib'), { recursive: true })
    mkdirSync(join(project.app, 'embedded/bin'), { recursive: true })
    const compile = (text: string, ...args: readonly string[]): void => {
      writeFileSync(join(project.dir, 'c.c'), text)
      execFileSync('gcc', [join(project.dir, 'c.c'), ...args], { cwd: join(project.app, 'embedded'), stdio: 'pipe' })
    }
    compile(
      'int fourty_two(void) { return 42; }',
      '-g',
      '-shared',
      '-fPIC',
      '-Wl,-soname,libfourty.so.1',
      '-o',
      'lib/libfourty.so.1',
    )
    const main = 'int fourty_two(void); int main(void) { return fourty_two() - 42; }'
    compile(main, '-g', '-o', 'bin/dynamic', 'lib/libfourty.so.1', '-Wl,-rpath,$ORIGIN/../lib')
    compile('int main(void) { return 0; }', '-static', '-o', 'bin/static')
    symlinkSync('libfourty.so.1', join(project.app, 'embedded/lib/libfourty.so'))
    // dpkg needs it, so it is there; lintian knows it by its text.
    copyFileSync(globSync('/usr/lib/*/libz.so.1')[0] ?? '', join(project.app, 'embedded/lib/libz.so.1'))
    copyFileSync('/usr/bin/busybox', join(project.app, 'embedded/bin/busybox'))
    const found = lintian(await project.deb())
    expect(found.filter((line) => line.startsWith('E:'))).toEqual([])
    expect(found.filter(isBad)).toEqual([])
  })

  it('in a package without our overrides what they silence', { timeout: 600_000 }, async () => {
    const deb = await project.deb({ links: { '/usr/bin/shop': '/opt/shop/current/bin/shop' } })
    expect(installedText(deb, 'usr/share/lintian/overrides/shop')).toBe(
      'shop: dir-or-file-in-opt *\nshop: no-manual-page *\nshop: initial-upload-closes-no-bugs *\n',
    )
    const without = join(project.dir, 'without.deb')
    execFileSync(
      'sh',
      [
        '-c',
        'dpkg-deb -R "$1" "$2/x" && rm -r "$2/x/usr/share/lintian" && dpkg-deb --root-owner-group -b "$2/x" "$3"',
        'sh',
        deb,
        project.dir,
        without,
      ],
      { stdio: 'pipe' },
    )
    const tags = new Set(lintian(without).map((line) => line.split(' ')[2]))
    for (const tag of ['dir-or-file-in-opt', 'no-manual-page', 'initial-upload-closes-no-bugs'])
      expect([...tags]).toContain(tag)
  })
})

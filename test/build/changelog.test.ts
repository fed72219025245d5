/** The changelog: which section belongs to a build, how "Unreleased" is closed, and that a failed build leaves no trace of it. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeUnreleased, notesFor, releaseDate } from '../../src/build/changelog.ts'
import { bump, compareVersions, parseVersion } from '../../src/version.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

const KEPT = `# Changelog

Text above, with a fence:

\`\`\`
## [9.9.9] - in a fence
\`\`\`

<!--
## [8.8.8] - in a comment
-->

## [Unreleased]

### Added

- Carts.

## [1.4.0] - 2024-01-01

- Before.

[unreleased]: https://example.org/o/shop/compare/v1.4.0...HEAD
[1.4.0]: https://example.org/o/shop/compare/v1.3.0...v1.4.0
`

const DATE = '2024-06-01'
const version = (text: string) => parseVersion(text)
const close = (text: string, to: string, tagPrefix = 'v') =>
  closeUnreleased({ name: 'CHANGELOG.md', text }, version(to), { date: DATE, tagPrefix })
const notes = (text: string, of: string) => notesFor(version(of), { name: 'CHANGELOG.md', text }, DATE)

describe('closing "Unreleased"', () => {
  it('puts a dated heading below it and moves the links on; all else stays', () => {
    expect(close(KEPT, '1.5.0')).toBe(
      KEPT.replace('## [Unreleased]\n', `## [Unreleased]\n\n## [1.5.0] - ${DATE}\n`).replace(
        '[unreleased]: https://example.org/o/shop/compare/v1.4.0...HEAD\n',
        '[unreleased]: https://example.org/o/shop/compare/v1.5.0...HEAD\n[1.5.0]: https://example.org/o/shop/compare/v1.4.0...v1.5.0\n',
      ),
    )
  })

  it('writes as the headings and tags before it are written', () => {
    expect(close('## Unreleased\n- a\n## v1.0.0 - 2024-01-01\n- b\n', '1.1.0')).toBe(
      `## Unreleased\n\n## v1.1.0 - ${DATE}\n- a\n## v1.0.0 - 2024-01-01\n- b\n`,
    )
    const link = (from: string): string => `## [Unreleased]\n\n- a\n\n[Unreleased]: https://x/compare/${from}..main`
    expect(close(link('%40scope%2Fshop%401.4.0'), '2.0.0')).toMatch(
      /compare\/%40scope%2Fshop%402\.0\.0\.\.main\n\[2\.0\.0\]: https:\/\/x\/compare\/%40scope%2Fshop%401\.4\.0\.\.%40scope%2Fshop%402\.0\.0$/,
    )
    expect(close(link('shop-v1.4.0-rc.1'), '1.4.0')).toContain('compare/shop-v1.4.0..main')
    // A first release: no tag to learn from.
    expect(close(link('0a1b2c3'), '0.1.0', 'shop-v')).toContain('[0.1.0]: https://x/compare/0a1b2c3..shop-v0.1.0')
  })

  it('leaves links of another shape alone', () => {
    for (const url of ['https://x/commits/main', 'https://x/branches/compare/HEAD..v1.4.0']) {
      const text = `## [Unreleased]\n\n- a\n\n[Unreleased]: ${url}\n`
      expect(close(text, '1.5.0')).toBe(text.replace(']\n', `]\n\n## [1.5.0] - ${DATE}\n`))
    }
  })

  it('refuses what has nothing to say, and a version that is there, with file and line', () => {
    const empty = KEPT.replace('- Carts.\n', '<!-- say something -->\n')
    expect(() => close(empty, '1.5.0')).toThrow('CHANGELOG.md:13  "Unreleased" is empty')
    expect(() => close(KEPT, '1.4.0')).toThrow('CHANGELOG.md:19  1.4.0 has a section already')
    expect(() => close('# Changelog\n\n## 1.0.0\n', '1.1.0')).toThrow(
      'CHANGELOG.md:3  there is no section "Unreleased"',
    )
    // Closed by hand before: nothing to do.
    expect(close(empty.replace('[1.4.0] -', '[1.5.0] -'), '1.5.0')).toBeUndefined()
  })

  it('any entries, any line ends: only lines are inserted, and a second time there is nothing to close', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 20 }).map((s) => s.replaceAll(/[\r\n#<`~[\]]/g, '.'))
    const body = fc.tuple(fc.array(line, { maxLength: 6 }), line).map(([more, one]) => [`- x${one}`, ...more])
    fc.assert(
      fc.property(
        body,
        body,
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        fc.boolean(),
        (now, then, eol, end, links) => {
          const lines = ['# Changes', '', '## [Unreleased]', ...now, '', '## [1.0.0] - 2024-01-01', ...then]
          const refs = links ? ['', '[unreleased]: https://x/compare/v1.0.0...HEAD'] : []
          const before = [...lines, ...refs].join(eol) + (end ? eol : '')
          const after = close(before, '1.1.0') ?? ''
          // Every end of a line is of the kind that the file has.
          expect(after.replaceAll(eol, '')).not.toMatch(/[\r\n]/)
          expect(after.endsWith(eol)).toBe(end || before.endsWith(eol))
          const opened = after
            .replace(`${eol}## [1.1.0] - ${DATE}${eol}`, '')
            .replace(`${eol}[1.1.0]: https://x/compare/v1.0.0...v1.1.0`, '')
            .replace('compare/v1.1.0...HEAD', 'compare/v1.0.0...HEAD')
          expect(opened).toBe(before)
          expect(notes(after, '1.1.0')).toBe(now.join('\n').trim())
          expect(close(after, '1.1.0')).toBeUndefined()
          expect(() => close(after, '1.2.0')).toThrow('is empty')
        },
      ),
    )
  })
})

describe('what belongs to a version', () => {
  it('is its own section, or "Unreleased" for what comes before it', () => {
    expect(notes(KEPT, '1.4.0')).toBe('- Before.')
    expect(notes(KEPT, '1.4.0+build.7')).toBe('- Before.')
    expect(notes(KEPT, '1.5.0-rc.1')).toBe('### Added\n\n- Carts.')
    expect(notes(KEPT, '1.4.1-snapshot.20240101000000')).toContain('- Carts.')
    const closed = close(KEPT, '1.5.0') ?? ''
    expect(notes(closed, '1.5.0-rc.2')).toContain('- Carts.')
    expect(() => notes(closed, '1.6.0-rc.1')).toThrow('CHANGELOG.md:13  nothing is written under "Unreleased"')
    expect(notes(closed, '1.5.1-dev.3.g0a1b2c3d4')).toBe('')
    expect(() => notes(KEPT, '1.5.0')).toThrow('CHANGELOG.md:19  the newest section is 1.4.0, and 1.5.0 is built')
    // An older section is not what is released now.
    expect(() => notes(closed, '1.4.0')).toThrow('the newest section is 1.5.0, and 1.4.0 is built')
  })

  it('is dated by SOURCE_DATE_EPOCH, else by the day it is here', () => {
    expect(releaseDate('86400', new Date())).toBe('1970-01-02')
    expect(releaseDate(undefined, new Date(2024, 1, 29, 23, 59))).toBe('2024-02-29')
    expect(releaseDate('', new Date(2024, 11, 1, 0, 1))).toBe('2024-12-01')
  })
})

describe('ship build', () => {
  let project: SmallProject
  beforeEach(() => void (project = smallProject()))
  afterEach(() => project.dispose())

  const PACKAGE = '{\n\t"name": "shop",\n\t"private": true, "version" : "1.4.0",\n\t"config": {"version": "1.4.0"}\n}'
  const LOCK = `${JSON.stringify(
    {
      name: 'shop',
      version: '1.4.0',
      lockfileVersion: 3,
      packages: { '': { name: 'shop', version: '1.4.0' }, 'node_modules/x': { version: '1.4.0' } },
    },
    null,
    4,
  )}\r\n`

  function begin(more: Readonly<Record<string, unknown>> = {}): void {
    project.configure({ version: 'package.json', changelog: true, ...more })
    project.write({ 'package.json': PACKAGE, 'package-lock.json': LOCK, 'CHANGELOG.md': KEPT, '.gitignore': 'dist\n' })
  }

  it('asks nothing of a project that did not ask for it', async () => {
    begin({ changelog: false, version: '3.0.0' })
    expect(await project.data('build')).not.toHaveProperty('notes')
    await project.ship('build --bump minor')
    expect(project.read('CHANGELOG.md')).toBe(KEPT)
    expect(project.read('package.json')).toBe(PACKAGE)
  })

  it('checks the newest section, and tells its text', async () => {
    begin()
    expect(await project.data('build')).toMatchObject({ version: '1.4.0', notes: '- Before.', edited: [] })
    const { stderr } = await project.ship('build --version 1.4.1', 3, { env: { SOURCE_DATE_EPOCH: '1717200000' } })
    expect(stderr).toContain('CHANGELOG.md:19  the newest section is 1.4.0, and 1.4.1 is built')
    expect(stderr).toContain('write below "Unreleased" (line 13): ## [1.4.1] - 2024-06-01')
    expect(project.built()).toBe('1.4.0')
    await project.ship('build --snapshot')
    begin({ changelog: 'docs/CHANGES.md' })
    expect((await project.ship('build', 2)).stderr).toContain('docs/CHANGES.md cannot be read')
  })

  it('--bump writes changelog, package.json and its lockfile, byte for byte otherwise, and builds that', async () => {
    begin()
    chmodSync(join(project.dir, 'package.json'), 0o640)
    project.commit()
    const data = await project.data('build --bump minor', { env: { SOURCE_DATE_EPOCH: '1717200000' } })
    expect(data).toMatchObject({
      version: '1.5.0',
      notes: '### Added\n\n- Carts.',
      edited: ['package.json', 'package-lock.json', 'CHANGELOG.md'],
      // The commit is not what was built, and the bundle does not say that it was.
      dirty: true,
    })
    expect(project.read('CHANGELOG.md')).toBe(close(KEPT, '1.5.0'))
    expect(project.read('package.json')).toBe(PACKAGE.replace('"version" : "1.4.0"', '"version" : "1.5.0"'))
    const lock = JSON.parse(project.read('package-lock.json')) as { version: string; packages: object }
    expect(lock).toMatchObject({
      version: '1.5.0',
      packages: { '': { version: '1.5.0' }, 'node_modules/x': { version: '1.4.0' } },
    })
    expect(project.read('package-lock.json')).toBe(
      LOCK.replace('1.4.0', '1.5.0').replace(
        '"shop",\n            "version": "1.4.0"',
        '"shop",\n            "version": "1.5.0"',
      ),
    )
    expect(statSync(join(project.dir, 'package.json')).mode & 0o777).toBe(0o640)
    expect(readdirSync(project.dir).filter((name) => name.includes('.ship-'))).toEqual([])
    // What was built holds what lies there.
    const manifest = project.read('dist/shop-1.5.0.manifest.json')
    const sum = execFileSync('sha256sum', ['package.json'], { cwd: project.dir }).toString().slice(0, 64)
    expect(manifest).toContain(sum)
    // Nothing to say a second time.
    expect((await project.ship('build --bump minor', 3)).stderr).toContain('"Unreleased" is empty')
    expect(project.read('package.json')).toContain('1.5.0')
  })

  it('--bump prerelease writes package.json and leaves the changelog open', async () => {
    begin()
    expect(await project.data('build --bump prerelease')).toMatchObject({
      version: '1.4.1-rc.1',
      edited: ['package.json', 'package-lock.json'],
    })
    expect(project.read('CHANGELOG.md')).toBe(KEPT)
  })

  it.each([
    ['1.4.0', 'patch', '1.4.1'],
    ['1.4.0', 'prerelease', '1.4.1-rc.1'],
    ['1.5.0-rc.1', 'prerelease', '1.5.0-rc.2'],
    ['1.5.0-beta', 'prerelease', '1.5.0-rc.1'],
    ['1.5.0-rc.2', 'patch', '1.5.0'],
    ['1.5.0-rc.2', 'minor', '1.5.0'],
    ['1.5.0-rc.2', 'major', '2.0.0'],
    ['2.0.0-rc.1', 'major', '2.0.0'],
    ['1.4.0+linux.7', 'patch', '1.4.1'],
  ] as const)('after %s comes, by %s, %s', (from, kind, to) => {
    expect(bump(version(from), kind)).toBe(to)
    expect(compareVersions(version(to), version(from))).toBe(1)
  })

  it('pre-releases lead to the release that closes "Unreleased"', async () => {
    begin()
    for (const [kind, to] of [
      ['prerelease', '1.4.1-rc.1'],
      ['prerelease', '1.4.1-rc.2'],
    ] as const) {
      expect(await project.data(`build --bump ${kind}`)).toMatchObject({ version: to, notes: '### Added\n\n- Carts.' })
    }
    expect(project.read('CHANGELOG.md')).toBe(KEPT)
    const data = await project.data('build --bump patch', { env: { SOURCE_DATE_EPOCH: '1717200000' } })
    expect(data).toMatchObject({ version: '1.4.1', edited: ['package.json', 'package-lock.json', 'CHANGELOG.md'] })
    expect(project.read('CHANGELOG.md')).toBe(close(KEPT, '1.4.1'))
    expect(project.read('package.json')).toBe(PACKAGE.replace('"version" : "1.4.0"', '"version" : "1.4.1"'))
  })

  it('--bump writes the lockfile above a workspace, at its place alone, and npm finds nothing to change', async () => {
    const packages = {
      '': { name: 'all', version: '1.4.0', workspaces: ['apps/*'] },
      'apps/admin': { version: '1.4.0' },
      'apps/shop': { version: '1.4.0' },
      'node_modules/admin': { resolved: 'apps/admin', link: true },
      'node_modules/shop': { resolved: 'apps/shop', link: true },
    }
    const lock = `${JSON.stringify({ name: 'all', version: '1.4.0', lockfileVersion: 3, requires: true, packages }, null, 2)}\n`
    const pack = (more: object): string => JSON.stringify({ version: '1.4.0', ...more })
    project.write({
      'package.json': pack({ name: 'all', workspaces: ['apps/*'] }),
      'package-lock.json': lock,
      'apps/admin/package.json': pack({ name: 'admin' }),
      'apps/shop/package.json': pack({ name: 'shop' }),
      'apps/shop/ship.config.json': JSON.stringify({ name: 'shop', build: { exclude: ['ship.config.json'] } }),
      '.gitignore': 'dist\n',
    })
    project.commit()
    const cwd = join(project.dir, 'apps/shop')
    const data = await project.data('build --bump minor', { cwd })
    expect(data).toMatchObject({ version: '1.5.0', edited: ['package.json', '../../package-lock.json'] })
    const shop = '"apps/shop": {\n      "version": '
    const wanted = lock.replace(`${shop}"1.4.0"`, `${shop}"1.5.0"`)
    expect(wanted).not.toBe(lock)
    expect(project.read('package-lock.json')).toBe(wanted)
    expect(project.read('package.json')).toContain('1.4.0')
    execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--offline', '--no-audit'], {
      cwd: project.dir,
    })
    expect(JSON.parse(project.read('package-lock.json'))).toEqual(JSON.parse(wanted))
  })

  it('--bump leaves what lies above the repository alone', async () => {
    begin({ changelog: false })
    const inner = join(project.dir, 'inner')
    project.write({
      'inner/package.json': PACKAGE,
      'inner/ship.config.json': project.read('ship.config.json'),
      'package-lock.json': JSON.stringify({ packages: { inner: { version: '1.4.0' } } }),
    })
    const data = await project.data('build --bump patch', { cwd: inner })
    expect(data).toMatchObject({ version: '1.4.1', edited: ['package.json'] })
  })

  it('--bump writes all files or none, and names the one in its way', async () => {
    // A longer name than any folder takes, once something stands behind it.
    const name = `${'x'.repeat(245)}.md`
    begin({ changelog: name })
    project.write({ [name]: KEPT })
    const { stderr } = await project.ship('build --bump minor', 3)
    expect(stderr).toContain(`error: bump: "${name}" cannot be written\n  ENAMETOOLONG`)
    expect(project.read('package.json')).toBe(PACKAGE)
    expect(project.read('package-lock.json')).toBe(LOCK)
    rmSync(join(project.dir, 'package-lock.json'))
    mkdirSync(join(project.dir, 'package-lock.json'))
    const { stderr: odd } = await project.ship('build --bump minor', 2)
    expect(odd).toContain('error: package-lock.json cannot be read\n  EISDIR')
    expect(odd).not.toContain('changelog')
    expect(project.read('package.json')).toBe(PACKAGE)
  })

  it('--bump follows a link to the file, and the link stays one', async () => {
    begin()
    project.write({ 'docs/log.md': KEPT })
    rmSync(join(project.dir, 'CHANGELOG.md'))
    symlinkSync('docs/log.md', join(project.dir, 'CHANGELOG.md'))
    await project.ship('build --bump minor')
    expect(lstatSync(join(project.dir, 'CHANGELOG.md')).isSymbolicLink()).toBe(true)
    expect(project.read('docs/log.md')).toContain('## [1.5.0] - ')
  })

  const FAILING = `export default { name: 'failing', summary: '', async build(step) { await step.copy(); await step.run(['sh', '-c', process.env.LAST ?? 'exit 1']) } }`

  it('a build that fails, or is interrupted, puts the files back', async () => {
    begin({ build: { recipe: 'failing' } })
    project.write({ 'recipes/failing.js': FAILING })
    const untouched = (): void => {
      expect(project.read('package.json')).toBe(PACKAGE)
      expect(project.read('package-lock.json')).toBe(LOCK)
      expect(project.read('CHANGELOG.md')).toBe(KEPT)
      expect(existsSync(join(project.dir, 'dist/artifacts.json'))).toBe(false)
    }
    const { stderr } = await project.ship('build --bump minor', 3)
    expect(stderr).toMatch(/bump +ok package\.json, package-lock\.json, CHANGELOG\.md/)
    expect(stderr).toMatch(/put-back +ok package\.json/)
    untouched()
    const seen: string[] = []
    await project.ship('build --bump minor', 130, {
      env: { LAST: 'echo running; sleep 20' },
      when: 'bump          ok',
      onSeen: () => seen.push(project.read('package.json')),
      signal: 'SIGINT',
    })
    expect(seen[0]).toContain('1.5.0')
    untouched()
  })

  it('a file that somebody changed meanwhile is left to them', async () => {
    begin({ build: { recipe: 'failing' } })
    project.write({ 'recipes/failing.js': FAILING })
    const LAST = `echo mine > '${join(project.dir, 'CHANGELOG.md')}'; exit 1`
    const { stderr } = await project.ship('build --bump minor', 3, { env: { LAST } })
    expect(stderr).toContain('CHANGELOG.md was changed by somebody else since')
    expect(project.read('CHANGELOG.md')).toBe('mine\n')
    expect(project.read('package.json')).toBe(PACKAGE)
  })

  it('--bump with --ref is refused, for a commit is built as it is', async () => {
    begin()
    project.commit()
    const { stderr } = await project.ship('build --bump minor --ref HEAD', 2)
    expect(stderr).toContain('--bump writes package.json and package-lock.json and CHANGELOG.md')
    expect(project.read('package.json')).toBe(PACKAGE)
  })
})

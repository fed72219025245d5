/** `ship build` by the command line: equal bytes anywhere, versions from everywhere, and what must not be shipped. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ship, type ShipOptions } from '../support/cli.ts'

const FORMATS = ['tar.zst', 'tar.gz', 'zip']
const FIXTURES = join(import.meta.dirname, '../../fixtures')

let home = ''
let dir = ''
let turn = 0
beforeAll(() => void (home = mkdtempSync(join(tmpdir(), 'ship-build-test-'))))
afterAll(() => rmSync(home, { recursive: true, force: true }))
beforeEach(() => {
  turn += 1
  dir = join(home, `project ${turn}`)
  mkdirSync(dir)
})

function write(files: Readonly<Record<string, string>>, folder = dir): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}

function configure(
  settings: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): void {
  write({ 'ship.config.json': JSON.stringify({ name: 'shop', version: '1.0.0', build: settings, ...more }) })
}

function git(...args: string[]): string {
  const identity = [
    '-c',
    'user.name=t',
    '-c',
    'user.email=t@example.org',
    '-c',
    'commit.gpgsign=false',
    '-c',
    'init.defaultBranch=main',
  ]
  return execFileSync('git', [...identity, ...args], {
    cwd: dir,
    env: { ...process.env, GIT_COMMITTER_DATE: '2024-05-06T07:08:09Z', GIT_AUTHOR_DATE: '2024-05-06T07:08:09Z' },
  })
    .toString()
    .trim()
}

async function build(args = '', code = 0, options: ShipOptions = {}) {
  const result = await ship(`build ${args}`, { cwd: dir, ...options })
  expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
  return result
}

/** The version that was built last. */
function built(): string {
  const list = JSON.parse(readFileSync(join(dir, 'dist/artifacts.json'), 'utf8')) as { builds: { version: string }[] }
  return list.builds.at(-1)?.version ?? ''
}

function inside(version = '1.0.0'): string[] {
  const text = readFileSync(join(dir, `dist/shop-${version}.manifest.json`), 'utf8')
  return (JSON.parse(text) as { entries: { path: string }[] }).entries.map((e) => e.path)
}

describe('the same commit', () => {
  it('gives equal bytes in every format, in another folder, time zone and umask', { timeout: 600_000 }, async () => {
    cpSync(join(FIXTURES, 'node-app'), dir, { recursive: true })
    configure({ recipe: 'node-app', formats: FORMATS })
    write({ '.gitignore': 'dist\nnode_modules\n' })
    symlinkSync('server.js', join(dir, 'main.js'))
    git('init', '-q')
    git('add', '-A')
    git('commit', '-qm', 'one')
    const other = join(home, `another/place ${turn}`)
    mkdirSync(join(other, '..'), { recursive: true })
    execFileSync('sh', ['-c', `umask 077; git clone -q "${dir}" "${other}"`])
    await build()
    const second = await ship('build', { cwd: other, env: { TZ: 'Asia/Tokyo', LC_ALL: 'C' }, umask: 0o077 })
    expect(second.code, second.stderr).toBe(0)
    const names = readdirSync(join(dir, 'dist')).toSorted()
    expect(names).toEqual(
      [
        'SHA256SUMS',
        'artifacts.json',
        ...['cdx.json', 'manifest.json', 'provenance.json', ...FORMATS].map((ending) => `shop-1.0.0.${ending}`),
      ].toSorted(),
    )
    for (const name of names) {
      expect(readFileSync(join(other, 'dist', name)).equals(readFileSync(join(dir, 'dist', name))), name).toBe(true)
    }
    const checked = execFileSync('sha256sum', ['-c', '--strict', 'SHA256SUMS'], { cwd: join(dir, 'dist') })
    const covered = names.filter((name) => name !== 'SHA256SUMS' && name !== 'artifacts.json')
    expect(checked.toString()).toBe(covered.map((name) => `${name}: OK\n`).join(''))
    expect(inside()).toContain('node_modules/escape-html/index.js')
    expect(inside()).not.toContain('ship.config.json')
  })

  it('built again is a no-op; with other bytes it is refused, and dist stays as it is', async () => {
    write({ 'a.txt': 'a\n' })
    configure()
    await build()
    const before = readFileSync(join(dir, 'dist/shop-1.0.0.tar.gz'))
    expect((await build()).stdout).toContain('was built before with the same bytes')
    write({ 'a.txt': 'b\n' })
    const { stderr } = await build('', 9)
    expect(stderr).toContain('shop 1.0.0 was built before, with other bytes')
    expect(readFileSync(join(dir, 'dist/shop-1.0.0.tar.gz')).equals(before)).toBe(true)
  })

  it('--check-repro names the file that a recipe writes differently each time', async () => {
    write({
      'recipes/random.js': `export default { name: 'random', summary: '', async build(step) { await step.write('same', 'x'); await step.write('sub/random', String(Math.random())) } }`,
    })
    configure({ recipe: 'random' })
    const { stderr } = await build('--check-repro', 3)
    expect(stderr).toContain('sub/random: other content')
    expect(existsSync(join(dir, 'dist'))).toBe(false)
    write({ 'a.txt': 'a' })
    configure({ exclude: ['recipes'] })
    expect((await build('--check-repro')).stderr).toContain('equal in tar.gz')
  })
})

describe('the version', () => {
  beforeEach(() => write({ 'a.txt': 'a\n', '.gitignore': 'dist\n' }))

  it('comes from package.json, the configuration, a function, or a flag', async () => {
    write({ 'package.json': '{"version":"2.3.4"}' })
    configure({}, { version: 'package.json' })
    await build()
    expect(built()).toBe('2.3.4')
    await build('--version v2.4.0-rc.1')
    expect(built()).toBe('2.4.0-rc.1')
    rmSync(join(dir, 'ship.config.json'))
    write({ 'ship.config.js': `export default { name: 'shop', version: async () => '3.1.4' }` })
    await build()
    expect(built()).toBe('3.1.4')
    expect((await build('--version 1.2', 2)).stderr).toContain('did you mean "1.2.0"')
    expect((await build('--version 1.2.3 --snapshot', 2)).stderr).toContain('exclude each other')
  })

  it('comes from git: the tag, or what follows it', async () => {
    configure({}, { version: 'git' })
    git('init', '-q')
    git('add', '-A')
    git('commit', '-qm', 'one')
    expect((await build('', 2)).stderr).toContain('needs a tag')
    git('tag', 'v1.2.3')
    await build()
    expect(built()).toBe('1.2.3')
    git('commit', '-q', '--allow-empty', '-m', 'two')
    await build()
    expect(built()).toMatch(/^1\.2\.4-dev\.1\.g[0-9a-f]{9}$/)
  })

  it('is bumped from the highest there is, and snapshots never collide', async () => {
    configure()
    await build('--bump minor')
    expect(built()).toBe('1.1.0')
    await build('--bump minor')
    expect(built()).toBe('1.2.0')
    await build('--bump prerelease')
    expect(built()).toBe('1.2.1-rc.1')
    await build('--snapshot')
    expect(built()).toMatch(/^1\.0\.1-snapshot\.\d{14}$/)
    expect((await build('--bump huge', 2)).stderr).toContain('--bump patch')
  })

  it('--ref builds a clean checkout and leaves the work tree alone', async () => {
    configure()
    git('init', '-q')
    git('add', '-A')
    git('commit', '-qm', 'one')
    git('tag', 'v1.0.0')
    write({ 'a.txt': 'not committed\n', 'new.txt': 'x\n' })
    await build('--ref v1.0.0')
    expect(inside()).toEqual(['.gitignore', 'a.txt'])
    expect(readFileSync(join(dir, 'dist/shop-1.0.0.manifest.json'), 'utf8')).toContain(
      `"commit":"${git('rev-parse', 'HEAD')}"`,
    )
    expect(readFileSync(join(dir, 'a.txt'), 'utf8')).toBe('not committed\n')
    expect((await build('--ref nowhere', 2)).stderr).toContain('"nowhere"')
  })
})

describe('what is shipped', () => {
  it('follows include and exclude, keeps modes, links and empty folders', async () => {
    write({ 'src/a.js': 'a', 'src/b.test.js': 'b', 'docs/x.md': 'x', 'bin/run': '#!/bin/sh\n', 'README.md': 'r' })
    chmodSync(join(dir, 'bin/run'), 0o750)
    mkdirSync(join(dir, 'src/empty'))
    symlinkSync('a.js', join(dir, 'src/link.js'))
    configure({ include: ['src/**', 'bin'], exclude: ['**/*.test.js'] })
    await build()
    expect(inside()).toEqual(['bin', 'bin/run', 'src', 'src/a.js', 'src/empty', 'src/link.js'])
    expect(readFileSync(join(dir, 'dist/shop-1.0.0.manifest.json'), 'utf8')).toMatch(
      /"bin\/run","type":"file","mode":493/,
    )
  })

  it('is never a secret, a repository, or a link that leads nowhere or out, unless it is meant', async () => {
    write({ '.env': 'SECRET=1\n', 'keys/id': '-----BEGIN OPENSSH PRIVATE KEY-----\nx\n', 'ok.txt': 'ok\n' })
    symlinkSync('nowhere', join(dir, 'dangling'))
    symlinkSync('../../etc/passwd', join(dir, 'escaping'))
    configure()
    const { stderr } = await build('', 3)
    for (const path of ['.env', 'keys/id', 'dangling', 'escaping']) expect(stderr).toContain(`${path}: `)
    expect(stderr).toContain('build: { allow: ')
    configure({ allow: ['.env', 'keys/**', 'dangling'] })
    expect((await build('', 3)).stderr).toContain('escaping: ')
    rmSync(join(dir, 'escaping'))
    await build()
  })

  it('is built by a recipe of the project, which has a clean environment, and whose failure is shown', async () => {
    write({
      'recipes/mine.ts': `import { defineRecipe } from 'slipway'
export default defineRecipe({
  name: 'mine',
  summary: 'writes what it sees',
  async build(step) {
    await step.copy({ from: 'app', to: 'lib' })
    await step.run(['sh', '-c', 'env | cut -d= -f1 | sort > env.txt'])
    if (step.included('app/fail')) await step.run(['sh', '-c', 'echo compiling; echo broken >&2; exit 4'])
  },
})
`,
      'app/a': 'a',
    })
    configure({ recipe: 'mine', exclude: ['app/fail'] })
    await build('', 0, { env: { SECRET_TOKEN: 'x' } })
    expect(inside()).toEqual(['env.txt', 'lib', 'lib/a'])
    configure({ recipe: 'mine' })
    const { stderr } = await build('', 3)
    expect(stderr).toContain('failed with exit code 4')
    expect(stderr).toContain('broken')
    configure({ recipe: 'mines' })
    expect((await build('', 2)).stderr).toContain('did you mean "mine"?')
  })

  it('needs a lockfile for node-app, and an index.html for static-site', async () => {
    write({ 'package.json': '{"name":"x","version":"1.0.0"}' })
    configure({ recipe: 'node-app' })
    expect((await build('', 3)).stderr).toContain('package-lock.json')
    configure({ recipe: 'static-site' })
    expect((await build('', 3)).stderr).toContain('index.html')
    cpSync(join(FIXTURES, 'static-site'), dir, { recursive: true })
    await build()
    expect(inside()).toContain('css/site.css')
  })

  it('is given out whole or not at all: SIGKILL while it is packed leaves dist as it was', async () => {
    write({ 'a.txt': 'a\n' })
    configure()
    await build()
    const before = readdirSync(join(dir, 'dist'))
    writeFileSync(join(dir, 'big.bin'), Buffer.alloc(150_000_000, 7))
    const result = await ship('build --version 1.1.0', { cwd: dir, when: 'manifest', signal: 'SIGKILL' })
    expect(result.signal).toBe('SIGKILL')
    expect(readdirSync(join(dir, 'dist')).filter((name) => !name.startsWith('.ship-'))).toEqual(before)
    expect(built()).toBe('1.0.0')
    await build('--version 1.1.0')
  })
})

describe('inspect and verify', () => {
  it('tell what is inside, what differs, and whether it is whole; from anywhere', async () => {
    write({ 'a.txt': 'a\n', 'b.txt': 'b\n' })
    configure()
    await build()
    write({ 'a.txt': 'other\n', 'c.txt': 'c\n' })
    rmSync(join(dir, 'b.txt'))
    await build('--version 1.1.0')
    const { stdout } = await ship('inspect', { cwd: dir })
    expect(stdout).toMatch(/version +1\.1\.0/)
    expect(stdout).toContain('c.txt')
    const diff = await ship('inspect --diff 1.0.0', { cwd: dir })
    expect(diff.stdout).toMatch(/- .*b\.txt[^]*\+ .*c\.txt[^]*~ .*a\.txt[^]*1\.0\.0 -> 1\.1\.0: \+1 ~1 -1/)
    const archive = join(dir, 'dist/shop-1.1.0.tar.gz')
    expect((await ship(['verify', archive], { cwd: home })).stdout).toContain('shop 1.1.0 is whole')
    const bytes = readFileSync(archive)
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1
    writeFileSync(archive, bytes)
    const refused = await ship(['verify', archive], { cwd: home })
    expect(refused.code).toBe(9)
    expect(refused.stderr).toContain('SHA256SUMS')
  })
})

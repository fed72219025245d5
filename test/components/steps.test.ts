/** What recipes see and may do: a clean environment, nothing of root's, and no trace of where it was built. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NODE, SHIP } from '../support/cli.ts'
import { workbench, type Workbench } from '../support/parts.ts'

let bench: Workbench
beforeEach(() => {
  bench = workbench()
  bench.write({ 'a.txt': 'a\n' })
  bench.configure({ build: { recipe: 'mine', exclude: ['recipes'] } })
  bench.recipe('mine', '', `dependencies: ['one'],`)
})
afterEach(() => bench.dispose())

function one(body: string, fields = ''): void {
  bench.recipe(
    'one',
    body,
    `version: '1', ${fields}`,
    `import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'`,
  )
}

/** Text of a file in the last build's archive. */
function shipped(path: string): string {
  const version = bench.built()
  const archive =
    readdirSync(join(bench.dir, 'dist')).find((name) => name.includes(`-${version}`) && name.endsWith('.tar.gz')) ?? ''
  return execFileSync('tar', ['-xzOf', join(bench.dir, 'dist', archive), `shop-${version}/${path}`]).toString()
}

describe('a step', () => {
  it('has the declared environment and nothing else', async () => {
    one(
      `await step.run(['sh', '-c', 'env | sed "s|\${HOME%/home}|/scratch|g" > env.txt'])`,
      `env: ['WANTED', 'NOT_SET'],`,
    )
    const env0 = { CANARY: 'seen', WANTED: 'yes', NODE_OPTIONS: '', TZ: 'Asia/Tokyo', LC_ALL: 'C', HOME: bench.cache }
    await bench.parts('', { env: env0 })
    const env = Object.fromEntries(
      shipped('embedded/env.txt')
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)) as [string, string][],
    )
    expect(
      Object.keys(env)
        .filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name))
        .toSorted(),
    ).toEqual(['CI', 'HOME', 'LC_ALL', 'PATH', 'SOURCE_DATE_EPOCH', 'TMPDIR', 'TZ', 'WANTED'].toSorted())
    expect(env).toMatchObject({ WANTED: 'yes', TZ: 'UTC', LC_ALL: 'C.UTF-8', SOURCE_DATE_EPOCH: '315532800' })
    expect(env['PATH']).toMatch(/^\/scratch\/view\/embedded\/bin:/)
    expect(env['HOME']).toBe('/scratch/home')
  })

  it('of a component does not see the sources of the app, nor its programs: they are no inputs of it', async () => {
    bench.configure({ build: { recipe: 'mine', exclude: ['recipes'], bin: { shop: 'a.txt' } } })
    one(
      `await step.copy(); await step.write('seen', JSON.stringify([readdirSync(step.sources), readdirSync(step.context.sources), step.context.bin]))`,
    )
    await bench.parts()
    expect(shipped('embedded/seen')).toBe('[[],[],{}]')
  })

  it('is refused what leads out of its folders, and what there is not', async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      [`step.copy({ from: '../..' })`, /path "\.\.\/\.\." /],
      [`step.copy({ to: '../x' })`, /path "\.\.\/x" /],
      [`step.write('../../x', '')`, /path "\.\.\/\.\.\/x" /],
      [`step.write('link/ship-was-here', '')`, /"link\/ship-was-here" would be written through a link that leads out/],
      [`step.copy({ from: 'nothing' })`, /the sources have no "nothing"/],
      [`step.source('x')`, /the recipe has no source "x"/],
      [`step.run(['no-such-program'])`, /"no-such-program" could not be started/],
    ]
    const tries = cases.map(([call]) => `async () => ${call}`).join(', ')
    const outside = mkdtempSync(join(tmpdir(), 'ship-outside-'))
    one(`symlinkSync('${outside}', step.out + '/link'); const said = []
      for (const attempt of [${tries}]) await attempt().then(() => said.push('went through'), (error) => said.push(error.message))
      throw new Error(said.join(' ;; '))`)
    const text = await bench.said('', 3)
    const said = /failed: (.*)/.exec(text)?.[1]?.split(' ;; ') ?? []
    for (const [n, [call, expected]] of cases.entries()) expect(said[n], call).toMatch(expected)
    expect(readdirSync(outside)).toEqual([])
    rmSync(outside, { recursive: true })
    expect(existsSync(join(bench.dir, 'dist'))).toBe(false)
  })
})

describe('what a component makes', () => {
  it('is refused by name when it is secret, junk, or leads out', async () => {
    one(`await step.write('bin/su', ''); chmodSync(step.out + '/bin/su', 0o4755)
      await step.write('open', ''); chmodSync(step.out + '/open', 0o666)
      await step.write('k', '-----BEGIN PRIVATE KEY-----\\n'); await step.write('.env', 'A=1'); await step.write('.git/HEAD', '')
      symlinkSync('../../../etc/passwd', step.out + '/out'); symlinkSync('nothing', step.out + '/dangling')`)
    const text = await bench.said('', 3)
    expect(text).toContain('component one')
    for (const expected of [
      'embedded/bin/su: is setuid or setgid',
      'embedded/open: may be written by everybody',
      'embedded/k: holds a private key',
      'embedded/.env: is a file of settings and secrets',
      'embedded/.git: is a repository',
      'embedded/out: ',
      'embedded/dangling: links to "nothing", which does not exist',
    ])
      expect(text).toContain(expected)
  })

  it('is refused by name when it holds the folder it was built in, wherever in a file; or is allowed to', async () => {
    one(
      `writeFileSync(step.out + '/late.bin', Buffer.concat([Buffer.alloc(1048570), Buffer.from(step.scratch)])); await step.write('ok', '/tmp')`,
    )
    const text = await bench.said('', 3)
    expect(text).toContain('a file holds the path of the folder it was built in')
    expect(text).toContain('\n  embedded/late.bin\n')
    expect(text).toContain('build: { allow: ["embedded/late.bin"] }')
    bench.configure({ build: { recipe: 'mine', exclude: ['recipes'], allow: ['embedded/late.bin'] } })
    await bench.parts()
  })

  it('is refused when a program wrote down where the sources of the app are', async () => {
    bench.configure({ build: { from: 'web/app', recipe: 'mine' } })
    bench.write({ 'web/app/x': '' })
    bench.recipe('mine', `await step.run(['sh', '-c', 'pwd > "$0/where"', step.out], { cwd: step.sources })`)
    expect(await bench.said('', 3)).toMatch(/the folder it was built in\n {2}where\n/)
  })

  it('has modes that depend on nothing', async () => {
    one(`await step.write('private', 'x', { mode: 0o600 }); await step.write('run', 'x', { mode: 0o711 })`)
    const { key } = (await bench.parts('', { umask: 0o077 })).get('one') ?? {}
    const modes = (): readonly unknown[] => {
      const { entries } = JSON.parse(bench.read(`dist/shop-${bench.built()}.manifest.json`)) as {
        entries: { path: string; mode: number }[]
      }
      return entries.map(({ path, mode }) => [path, mode.toString(8)])
    }
    expect(modes()).toEqual([
      ['embedded', '755'],
      ['embedded/private', '644'],
      ['embedded/run', '755'],
    ])
    const kept = readdirSync(join(bench.cache, 'parts')).filter((name) => name.startsWith(key ?? '-'))
    expect(kept).toHaveLength(2)
    await bench.parts()
    expect(modes()).toEqual([
      ['embedded', '755'],
      ['embedded/private', '644'],
      ['embedded/run', '755'],
    ])
  })
})

const NOT_ROOT = process.getuid?.() !== 0 || !existsSync('/usr/bin/setpriv')

describe.skipIf(NOT_ROOT)('an ordinary user (skipped without root and setpriv)', () => {
  it('builds an omnibus app with a compiler and a locked source; only staging, cache and dist are written to', async () => {
    const home = mkdtempSync(join(tmpdir(), 'ship-nobody-'))
    try {
      const project = join(home, 'project')
      const temp = join(home, 'tmp')
      bench.configure({ build: { recipe: 'mine', layout: 'omnibus', exclude: ['recipes'], bin: { shop: 'run.sh' } } })
      bench.write({
        LICENSE: 'x\n',
        'run.sh': '#!/bin/sh\nexec "$(dirname "$0")/../embedded/bin/hello"\n',
        'vendor/hello.c': '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n',
      })
      chmodSync(join(bench.dir, 'run.sh'), 0o755)
      one(
        `mkdirSync(step.out + '/bin'); mkdirSync(step.scratch + '/home/go/pkg', { recursive: true }); writeFileSync(step.scratch + '/home/go/pkg/x', ''); chmodSync(step.scratch + '/home/go/pkg', 0o555); await step.run(['cc', '-o', step.out + '/bin/hello', 'hello.c'], { cwd: step.source() })`,
        `tools: ['cc'], sources: { c: { path: 'vendor/hello.c' } },`,
      )
      bench.recipe(
        'mine',
        `await step.copy(); for (const [name, file] of Object.entries(step.context.bin)) await step.bin(name, { run: ['app/' + file] })`,
        `dependencies: ['one'],`,
      )
      cpSync(bench.dir, project, { recursive: true })
      mkdirSync(join(home, 'cache'))
      mkdirSync(temp)
      execFileSync('chown', ['-R', '65534:65534', home])
      chmodSync(home, 0o755)
      const mark = join(bench.dir, 'mark')
      writeFileSync(mark, '')
      const opt = existsSync('/opt') ? readdirSync('/opt') : []
      const user = ['--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs']
      const env = { PATH: process.env['PATH'], HOME: '/nonexistent', TMPDIR: temp, SHIP_CACHE_DIR: join(home, 'cache') }
      const result = spawnSync('setpriv', [...user, NODE, SHIP, 'build'], { cwd: project, env, encoding: 'utf8' })
      expect({ code: result.status, stderr: result.stderr }).toMatchObject({ code: 0 })
      expect(readdirSync(temp)).toEqual([])
      expect(existsSync('/opt') ? readdirSync('/opt') : []).toEqual(opt)
      const written = spawnSync(
        'find',
        ['/tmp', '/var/tmp', '/opt', '/srv', '/home', '-xdev', '-user', '65534', '-newer', mark, '-type', 'f'],
        { encoding: 'utf8' },
      )
        .stdout.trim()
        .split('\n')
      for (const file of written) expect(file).toMatch(new RegExp(`^${home}/(?:cache|project/dist)/`))
      execFileSync('tar', ['-xzf', join(project, 'dist/shop-1.0.0-linux-x64.tar.gz'), '-C', bench.dir])
      expect(execFileSync(join(bench.dir, 'shop-1.0.0/bin/shop')).toString()).toBe('hello\n')
      expect(statSync(join(bench.dir, 'shop-1.0.0/embedded/bin/hello')).mode & 0o777).toBe(0o755)
      // Without a place to keep anything it is said where to name one.
      const none = spawnSync('setpriv', [...user, NODE, SHIP, 'build', '--version', '1.0.1'], {
        cwd: project,
        env: { ...env, SHIP_CACHE_DIR: '' },
        encoding: 'utf8',
      })
      expect(none.status).toBe(2)
      expect(none.stderr).toContain('SHIP_CACHE_DIR=/path/to/cache')
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})

describe('logs', () => {
  it('of two projects with the same name lie apart', async () => {
    const other = workbench({ SHIP_CACHE_DIR: bench.cache })
    try {
      one(`await step.run(['echo', 'mine'])`)
      other.write({ 'ship.config.json': bench.read('ship.config.json') })
      other.recipe('mine', '', `dependencies: ['one'],`)
      other.recipe('one', `await step.run(['echo', 'other'])`, `version: '1',`)
      await other.parts()
      await bench.parts()
      const logs = execFileSync('find', [join(bench.cache, 'logs'), '-name', 'one.log'])
        .toString()
        .trim()
        .split('\n')
      expect(logs.map((file) => readFileSync(file, 'utf8')).toSorted()).toEqual([
        '$ echo mine\nmine\n',
        '$ echo other\nother\n',
      ])
      expect(new Set(logs.map((file) => dirname(file))).size).toBe(2)
    } finally {
      other.dispose()
    }
  })
})

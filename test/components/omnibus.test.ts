/** The omnibus layout: what lies where, what it says of itself, programs that run from anywhere; and the same bytes from anywhere. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launcherText } from '../../src/components/launcher.ts'
import { ship } from '../support/cli.ts'
import { workbench, type Workbench } from '../support/parts.ts'

let bench: Workbench
let text = ''
/** The unpacked tree, in a folder with a space in its name. */
let tree = ''

beforeAll(async () => {
  bench = workbench()
  const settings = { recipe: 'mine', layout: 'omnibus', exclude: ['recipes', 'vendor'], bin: { shop: 'main.sh' } }
  bench.configure({ build: settings })
  bench.write({
    LICENSE: 'the licence of the shop\n',
    'main.sh': `#!/bin/sh\nexec "$(dirname "$0")/../embedded/bin/say" "$@"\n`,
    'vendor/say.c': `#include <stdio.h>\nint main(int c, char **v) { for (int i = 1; i < c; i++) printf("<%s>\\n", v[i]); return 0; }\n`,
    'vendor/LICENSE': 'the licence of say\n',
  })
  execFileSync('chmod', ['+x', 'main.sh'], { cwd: bench.dir })
  bench.recipe(
    'say',
    `mkdirSync(step.out + '/bin'); await step.run(['cc', '-o', step.out + '/bin/say', 'say.c'], { cwd: step.source() })
     await step.write('include/say.h', 'int say;'); await step.write('lib/pkgconfig/say.pc', 'prefix=' + step.prefix)`,
    `version: '2.1', license: 'MIT', tools: ['cc'], sources: { say: { path: 'vendor' } },`,
    `import { mkdirSync } from 'node:fs'`,
  )
  bench.recipe('bare', `await step.write('share/bare', 'x')`, `version: '0.1',`)
  bench.recipe(
    'mine',
    `if (!existsSync(step.embedded + '/include/say.h')) throw new Error('the headers are not there')
     await step.copy(); for (const [name, file] of Object.entries(step.context.bin)) await step.bin(name, { run: ['app/' + file], paths: { WHERE: ['app', 'embedded/share'] } })`,
    `dependencies: ['say', 'bare'], cache: true,`,
    `import { existsSync } from 'node:fs'`,
  )
  text = await bench.said('--check-repro')
  execFileSync('tar', ['-xzf', join(bench.dir, 'dist/shop-1.0.1-linux-x64.tar.gz'), '-C', bench.cache])
  tree = join(bench.cache, 'a place')
  renameSync(join(bench.cache, 'shop-1.0.1'), tree)
})
afterAll(() => bench.dispose())

describe('an omnibus tree', () => {
  it('has its parts in their places, and nothing that is for building only', () => {
    expect(bench.tree()).toEqual([
      'LICENSES',
      'LICENSES/say-LICENSE',
      'LICENSES/shop-LICENSE',
      'app',
      'app/LICENSE',
      'app/main.sh',
      'bin',
      'bin/shop',
      'embedded',
      'embedded/bin',
      'embedded/bin/say',
      'embedded/share',
      'embedded/share/bare',
      'version-manifest.json',
      'version-manifest.txt',
    ])
    expect(readFileSync(join(tree, 'LICENSES/say-LICENSE'), 'utf8')).toBe('the licence of say\n')
  })

  it('says what it is made of', () => {
    const manifest = JSON.parse(readFileSync(join(tree, 'version-manifest.json'), 'utf8')) as Record<string, unknown>
    expect(manifest).toMatchObject({
      manifest_format: 2,
      build_version: '1.0.1',
      build_git_revision: null,
      software: {
        bare: {
          described_version: '0.1',
          license: null,
          locked_source: null,
          locked_version: null,
          source_type: 'none',
        },
        say: { described_version: '2.1', license: 'MIT', locked_source: { path: 'vendor' }, source_type: 'path' },
      },
    })
    const lines = readFileSync(join(tree, 'version-manifest.txt'), 'utf8').split('\n')
    expect(lines.slice(0, 3)).toEqual(['shop 1.0.1', '', 'Component  Installed Version  Version GUID'])
    expect(lines[4]).toMatch(/^bare {7}0\.1 {16}recipe:[0-9a-f]{40}$/)
    expect(lines[5]).toMatch(/^say {8}2\.1 {16}path:[0-9a-f]{64}$/)
  })

  it('warns of each component without a licence text, by name', () => {
    expect(text).toMatch(/warning: "bare" has no licence text\n +next: +add licenseFiles to the recipe "bare"/)
    expect(text).not.toMatch(/"(?:say|shop)" has no licence text/)
  })
})

describe('a program of it', () => {
  const run = (
    file: string,
    args: readonly string[] = [],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ): string => execFileSync(file, args, { ...options, encoding: 'utf8' })

  it('runs from another prefix, through links, by PATH, from its own folder, with its arguments as they are', () => {
    const args = ['a b', '', `'"$HOME"`, '*', '-n', 'line\nline', '\\']
    const expected = args.map((arg) => `<${arg}>\n`).join('')
    const program = join(tree, 'bin/shop')
    expect(run(program, args)).toBe(expected)
    const links = join(bench.cache, 'links')
    mkdirSync(links)
    symlinkSync(program, join(links, 'absolute'))
    symlinkSync('absolute', join(links, 'relative'))
    symlinkSync(join('..', 'a place'), join(links, 'folder'))
    for (const file of ['absolute', 'relative', 'folder/bin/shop'])
      expect(run(join(links, file), args), file).toBe(expected)
    expect(run('links/relative', ['x'], { cwd: bench.cache })).toBe('<x>\n')
    const PATH = `${join(tree, 'bin')}:${process.env['PATH'] ?? ''}`
    expect(run('sh', ['-c', 'shop "$@"', 'sh', ...args], { env: { PATH, CDPATH: '/tmp:/' } })).toBe(expected)
    expect(run('./shop', args, { cwd: join(tree, 'bin') })).toBe(expected)
    expect(run('sh', ['shop', 'x'], { cwd: join(tree, 'bin') })).toBe('<x>\n')
    expect(run('dash', [program, 'x'])).toBe('<x>\n')
  })

  it('is quoted against names of files that a shell would read otherwise', () => {
    const launcher = launcherText({ run: [`app/it's $(here).sh`] }, 'app')
    expect(launcher).toContain(`exec "$root"/'app/it'\\''s $(here).sh' "$@"`)
    expect(() => launcherText({ run: ['../out'] }, 'app')).toThrow('path "../out"')
    expect(() => launcherText({ run: ['app/x'], paths: { 'A B': ['app'] } }, 'app')).toThrow(
      '"A B" is no name of a variable',
    )
  })
})

describe('the same sources', () => {
  it('give the same bytes in another folder, with another cache, and when built twice', async () => {
    expect(text).toMatch(/repro +ok equal in tar\.gz/)
    const home = mkdtempSync(join(tmpdir(), 'ship-elsewhere-'))
    try {
      const other = join(home, 'quite/another place')
      cpSync(bench.dir, other, { recursive: true, filter: (path) => !path.endsWith('/dist') })
      const env = { SHIP_CACHE_DIR: join(home, 'cache'), TZ: 'Asia/Tokyo' }
      const result = await ship('build --version 1.0.1', { cwd: other, env, umask: 0o077 })
      expect(result.code, result.stderr).toBe(0)
      for (const name of ['shop-1.0.1.manifest.json', 'shop-1.0.1-linux-x64.tar.gz']) {
        const [a, b] = [bench.dir, other].map((dir) =>
          createHash('sha256')
            .update(readFileSync(join(dir, 'dist', name)))
            .digest('hex'),
        )
        expect(b, name).toBe(a)
      }
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})

/** `ship inspect --diff`: what differs between two bundles, for people at 80 columns and for programs. */
import { chmodSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { diffLines } from '../../src/commands/diff-text.ts'
import type { RelPath } from '../../src/names.ts'
import { changesBetween } from '../../src/tree/changes.ts'
import { compareBytes } from '../../src/tree/entries.ts'
import type { Entry, Manifest } from '../../src/tree/manifest.ts'
import { styleWith } from '../../src/ui/style.ts'
import { compiledTree, describeCompiled } from '../elf/compiled.ts'
import { HAS_TERMINAL, shipOnTerminal } from '../support/cli.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

const DEEP = 'lib/some/folder/that/is/rather/deep/for/eighty/columns/of/a/terminal/indeed'

describe('two builds', () => {
  let project: SmallProject
  beforeAll(async () => {
    project = smallProject()
    project.write({
      'recipes/mine.js': `export default { name: 'mine', summary: '', platform: 'any', exclude: ['parts.json', 'recipes'],
        async build(step) { await step.copy() },
        async components(step) { const { readFileSync } = await import('node:fs'); return JSON.parse(readFileSync(step.sources + '/parts.json', 'utf8')) } }`,
      'parts.json': JSON.stringify([
        { name: 'zlib', version: '1.3.0', license: 'Zlib' },
        { name: 'gone', version: '1.0.0', license: 'GPL-3.0-only' },
        { name: 'node', version: '24.1.0' },
      ]),
      'a.txt': 'a\n',
      'run.sh': '#!/bin/sh\n',
      'same.txt': 'same\n',
      'old/only/gone.txt': 'gone\n',
      [`${DEEP}/moved.js`]: 'moved\n',
      empty1: '',
      'lib/libz.so.1': 'one\n',
      'addon.node': 'addon\n',
    })
    symlinkSync('a.txt', join(project.dir, 'link'))
    project.configure({ build: { recipe: 'mine', formats: ['tar.gz'] } })
    await project.ship('build')
    project.write({
      'parts.json': JSON.stringify([
        { name: 'zlib', version: '1.3.1', license: 'Zlib' },
        { name: 'node', version: '24.1.0', license: 'MIT' },
        { name: 'new', version: '2.0.0', license: 'ISC' },
      ]),
      'a.txt': 'a longer text\n',
      'fresh/b.txt': 'b\n',
      'lib/libz.so.1.3': 'two\n',
      empty2: '',
    })
    rmSync(join(project.dir, 'old'), { recursive: true })
    rmSync(join(project.dir, 'empty1'))
    rmSync(join(project.dir, 'lib/libz.so.1'))
    rmSync(join(project.dir, 'link'))
    symlinkSync('same.txt', join(project.dir, 'link'))
    chmodSync(join(project.dir, 'run.sh'), 0o755)
    mkdirSync(join(project.dir, 'moved'))
    renameSync(join(project.dir, DEEP, 'moved.js'), join(project.dir, 'moved/renamed.js'))
    rmSync(join(project.dir, 'lib/some'), { recursive: true })
    project.configure({ version: '1.1.0', build: { recipe: 'mine', formats: ['zip'], exclude: ['link'] } })
    await project.ship('build')
    project.configure({ version: '1.2.0', build: { recipe: 'mine' } })
    await project.ship('build')
  })
  afterAll(() => project.dispose())

  const TEXT = `   SIZE  GROWTH  PATH
-   5 B          old/only/gone.txt
-   4 B          lib/libz.so.1
-   0 B          empty1
+   4 B          lib/libz.so.1.3
+   2 B          fresh/b.txt
+   0 B          empty2
~  14 B   +12 B  a.txt
~                link (to a.txt -> same.txt)
~  10 B          run.sh (mode 0644 -> 0755)
>   6 B          ${DEEP}/moved.js -> moved/renamed.js

components
  - gone 1.0.0 (GPL-3.0-only)
  + new 2.0.0 (ISC)
  ~ node 24.1.0 -> 24.1.0 (MIT)
  ~ zlib 1.3.0 -> 1.3.1

licences
  - GPL-3.0-only
  + ISC
  + MIT

shared libraries
  - lib/libz.so.1
  + lib/libz.so.1.3

1.0.0 -> 1.2.0: +3 ~3 -3 >1, 3 the same; 38 B -> 47 B (+9 B)
`

  it('are told file by file, then by what they are made of, the sum last', async () => {
    expect((await project.ship('inspect 1.2.0 --diff 1.0.0')).stdout).toBe(TEXT)
  })

  it('are told as data, folders too', async () => {
    const data = await project.data('inspect 1.2.0 --diff 1.0.0')
    expect(data).toMatchObject({
      from: { name: 'shop', version: '1.0.0', platform: 'any', digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
      to: { name: 'shop', version: '1.2.0', platform: 'any' },
      bytes: { from: 38, to: 47 },
      renamed: [{ from: `${DEEP}/moved.js`, to: 'moved/renamed.js', size: 6, modes: [0o644, 0o644] }],
      licenses: { added: ['ISC', 'MIT'], removed: ['GPL-3.0-only'] },
      libraries: { added: ['lib/libz.so.1.3'], removed: ['lib/libz.so.1'] },
      changed: [
        { path: 'a.txt', content: true, growth: 12, from: { size: 2 }, to: { size: 14 } },
        { path: 'link', content: false, from: { type: 'link', target: 'a.txt' }, to: { target: 'same.txt' } },
        { path: 'run.sh', content: false, growth: 0, from: { mode: 0o644 }, to: { mode: 0o755 } },
      ],
    })
    expect(data['added']).toContainEqual({ path: 'fresh', type: 'dir', mode: 0o755 })
    expect(data['components']).toMatchObject({
      changed: [
        { name: 'node' },
        { name: 'zlib', from: { version: '1.3.0', license: 'Zlib' }, to: { version: '1.3.1' } },
      ],
    })
  })

  it('may be archives of other formats, given as files', async () => {
    const { stdout } = await project.ship('inspect dist/shop-1.1.0.zip --diff dist/shop-1.2.0.tar.gz')
    expect(stdout).toContain('-  link -> same.txt\n')
    expect(stdout).toContain('1.2.0 -> 1.1.0: +0 ~0 -1')
    expect((await project.ship('inspect 1.2.0 --diff 1.2.0')).stdout).toBe('1.2.0 -> 1.2.0: the same files\n')
  })

  it('are told from their manifests, for an archive may be gone', async () => {
    const before = (await project.ship('inspect 1.2.0 --diff 1.1.0')).stdout
    const archive = join(project.dir, 'dist/shop-1.1.0.zip')
    const kept = readFileSync(archive)
    const list = join(project.dir, 'dist/shop-1.1.0.manifest.json')
    const text = readFileSync(list, 'utf8')
    try {
      writeFileSync(archive, 'damaged')
      expect((await project.ship('inspect 1.2.0 --diff ~1.1')).stdout).toBe(before)
      rmSync(archive)
      for (const one of ['1.1.0', 'dist/shop-1.1.0.zip', 'dist/shop-1.1.0.manifest.json']) {
        expect((await project.ship(`inspect 1.2.0 --diff ${one}`)).stdout).toBe(before)
      }
      // Without --diff the archive is what is asked about.
      expect((await project.ship('inspect 1.1.0', 2)).stderr).toContain('its archive is gone from dist/')
      renameSync(list, join(project.dir, 'dist/shop-1.1.1.manifest.json'))
      const { stderr: other } = await project.ship('inspect 1.2.0 --diff dist/shop-1.1.1.zip', 9)
      expect(other).toContain('"shop-1.1.1.zip" does not belong to shop-1.1.1.manifest.json')
      expect(other).toContain('the manifest is of shop 1.1.0, its archive is shop-1.1.0.zip')
      const { stderr: lost } = await project.ship('inspect 1.2.0 --diff 1.1.0', 2)
      expect(lost).toContain('error: "shop-1.1.0.manifest.json" does not exist')
      writeFileSync(list, text.slice(0, -9))
      const { stderr: cut } = await project.ship('inspect --diff 1.1.0', 9)
      expect(cut).toContain('error: shop-1.1.0.manifest.json: the manifest is not JSON: ')
      rmSync(list)
      mkdirSync(list)
      const { stderr: odd } = await project.ship('inspect 1.2.0 --diff dist/shop-1.1.0.zip', 9)
      expect(odd).toContain('error: shop-1.1.0.manifest.json is not a file\n')
      expect((await project.ship('inspect 1.2.0 --diff nowhere/shop.manifest.json', 2)).stderr).toContain(
        '"shop.manifest.json" does not exist',
      )
    } finally {
      rmSync(list, { recursive: true, force: true })
      rmSync(join(project.dir, 'dist/shop-1.1.1.manifest.json'), { force: true })
      writeFileSync(list, text)
      writeFileSync(archive, kept)
    }
  })

  it.skipIf(!HAS_TERMINAL)(
    'fit a terminal of 80 columns: a long path loses its start, a move takes two lines',
    async () => {
      const { stdout } = await shipOnTerminal('--no-color inspect 1.2.0 --diff 1.0.0', { cwd: project.dir })
      const lines = stdout.replaceAll('\r', '').split('\n')
      expect(lines.filter((line) => Array.from(line).length > 80)).toEqual([])
      const at = lines.findIndex((line) => line.startsWith('>'))
      expect(lines[at]).toMatch(/^> {3}6 B {10}…[^ ]*\/of\/a\/terminal\/indeed\/moved\.js$/)
      expect(lines[at + 1]).toBe('                   -> moved/renamed.js')
    },
  )
})

describeCompiled('programs', () => {
  const tree = compiledTree()
  let project: SmallProject
  afterAll(() => {
    tree.remove()
    project.dispose()
  })

  it('tell by their archives which libraries hosts must give, in any format, and how new a C library', async () => {
    project = smallProject()
    const recipe = `export default { name: 'mine', summary: '', platform: 'native', async build(step) { await step.copy() } }`
    project.write({ 'recipes/mine.js': recipe })
    const own = tree.library('lib/libown.so.1', { args: ['-nostdlib'] })
    const plugin = tree.library('lib/plugin.so', { args: ['-nostdlib'] })
    const app = (...args: readonly string[]): string =>
      tree.program('bin/app', { needs: ['lib/libown.so.1'], runpath: '$ORIGIN/../lib', args })
    const build = async (version: string, format: string, files: readonly string[]): Promise<void> => {
      rmSync(join(project.dir, 'app'), { recursive: true, force: true })
      for (const one of files) cpSync(one, join(project.dir, 'app', one.slice(tree.root.length)))
      // Neither of these is a program: too short, and only by its name.
      project.write({ 'app/short': '\x7fE', 'app/lib/libtext.so': `no\x7fELF${'.'.repeat(200)}` })
      project.configure({ version, build: { from: 'app', recipe: 'mine', formats: [format] } })
      await project.ship('build')
    }
    await build('1.0.0', 'tar.zst', [own])
    await build('1.1.0', 'zip', [own, plugin, app('-lm')])
    await build('1.2.0', 'tar.gz', [own, plugin, app()])

    const data = await project.data('inspect 1.1.0 --diff 1.0.0')
    const glibc = expect.stringMatching(/^2\.\d+$/) as unknown
    expect(data['hosts']).toEqual({ from: { libraries: [] }, to: { libraries: ['libc.so.6', 'libm.so.6'], glibc } })
    expect(data['libraries']).toEqual({ added: ['lib/plugin.so'], removed: [] })
    const { stdout } = await project.ship('inspect 1.1.0 --diff 1.0.0')
    expect(stdout).toMatch(
      /\nshared libraries\n {2}\+ lib\/plugin\.so\n\nneeded of hosts\n {2}\+ libc\.so\.6\n {2}\+ libm\.so\.6\n {2}~ glibc none -> 2\.\d+\n\n1\.0\.0/,
    )
    const { stdout: less } = await project.ship('inspect 1.2.0 --diff 1.1.0')
    expect(less).toContain('\nneeded of hosts\n  - libm.so.6\n\n1.1.0 -> 1.2.0: +0 ~1 -0')
    expect((await project.ship('inspect 1.2.0 --diff 1.2.0')).stdout).toBe('1.2.0 -> 1.2.0: the same files\n')

    const archive = join(project.dir, `dist/shop-1.1.0-linux-${process.arch}.zip`)
    const bytes = readFileSync(archive)
    bytes.fill(0, 400, 500)
    writeFileSync(archive, bytes)
    const { stdout: damaged } = await project.ship('inspect 1.2.0 --diff 1.1.0')
    expect(damaged).toMatch(/~ .* bin\/app\n\nneeded of hosts\n {2}not known: 1\.1\.0: the archive is damaged: /)
    rmSync(archive)
    const { stdout: gone } = await project.ship('inspect 1.2.0 --diff 1.1.0')
    expect(gone).toContain(
      '\nneeded of hosts\n  not known: 1.1.0: shop 1.1.0 was built, but its archive is gone from dist/\n',
    )
    expect((await project.data('inspect 1.2.0 --diff 1.1.0'))['hosts']).toHaveProperty('unknown')
  })
})

function manifest(entries: readonly Entry[], more: Partial<Manifest> = {}): Manifest {
  const version = '1.0.0' as Manifest['version']
  const name = 'shop' as Manifest['name']
  return { schema: 1, name, version, platform: 'any', epoch: 0, components: [], entries, ...more }
}

function file(path: string, content: string, mode = 0o644): Entry {
  return { path: path as RelPath, type: 'file', mode, size: content.length, sha256: content.padEnd(64, 'f') }
}

describe('changes', () => {
  it('pair equal files once, those of the same name first', () => {
    const a = manifest([file('a/x', 'f'), file('b/y', 'f'), file('c/gone', 'e')])
    const b = manifest([file('n/y', 'f'), file('o/z', 'f', 0o755), file('p/q', 'f')])
    const { renamed, added, removed } = changesBetween(a, b)
    expect(renamed).toEqual([
      { from: 'b/y', to: 'n/y', size: 1, modes: [0o644, 0o644] },
      { from: 'a/x', to: 'o/z', size: 1, modes: [0o644, 0o755] },
    ])
    expect([added.map((e) => e.path), removed.map((e) => e.path)]).toEqual([['p/q'], ['c/gone']])
  })

  it('tell several versions of one component apart', () => {
    const component = (version: string) => ({ name: 'x', version })
    const a = manifest([], { components: [component('1.0.0'), component('2.0.0')] })
    const b = manifest([], { components: [component('2.0.0'), component('3.0.0'), component('4.0.0')] })
    expect(changesBetween(a, b).components).toMatchObject({
      added: [{ version: '3.0.0' }, { version: '4.0.0' }],
      removed: [{ version: '1.0.0' }],
      changed: [],
    })
  })

  it('are shown the biggest growth first, of what came, changed and moved', () => {
    const a = manifest([file('a', 'a'), file('b', 'bb'), file('c', 'cccc'), file('m/1', 'xx'), file('m/2', 'yyy')])
    const b = manifest([
      file('a', 'AA'),
      file('b', 'BBBBB'),
      file('c', 'C'),
      file('d', 'd'),
      file('e', 'eee'),
      file('f', 'fff'),
      file('n/1', 'xx'),
      file('n/2', 'yyy'),
    ])
    const lines = diffLines(a, b, changesBetween(a, b), { style: styleWith(false), width: 80, now: 0 })
    const names = lines.flatMap((line) => /^[-+~>].* ([a-f]|\S+ -> \S+)$/.exec(line)?.[1] ?? [])
    expect(names).toEqual(['e', 'f', 'd', 'b', 'a', 'c', 'm/2 -> n/2', 'm/1 -> n/1'])
  })

  it('name app and platform where they differ, and show no control characters of a stranger', () => {
    const a = manifest([], { platform: 'linux-x64' })
    const components = [{ name: 'x\u001b[31m', version: '1' }]
    const b = manifest([], { platform: 'linux-arm64', components })
    const view = { style: styleWith(false), width: 80, now: 0 }
    expect(diffLines(a, b, changesBetween(a, b), view)).toEqual([
      'components',
      expect.stringMatching(/^ {2}\+ x\\.+ 1$/),
      '',
      '1.0.0 linux-x64 -> 1.0.0 linux-arm64: the same files',
    ])
  })

  it('account for every entry on both sides', () => {
    const tree = fc.uniqueArray(
      fc.tuple(fc.stringMatching(/^[a-c]{1,3}$/), fc.stringMatching(/^[01]{0,1}$/), fc.constantFrom(0o644, 0o755)),
      { selector: ([path]) => path, maxLength: 12 },
    )
    const made = tree.map((items) =>
      manifest(items.map((i) => file(...i)).toSorted((x, y) => compareBytes(x.path, y.path))),
    )
    fc.assert(
      fc.property(made, made, (a, b) => {
        const { added, removed, changed, renamed, unchanged, bytes } = changesBetween(a, b)
        expect(added.length + changed.length + renamed.length + unchanged).toBe(b.entries.length)
        expect(removed.length + changed.length + renamed.length + unchanged).toBe(a.entries.length)
        const sum = (items: readonly { size?: number | undefined }[]): number =>
          items.reduce((n, i) => n + (i.size ?? 0), 0)
        const growth = changed.reduce((n, c) => n + c.growth, 0)
        expect(bytes.to - bytes.from).toBe(sum(added) - sum(removed) + growth)
      }),
    )
  })
})

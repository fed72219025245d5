/** Kept parts: what is made anew and what is not, and why; caches that are damaged, shared and used by two at once. */
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { workbench, type PartReport, type Workbench } from '../support/parts.ts'

let bench: Workbench
beforeEach(() => {
  bench = workbench()
  // base <- tool, other; the app depends on tool and other.
  bench.recipe('base', `await step.write('lib/base', 'one')`, `version: '1.0',`)
  bench.recipe('tool', `await step.write('bin/tool', 'tool')`, `version: '2.0', dependencies: ['base'],`)
  bench.recipe('other', `await step.write('bin/other', 'other')`, `version: '3.0',`)
  bench.recipe('mine', `await step.copy()`, `dependencies: ['tool', 'other'], cache: true,`)
  bench.write({ 'server.js': 'one\n', LICENSE: 'x\n' })
  configure()
})
afterEach(() => bench.dispose())

function configure(build: Readonly<Record<string, unknown>> = {}): void {
  bench.configure({ build: { recipe: 'mine', layout: 'omnibus', exclude: ['recipes', 'keep'], ...build } })
}

/** Outcome of each part, in building order. */
function outcomes(parts: ReadonlyMap<string, PartReport>): Readonly<Record<string, string>> {
  return Object.fromEntries([...parts].map(([name, { outcome }]) => [name, outcome]))
}

const KEPT = { base: 'kept', tool: 'kept', other: 'kept', shop: 'kept' }
const parts = (cache = bench.cache): string => join(cache, 'parts')
const lists = (folder = parts()): string[] => readdirSync(folder).filter((name) => name.endsWith('.json'))

describe('a second build', { timeout: 600_000 }, () => {
  it('runs no recipe when nothing changed, and gives the same tree', async () => {
    bench.recipe(
      'tool',
      `await step.write('bin/tool', 'tool'); await step.run(['true'])`,
      `version: '2.0', dependencies: ['base'],`,
    )
    const first = await bench.parts()
    expect(outcomes(first)).toEqual({ base: 'built', tool: 'built', other: 'built', shop: 'built' })
    expect(first.get('base')?.reasons).toEqual(['first build here'])
    const tree = bench.tree()
    const text = await bench.said('-v')
    expect(text).not.toContain('$ true')
    expect(text).toMatch(/component base +ok 1\.0, kept/)
    expect(text).toMatch(/recipe +ok kept/)
    expect(bench.tree()).toEqual(tree)
    expect(tree).toContain('embedded/bin/tool')
    expect(outcomes(await bench.parts())).toEqual(KEPT)
  })

  it('makes one part anew after a change of one line in the app, and says which file', async () => {
    await bench.parts()
    bench.write({ 'server.js': 'two\n', 'new.js': 'x' })
    const text = await bench.said('--explain')
    expect(text).toMatch(/shop 1\.0\.2: made anew\n {2}new\.js added\n {2}server\.js changed\n/)
    expect(text).toContain('base 1.0: kept from an earlier build, for no input changed')
    expect(readFileSync(join(bench.dir, 'dist/shop-1.0.2.manifest.json'), 'utf8')).toContain('app/new.js')
    rmSync(join(bench.dir, 'new.js'))
    const again = await bench.parts()
    expect(outcomes(again)).toEqual({ ...KEPT, shop: 'built' })
    expect(again.get('shop')?.reasons).toEqual(['new.js removed'])
  })

  it('makes a changed component and its dependents anew, and nothing else', async () => {
    await bench.parts()
    bench.recipe('base', `await step.write('lib/base', 'two')`, `version: '1.0',`)
    const after = await bench.parts()
    expect(outcomes(after)).toEqual({ base: 'built', tool: 'built', other: 'kept', shop: 'built' })
    expect(after.get('base')?.reasons).toEqual(['recipe recipes/base.js changed'])
    expect(after.get('tool')?.reasons).toEqual(['dependency base changed'])
    bench.recipe('base', `await step.write('lib/base', 'one')`, `version: '1.0',`)
    expect(outcomes(await bench.parts())).toEqual(KEPT)
  })

  it('counts what a recipe imports, through another module, later while it builds, or by URL', async () => {
    bench.write({
      'build/name.js': `export { name } from './deep.js'\n`,
      'build/deep.js': `export const name = 'lib/base'\n`,
      'build/late.js': `export const late = 'late'\n`,
      'recipes/patches/base.patch': 'one',
      'recipes/unrelated.js': 'export const x = 1\n',
    })
    bench.recipe(
      'base',
      `const { late } = await import('../build/late.js'); await step.write(name, late + readFileSync(new URL('./patches/base.patch', import.meta.url)))`,
      `version: '1.0',`,
      `import { readFileSync } from 'node:fs'\nimport { name } from '../build/name.js'`,
    )
    await bench.parts()
    for (const [file, text] of Object.entries({
      'build/deep.js': `export const name = 'lib/other'\n`,
      'build/late.js': `export const late = 'later'\n`,
      'recipes/patches/base.patch': 'two',
    })) {
      bench.write({ [file]: text })
      const after = await bench.parts()
      expect(after.get('base')?.reasons, file).toEqual([`recipe ${file} changed`])
      expect(after.get('other')?.outcome).toBe('kept')
    }
    expect(bench.tree()).toContain('embedded/lib/other')
    bench.write({ 'recipes/unrelated.js': 'export const x = 2\n' })
    expect((await bench.parts()).get('base')?.outcome).toBe('kept')
  })

  it('counts packages that a recipe imports, and recipes written in the configuration with what these close over', async () => {
    bench.write({
      'node_modules/lib/index.js': `export const text = 'one'\n`,
      'node_modules/lib/package.json': '{"type":"module","main":"index.js"}',
    })
    rmSync(join(bench.dir, 'ship.config.json'))
    const config = (word: string): string => `import { text } from 'lib'
const word = '${word}'
export default { name: 'shop', version: '1.0.0', build: { recipe: { name: 'inline', summary: '', cache: true, async build(step) { await step.write('a', word + text) } } } }`
    bench.write({ 'ship.config.mjs': config('one') })
    await bench.parts()
    expect((await bench.parts()).get('shop')?.outcome).toBe('kept')
    bench.write({ 'node_modules/lib/index.js': `export const text = 'two'\n` })
    expect((await bench.parts()).get('shop')?.reasons).toContain('recipe node_modules/lib/index.js changed')
    bench.write({ 'ship.config.mjs': config('two') })
    expect((await bench.parts()).get('shop')?.reasons).toContain('recipe ship.config.mjs changed')
  })

  it('names the tool, the variable, the source and the setting that changed', async () => {
    const tool = join(bench.dir, 'keep/mytool')
    const say = (text: string): void => {
      bench.write({ 'keep/mytool': `#!/bin/sh\n${text}\n` })
    }
    const { chmodSync } = await import('node:fs')
    say('echo mytool 1.0')
    chmodSync(tool, 0o755)
    bench.write({ 'vendor/x': 'one' })
    bench.recipe(
      'base',
      `await step.write('lib/base', process.env.FLAVOUR ?? 'plain')`,
      `version: '1.0', tools: ['mytool', 'sh'], env: ['FLAVOUR'], sources: { x: { path: 'vendor/x' } },`,
    )
    configure({ exclude: ['recipes', 'keep', 'vendor'] })
    const env = { PATH: `${join(bench.dir, 'keep')}:${process.env['PATH'] ?? ''}` }
    const reasons = async (more = {}): Promise<readonly string[] | undefined> =>
      (await bench.parts('', { env: { ...env, ...more } })).get('base')?.reasons
    await reasons()
    say('echo mytool 1.1')
    expect(await reasons()).toEqual(['tool mytool: mytool 1.0 -> mytool 1.1'])
    // A tool that does not tell its version is known by its bytes.
    say('exit 2 # one')
    await reasons()
    say('exit 2 # two')
    expect(await reasons()).toEqual(['tool mytool changed'])
    expect(await reasons({ FLAVOUR: 'sweet', UNRELATED: 'x' })).toEqual(['variable FLAVOUR added'])
    expect(await reasons({ FLAVOUR: 'sour' })).toEqual(['variable FLAVOUR changed'])
    bench.write({ 'vendor/x': 'two' })
    expect(await reasons({ FLAVOUR: 'sour' })).toEqual(['source x changed'])
    configure({ exclude: ['recipes', 'keep', 'vendor'], components: { base: '1.0' } })
    expect(await reasons({ FLAVOUR: 'sour' })).toEqual(['wanted version added'])
    expect(await reasons({ FLAVOUR: 'sour' })).toEqual([])
  })

  it('is made anew as a whole when nothing is to be kept, and says why', async () => {
    configure({ cache: false })
    await bench.parts()
    const after = await bench.parts()
    expect(outcomes(after)).toEqual({ base: 'built', tool: 'built', other: 'built', shop: 'built' })
    expect(after.get('base')?.reasons).toEqual(['nothing is kept: build.cache is false'])
    expect(() => lists()).toThrow('ENOENT')
  })

  it('looks through what was kept as well: what was allowed once need not be now', async () => {
    bench.recipe('other', `await step.write('.env', 'SECRET=1')`, `version: '3.0',`)
    configure({ allow: ['embedded/.env'] })
    await bench.parts()
    configure()
    expect(await bench.said('', 3)).toContain('embedded/.env: is a file of settings and secrets')
  })
})

describe('a kept part', { timeout: 600_000 }, () => {
  it.each(['list', 'archive'] as const)('with a damaged %s is noticed and made anew', async (which) => {
    await bench.parts()
    const { key = '' } = (await bench.parts()).get('base') ?? {}
    const name = readdirSync(parts()).find((n) => n.startsWith(key) && n.endsWith('.json') === (which === 'list')) ?? ''
    for (const damage of ['cut', 'other'] as const) {
      const file = join(parts(), name)
      const size = readFileSync(file).length
      if (damage === 'cut') truncateSync(file, size - 5)
      else if (which === 'list') writeFileSync(file, readFileSync(file, 'utf8').replace('lib/base', 'lib/evil'))
      else writeFileSync(file, Buffer.alloc(size, 1))
      const text = await bench.said()
      expect(text, damage).toContain(`the kept result ${key.slice(0, 12)} is damaged and is made anew: `)
      expect(bench.tree()).toContain('embedded/lib/base')
      expect(outcomes(await bench.parts()), damage).toEqual(KEPT)
    }
  })

  it('is used by two builds at the same time, and by those who share a folder', async () => {
    const shared = join(bench.cache, 'shared')
    const other = workbench()
    try {
      configure({ cache: { dir: shared } })
      for (const name of ['base', 'tool', 'other', 'mine'])
        other.write({ [`recipes/${name}.js`]: bench.read(`recipes/${name}.js`) })
      other.write({ 'server.js': 'one\n', LICENSE: 'x\n', 'ship.config.json': bench.read('ship.config.json') })
      const both = await Promise.all([bench.parts(), bench.parts(), other.parts()])
      for (const part of both) expect([...part.keys()]).toEqual(['base', 'tool', 'other', 'shop'])
      expect(lists(shared)).toHaveLength(4)
      expect(readdirSync(shared).filter((name) => name.startsWith('.new-'))).toEqual([])
      expect(outcomes(await other.parts())).toEqual(KEPT)
      rmSync(other.cache, { recursive: true })
      mkdirSync(other.cache)
      expect(outcomes(await other.parts())).toEqual(KEPT)
    } finally {
      other.dispose()
    }
  })

  it('that cannot be kept is said to be, and the build goes on', async () => {
    bench.write({ 'keep/file': 'x' })
    configure({ cache: { dir: 'keep/file/parts' } })
    expect(await bench.said()).toMatch(/the result [0-9a-f]{12} cannot be kept: /)
    expect(bench.tree()).toContain('embedded/lib/base')
  })
})

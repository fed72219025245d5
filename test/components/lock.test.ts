/** `ship.lock`: builds that are replayed, drift that is refused, files that are damaged, and what never stands in it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { workbench, type Workbench } from '../support/parts.ts'
import { serve, type Web } from '../support/web.ts'

let web: Web
let content = ''
let bench: Workbench
beforeAll(async () => {
  web = await serve((_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end(content))
})
afterAll(() => web.close())
beforeEach(() => {
  bench = workbench()
  content = 'one\n'
  bench.write({ LICENSE: 'x\n' })
  bench.configure({ build: { recipe: 'mine', exclude: ['recipes', 'origin'] } })
  bench.recipe('mine', `await step.copy()`, `dependencies: ['zeta', 'alpha'],`)
  source('zeta', { git: pathToFileURL(join(bench.dir, 'origin')).href, ref: 'main' })
  source('alpha', { url: `${web.url}/data.txt` })
  mkdirSync(join(bench.dir, 'origin'))
  git('init', '-q', '-b', 'main')
  commit('one')
})
afterEach(() => bench.dispose())

function git(...args: readonly string[]): string {
  const settings = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'commit.gpgsign=false']
  return execFileSync('git', [...settings, ...args], { cwd: join(bench.dir, 'origin') })
    .toString()
    .trim()
}

function commit(text: string): string {
  writeFileSync(join(bench.dir, 'origin/file.txt'), text)
  git('add', '-A')
  git('commit', '-q', '-m', text)
  return git('rev-parse', 'HEAD')
}

/** A component that ships what one source holds. */
function source(name: string, value: Readonly<Record<string, unknown>>): void {
  const copy = `await cp(step.source(), step.out + '/${name}', { recursive: true })`
  bench.recipe(
    name,
    copy,
    `version: '1.0', sources: { '${name}-src': ${JSON.stringify(value)} },`,
    `import { cp } from 'node:fs/promises'`,
  )
}

interface LockFile {
  components: Record<string, Record<string, { source: Record<string, unknown>; locked: Record<string, unknown> }>>
}
const lock = (): LockFile => JSON.parse(bench.read('ship.lock')) as LockFile

/** sha256 of a shipped file in the last build. */
function shipped(path: string): string {
  const manifest = JSON.parse(bench.read(`dist/shop-${bench.built()}.manifest.json`)) as {
    entries: { path: string; sha256?: string }[]
  }
  return manifest.entries.find((e) => e.path === path)?.sha256 ?? ''
}

describe('the first build', () => {
  it('writes ship.lock: sorted, without times, the same in every build', async () => {
    expect(await bench.said()).toMatch(
      /lock +ok alpha: alpha-src nothing -> [0-9a-f]{12}, zeta: zeta-src nothing -> [0-9a-f]{9}/,
    )
    const text = bench.read('ship.lock')
    expect(Object.keys(lock().components)).toEqual(['alpha', 'zeta'])
    expect(text).toBe(`${JSON.stringify(JSON.parse(text), null, 2)}\n`)
    expect(text).not.toMatch(/20\d\d-\d\d|"[a-z]*(?:time|date)/i)
    expect(lock().components['zeta']?.['zeta-src']?.locked).toEqual({ commit: git('rev-parse', 'HEAD') })
    rmSync(join(bench.dir, 'ship.lock'))
    await bench.parts()
    expect(bench.read('ship.lock')).toBe(text)
    expect(await bench.said()).toMatch(/lock +ok as locked/)
  })

  it('is replayed by later ones, whatever moved, even in a fresh cache', async () => {
    await bench.parts()
    const before = {
      alpha: shipped('embedded/alpha/data.txt'),
      zeta: shipped('embedded/zeta/file.txt'),
      lock: bench.read('ship.lock'),
    }
    commit('two')
    await bench.parts('--locked')
    rmSync(join(bench.cache, 'git'), { recursive: true })
    rmSync(join(bench.cache, 'parts'), { recursive: true })
    await bench.parts('--locked')
    expect(shipped('embedded/zeta/file.txt')).toBe(before.zeta)
    content = 'two\n'
    await bench.parts()
    expect(shipped('embedded/alpha/data.txt')).toBe(before.alpha)
    expect(bench.read('ship.lock')).toBe(before.lock)
    rmSync(bench.cache, { recursive: true })
    expect(await bench.said('', 3)).toContain('other bytes than wanted')
  })
})

describe('ship lock', () => {
  it('takes what is new for all, or for one', async () => {
    await bench.parts()
    content = 'two\n'
    const second = commit('two')
    const before = lock()
    const { stdout } = await bench.ship('lock zeta')
    expect(stdout).toMatch(/zeta: zeta-src [0-9a-f]{9} -> [0-9a-f]{9}\nship\.lock has 2 sources; commit it/)
    expect(lock().components['zeta']?.['zeta-src']?.locked).toEqual({ commit: second })
    expect(lock().components['alpha']).toEqual(before.components['alpha'])
    await bench.ship('lock')
    expect(lock().components['alpha']).not.toEqual(before.components['alpha'])
    expect((await bench.ship('lock')).stdout).toContain('ship.lock was up to date: 2 sources')
    expect((await bench.ship('lock zetta', 2)).stderr).toContain('did you mean "zeta"?')
    const parts = await bench.parts('--locked')
    expect([...parts].map(([name, { outcome, reasons }]) => [name, outcome, reasons])).toEqual([
      ['zeta', 'built', [expect.stringMatching(/^source zeta-src: [0-9a-f]{40} -> [0-9a-f]{40}$/)]],
      ['alpha', 'built', ['source alpha-src changed']],
      ['shop', 'built', []],
    ])
  })

  it('keeps an app and a component with the same name apart', async () => {
    bench.recipe(
      'shop',
      `await step.write('lib/shop', 'x')`,
      `version: '1.0', sources: { x: { url: '${web.url}/x' } },`,
    )
    bench.recipe('mine', `await step.copy()`, `dependencies: ['shop'], sources: { x: { url: '${web.url}/y' } },`)
    expect(await bench.said()).toMatch(/component shop +ok/)
    expect(lock().components).toMatchObject({
      '@app': { x: { source: { url: `${web.url}/y` } } },
      shop: { x: { source: { url: `${web.url}/x` } } },
    })
    expect(bench.tree()).toContain('embedded/lib/shop')
  })
})

describe('--locked', () => {
  it('refuses what is not locked, what is locked for something else, and what is not used; nothing is built or written', async () => {
    const none = await bench.said('--locked', 2)
    expect(none).toContain('ship.lock does not fit the recipes')
    expect(none).toMatch(
      /alpha: alpha-src is not locked[^]*zeta: zeta-src is not locked|zeta: zeta-src is not locked[^]*alpha: alpha-src is not locked/,
    )
    expect(existsSync(join(bench.dir, 'ship.lock'))).toBe(false)
    await bench.ship('lock')
    const text = bench.read('ship.lock')
    source('zeta', { git: pathToFileURL(join(bench.dir, 'origin')).href, ref: 'next' })
    const changed = await bench.said('--locked', 2)
    expect(changed).toContain('zeta: zeta-src was locked for {')
    expect(changed).not.toContain('alpha-src')
    bench.recipe('mine', `await step.copy()`, `dependencies: ['alpha'],`)
    expect(await bench.said('--locked', 2)).toContain('zeta is locked, and not used')
    bench.recipe('alpha', '', `version: '1.0', sources: { other: { url: '${web.url}/data.txt' } },`)
    expect(await bench.said('--locked', 2)).toContain('alpha: alpha-src is locked, and not used')
    expect(bench.read('ship.lock')).toBe(text)
    expect(existsSync(join(bench.dir, 'dist'))).toBe(false)
    await bench.parts()
    expect(Object.keys(lock().components)).toEqual(['alpha'])
    await bench.parts('--locked')
  })
})

describe('a damaged ship.lock', () => {
  it.each([
    ['cut off', (text: string) => text.slice(0, text.length - 20), /ship\.lock:\d+:\d+ {2}/],
    [
      'in a merge conflict',
      (text: string) => text.replace('"alpha"', '\n<<<<<<< HEAD\n"alpha"'),
      /ship\.lock:\d+:1 {2}has the marks of a merge conflict/,
    ],
    [
      'with a wrong key',
      (text: string) => text.replace('"locked"', '"licked"'),
      /ship\.lock:\d+:\d+ {2}components\.alpha\.alpha-src/,
    ],
    [
      'of another ship',
      (text: string) => text.replace('"schema": 1', '"schema": 7'),
      /ship\.lock:2:3 {2}schema: is of another version of ship/,
    ],
    [
      'with an entry that is none',
      (text: string) => text.replace(/"sha256": "[0-9a-f]+"/, '"sha256": "zz"'),
      /ship\.lock has an entry for "alpha: alpha-src" that cannot be read/,
    ],
  ])('%s is refused with its place and what to do', async (_, damage, expected) => {
    await bench.ship('lock')
    bench.write({ 'ship.lock': damage(bench.read('ship.lock')) })
    const text = await bench.said('', 2)
    expect(text).toMatch(expected)
    expect(text).toContain('version control again')
  })
})

describe('credentials', () => {
  it('of a source are used, and stand neither in ship.lock nor in what is shipped nor in the log', async () => {
    const secret = web.url.replace('//', '//me:geheim@')
    bench.configure({ build: { recipe: 'mine', layout: 'omnibus', exclude: ['recipes', 'origin'] } })
    source('alpha', { url: `${secret}/data.txt?api_key=geheim` })
    const text = await bench.said('-v')
    expect(text).toContain(`fetch ${web.url}/data.txt?api_key=***`)
    expect(lock().components['alpha']?.['alpha-src']?.source).toEqual({ url: `${web.url}/data.txt?api_key=***` })
    // Another password is the same source.
    source('alpha', { url: `${secret.replace('geheim', 'other')}/data.txt?api_key=other` })
    await bench.parts('--locked')
    const folder = join(bench.dir, 'unpacked')
    mkdirSync(folder)
    execFileSync('sh', ['-c', `tar -xzf dist/*1.0.1*.tar.gz -C unpacked && cp dist/*.json unpacked`], {
      cwd: bench.dir,
    })
    expect(
      execFileSync('sh', ['-c', `grep -rl geheim unpacked ship.lock "${bench.cache}" || echo none`], {
        cwd: bench.dir,
      }).toString(),
    ).toBe('none\n')
    expect(text).not.toContain('geheim')
  })
})

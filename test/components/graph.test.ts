/** Which recipes a build needs, and parts made side by side. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { workbench, type Workbench } from '../support/parts.ts'

let bench: Workbench
beforeEach(() => {
  bench = workbench()
  bench.write({ 'a.txt': 'a\n' })
  bench.configure({ build: { recipe: 'mine', exclude: ['recipes'] } })
})
afterEach(() => bench.dispose())

function app(dependencies: readonly string[]): void {
  bench.recipe('mine', `await step.copy()`, `dependencies: ${JSON.stringify(dependencies)},`)
}

describe('recipes', () => {
  it('in a circle are refused with the circle', async () => {
    app(['one'])
    bench.recipe('one', '', `version: '1', dependencies: ['two'],`)
    bench.recipe('two', '', `version: '1', dependencies: ['three'],`)
    bench.recipe('three', '', `version: '1', dependencies: ['two'],`)
    expect(await bench.said('', 2)).toContain('recipes depend on each other in a circle: two -> three -> two')
  })

  it('that there are not are named, with who needs them and what was probably meant', async () => {
    app(['one'])
    bench.recipe('one', '', `version: '1', dependencies: ['zlip'],`)
    const text = await bench.said('', 2)
    expect(text).toContain('there is no recipe "zlip"')
    expect(text).toContain('it is needed by the recipe "one"')
    expect(text).toContain('did you mean "zlib"?')
  })

  it('of the project win over those that ship brings', async () => {
    app(['zlib'])
    bench.recipe('zlib', `await step.write('lib/mine', 'x')`, `version: '9.9',`)
    expect((await bench.parts()).get('zlib')).toMatchObject({ version: '9.9', outcome: 'built' })
    expect(bench.tree()).toContain('embedded/lib/mine')
  })

  it.each([
    [
      'has another name than its file',
      { 'recipes/one.js': `export default { name: '../one', summary: '', build() {} }` },
      'holds a recipe with another name: "../one"',
    ],
    ['is no recipe', { 'recipes/one.js': `export default { name: 'one' }` }, 'is no recipe'],
    [
      'has no list of dependencies',
      { 'recipes/one.js': `export default { name: 'one', version: '1', dependencies: 'zlib', build() {} }` },
      'the recipe "one" has dependencies that are no list of names',
    ],
    [
      'has a source with a path as name',
      {
        'recipes/one.js': `export default { name: 'one', version: '1', sources: { '../x': { path: 'a.txt' } }, build() {} }`,
      },
      'has a source with the name "../x"',
    ],
    [
      'throws when asked',
      {
        'recipes/one.js': `export default { name: 'one', version: '1', sources() { throw new Error('no idea') }, build() {} }`,
      },
      'the recipe "one" failed to tell its sources: no idea',
    ],
    [
      'has no version',
      { 'recipes/one.js': `export default { name: 'one', build() {} }` },
      'the recipe "one" has no version',
    ],
  ])('of which one %s are refused by name', async (_, files, expected) => {
    app(['one'])
    bench.write(files)
    expect(await bench.said('', 2)).toContain(expected)
  })

  it('give the version that the configuration asks for, or the build stops', async () => {
    app(['one'])
    bench.recipe('one', `await step.write('v', step.context.wanted ?? '')`, `version: '1.3.2',`)
    const asks = (components: Readonly<Record<string, string>>): void =>
      bench.configure({ build: { recipe: 'mine', exclude: ['recipes'], components } })
    asks({ one: '1.2' })
    expect(await bench.said('', 2)).toContain('build.components asks for one 1.2, and its recipe gives 1.3.2')
    for (const one of ['1.3', '^1.2', '1.3.2']) {
      asks({ one })
      expect((await bench.parts()).get('one')?.version).toBe('1.3.2')
    }
    asks({ two: '1' })
    expect(await bench.said('', 2)).toContain('build.components has "two", which this build does not use')
  })
})

describe('parts', () => {
  it('that ship the same path with other content are refused with both names; with the same content they share it', async () => {
    app(['one', 'two'])
    bench.recipe('one', `await step.write('lib/x', 'same'); await step.write('share/y', '1')`, `version: '1',`)
    bench.recipe('two', `await step.write('lib/x', 'same'); await step.write('share/y', '2')`, `version: '1',`)
    const text = await bench.said('', 3)
    expect(text).toContain('two parts of the build have "embedded/share/y"')
    expect(text).toContain('one is of one, the other of two')
    bench.recipe('two', `await step.write('lib/x', 'same')`, `version: '1',`)
    await bench.parts()
    expect(bench.tree().filter((path) => path === 'embedded/lib/x')).toHaveLength(1)
  })

  it('that do not need each other are made side by side', async () => {
    app(['one', 'two'])
    // Each waits for the other: one after the other, this would never end.
    const meet = (own: string, other: string): string => `const { existsSync, writeFileSync } = await import('node:fs')
      writeFileSync(step.scratch + '/../${own}', '')
      for (let n = 0; !existsSync(step.scratch + '/../${other}'); n++) {
        if (n > 400) throw new Error('nobody came')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      await step.write('${own}', '')`
    bench.recipe('one', meet('here-one', 'here-two'), `version: '1',`)
    bench.recipe('two', meet('here-two', 'here-one'), `version: '1',`)
    await bench.parts()
    expect(bench.tree()).toContain('embedded/here-two')
  })

  it('stop when one fails: its last lines are shown, all of them kept, and dist is as it was', async () => {
    app(['good', 'bad'])
    bench.recipe('good', `await step.run(['sh', '-c', 'echo begun; sleep 60; echo ended'])`, `version: '1',`)
    bench.recipe(
      'bad',
      `await step.run(['sh', '-c', 'sleep 1; seq 1 200000; printf "no newline" >&2; exit 7'])`,
      `version: '1',`,
    )
    const started = Date.now()
    const text = await bench.said('', 3)
    expect(Date.now() - started).toBeLessThan(30_000)
    expect(text).toMatch(/error: component bad: "sh -c .*" failed with exit code 7\n/)
    // The end of it, however long it was.
    expect(text).toMatch(/\n {2}199999\n {2}200000\n {2}no newline\n/)
    expect(text).not.toMatch(/\n {2}1000\n/)
    expect(text).toContain('component good failed')
    expect(text).toContain('stopped, for component bad failed')
    const file = /the whole log: (\S+)/.exec(text)?.[1] ?? ''
    const log = readFileSync(file, 'utf8').split('\n')
    expect(log.slice(0, 3)).toEqual([expect.stringMatching(/^\$ sh -c /), '1', '2'])
    expect(log).toHaveLength(200_003)
    expect(existsSync(join(bench.dir, 'dist'))).toBe(false)
  })

  it('whose recipe throws are its failure, with the line, not one of ship', async () => {
    app(['one'])
    bench.recipe('one', `await step.log('so far'); null.x`, `version: '1',`)
    const text = await bench.said('', 3)
    expect(text).toContain(`the recipe "one" failed: Cannot read properties of null (reading 'x')`)
    expect(text).toMatch(/recipes\/one\.js:\d+:\d+/)
    expect(text).not.toContain('defect')
  })
})

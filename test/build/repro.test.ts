/** `--check-repro`: what depends on time, zone, umask, folder or chance is named, with the first byte that differs. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { firstDifference } from '../../src/build/first-difference.ts'
import { archivePacker } from '../../src/build/packer.ts'
import { compareBuilds } from '../../src/build/repro.ts'
import type { Format } from '../../src/formats/format.ts'
import { parseAppName } from '../../src/names.ts'
import { makeManifest, type Tree } from '../../src/tree/manifest.ts'
import { walkTree } from '../../src/tree/walk.ts'
import { parseVersion } from '../../src/version.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeEach(() => void (project = smallProject()))
afterEach(() => project.dispose())

/** Builds with a recipe of this body; resolves with stderr. */
async function checked(body: string, code: number): Promise<string> {
  project.configure({ build: { recipe: 'mine' } })
  project.write({
    'recipes/mine.js': `import { chmodSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
export default { name: 'mine', summary: '', async build(step) { await step.write('same', 'x'); ${body} } }`,
  })
  const { stderr } = await project.ship('build --check-repro', code)
  expect(existsSync(join(project.dir, 'dist'))).toBe(code === 0)
  return stderr
}

describe('two builds', () => {
  it('that are equal are said to be', async () => {
    expect(await checked('', 0)).toContain('equal in tar.gz')
  })

  it('name the file, the byte and both texts around it', async () => {
    const stderr = await checked(
      `await step.write('sub/about.txt', 'built by me: ' + String(Math.random()) + '\\n')`,
      3,
    )
    expect(stderr).toMatch(
      /sub\/about\.txt: other content from byte 1[5-9] on\n +first: {2}".*me: 0\.\d+.*\n +second: ".*me: 0\.\d+/,
    )
  })

  it.each([
    [
      'a time of whole seconds',
      `await step.write('t', String(Math.floor(Date.now() / 1000)))`,
      't: other content from byte',
    ],
    [
      'the time zone',
      `await step.write('t', String(new Date(0).getTimezoneOffset()))`,
      't: other content from byte 0 on',
    ],
    ['the umask', `await step.write('t', String(process.umask()))`, 't: other content from byte 0 on'],
    [
      'chance in a mode',
      `chmodSync(join(step.out, 'same'), step.scratch.includes('/first/') ? 0o755 : 0o644)`,
      'same: mode 0755 first, then 0644',
    ],
    [
      'the folder, which is seen at once',
      `await step.write('t', step.out)`,
      'the path of the folder it was built in\n  t\n',
    ],
    ['the length of its path', `await step.write('t', String(step.out.length))`, 't: other content from byte'],
    [
      'chance in a link',
      `symlinkSync(step.scratch.includes('/first/') ? 'same' : 'sub', join(step.out, 't')); await step.write('sub', '')`,
      't: leads to "same" first, then to "sub"',
    ],
    [
      'chance in a name',
      `await step.write(step.scratch.includes('/first/') ? 'b' : 'a', 'x')`,
      'a: only in the second build\n  b: only in the first build',
    ],
  ])('differ by %s', async (_, body, expected) => {
    expect(await checked(body, 3)).toContain(expected)
  })

  it('differ by a component, which no file shows', async () => {
    project.configure({ build: { recipe: 'mine' } })
    project.write({
      'recipes/mine.js': `export default { name: 'mine', summary: '', async build(step) { await step.write('a', 'x') },
        async components(step) { return [{ name: 'zlib', version: step.scratch.includes('/first/') ? '1.3.0' : '1.3.1' }] } }`,
    })
    const { stderr } = await project.ship('build --check-repro', 3)
    expect(stderr).toContain(`only in the first build's manifest: {"name":"zlib","version":"1.3.0"}`)
    expect(stderr).toContain(`only in the second build's manifest: {"name":"zlib","version":"1.3.1"}`)
  })
})

describe('two archives of one tree', () => {
  it('differ from a byte on, which is told', async () => {
    const root = join(project.dir, 'tree')
    mkdirSync(root)
    writeFileSync(join(root, 'a'), 'a')
    const signal = new AbortController().signal
    const entries = await walkTree(root, { signal })
    const manifest = makeManifest({
      name: parseAppName('shop'),
      version: parseVersion('1.0.0'),
      platform: 'any',
      epoch: 0,
      components: [],
      entries,
    })
    const tree: Tree = { root, manifest }
    let turn = 0
    const format: Format = {
      name: 'odd',
      fileName: () => 'x',
      write: (_tree, to) =>
        pipeline(Readable.from([Buffer.concat([Buffer.alloc(300_000), Buffer.from([turn++])])]), to),
      read: () => Promise.reject(new Error('not read')),
    }
    await expect(
      compareBuilds(tree, tree, [archivePacker(format, manifest)], project.dir, signal),
    ).rejects.toMatchObject({
      message: 'two archives of the same tree differ: odd',
      details: [
        'the archive differs from byte 300000 on',
        '  first:  0000 0000 0000 0000 0000 0000 00',
        '  second: 0000 0000 0000 0000 0000 0000 01',
      ],
    })
  })
})

describe('the first difference', () => {
  const at = (a: Buffer | string, b: Buffer | string) => {
    const folder = mkdtempSync(join(tmpdir(), 'ship-difference-'))
    try {
      writeFileSync(join(folder, 'a'), a)
      writeFileSync(join(folder, 'b'), b)
      return firstDifference(join(folder, 'a'), join(folder, 'b'))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  it('is told as text, as bytes, and as an end', () => {
    expect(at('same', 'same')).toBeUndefined()
    expect(at('', '')).toBeUndefined()
    expect(at('built 2024\n', 'built 2025\n')).toEqual({
      offset: 9,
      first: '"built 2024\\n"',
      second: '"built 2025\\n"',
    })
    expect(at('abc', 'abcd')).toEqual({ offset: 3, first: '"abc" and ends', second: '"abcd"' })
    expect(at('', 'x')).toEqual({ offset: 0, first: '"" and ends', second: '"x"' })
    expect(at(Buffer.from([0, 1, 2]), Buffer.from([0, 1, 3]))).toEqual({
      offset: 2,
      first: '0001 02',
      second: '0001 03',
    })
  })

  it('is found beyond the first block, and around it', () => {
    for (const offset of [262_143, 262_144, 262_145, 700_000]) {
      const [a, b] = [Buffer.alloc(offset + 10, 'a'), Buffer.alloc(offset + 10, 'a')]
      b[offset] = 98
      expect(at(a, b)).toMatchObject({ offset })
    }
  })
})

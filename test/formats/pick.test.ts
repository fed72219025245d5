/** Some files out of an archive, by where they must lie; and archives that were built here, which are not read through again. */
import { hash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { markBuiltHere } from '../../src/formats/built-here.ts'
import { fileDigest } from '../../src/file-digest.ts'
import { openBundle, verifyBundle, type Bundle } from '../../src/formats/bundle.ts'
import { formats } from '../../src/formats/index.ts'
import { liesIn, pickFiles, unpackAhead } from '../../src/formats/pick.ts'
import { headerSize, tarHeader } from '../../src/formats/tar.ts'
import type { Tree } from '../../src/tree/manifest.ts'
import { makeTree, SIGNAL, writeBundle, type Files } from '../support/bundle.ts'

const FILES: Files = {
  first: '1\n',
  empty: '',
  big: Buffer.alloc(3_000_001, 'abcdefg'),
  'exact block': 'x'.repeat(1024),
  [`${'d'.repeat(90)}/${'é'.repeat(60)}/${'f'.repeat(120)}`]: 'long\n',
  [`${'l'.repeat(99)}-link`]: { link: `${'d'.repeat(90)}/${'é'.repeat(60)}/${'f'.repeat(120)}` },
  'z/last': 'last\n',
}

let dir = ''
let tree: Tree
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-pick-'))
  tree = await makeTree(join(dir, 'tree'), FILES)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const bundleIn = async (format: string, folder = format): Promise<Bundle> =>
  openBundle(await writeBundle(tree, format, join(dir, folder)))

it('knows how long a header is without making it', () => {
  const name = fc.string({ minLength: 1, maxLength: 1200, unit: 'grapheme' })
  fc.assert(
    fc.property(name, fc.option(name, { nil: undefined }), (path, target) => {
      const type = target === undefined ? 'file' : 'link'
      const header = tarHeader({ path, type, mode: 0o644, size: 0, target }, 0)
      expect(headerSize({ path, target })).toBe(header.length)
    }),
  )
})

const pathsOf = async (bundle: Bundle, paths: readonly string[]): Promise<Map<string, string> | undefined> => {
  const found = await pickFiles(bundle, ({ path }) => paths.includes(path), SIGNAL)
  return found && new Map([...found].map(([path, pieces]) => [path, digestOf(Buffer.concat(pieces))]))
}
const digestOf = (bytes: Buffer): string => hash('sha256', bytes, 'hex')

describe.each(formats.filter(({ decoder }) => decoder !== undefined).map(({ name }) => name))('%s', (format) => {
  it('gives files one by one and all together, as they are in the tree', async () => {
    const bundle = await bundleIn(format)
    const files = tree.manifest.entries.filter(({ type }) => type === 'file').map((e): string => e.path)
    for (const paths of [...files.map((path) => [path]), files, []]) {
      const wanted = new Map(paths.map((path) => [path, digestOf(readFileSync(join(tree.root, path)))]))
      expect(await pathsOf(bundle, paths)).toEqual(wanted)
    }
  })

  it('gives nothing of an archive that is not what its manifest lists', async () => {
    const bundle = await bundleIn(format, `${format}-other`)
    const other = await makeTree(join(dir, `other-${format}`), { ...FILES, first: 'other\n' })
    writeFileSync(bundle.archive, readFileSync(await writeBundle(other, format, join(dir, `${format}-twin`))))
    expect(await pathsOf(bundle, ['first'])).toBeUndefined()
    writeFileSync(bundle.archive, 'no archive')
    expect(await pathsOf(bundle, ['first'])).toBeUndefined()
  })
})

describe('without the archive', () => {
  const lost = async (more: Partial<Bundle>, folder: string): Promise<Bundle> => {
    const bundle = await bundleIn('tar.zst', folder)
    rmSync(bundle.archive)
    return { ...bundle, ...more }
  }
  const wanted = ['big', 'empty', 'z/last']
  const found = new Map(
    wanted.map((path) => [path, digestOf(Buffer.from((FILES[path] as string | Buffer | undefined) ?? ''))]),
  )

  it('files are had from where they were built, as long as they are what they were', async () => {
    const sources = join(dir, 'sources')
    await makeTree(sources, FILES)
    expect(await pathsOf(await lost({ sources }, 'no archive'), wanted)).toEqual(found)
    expect(liesIn(sources, [{ path: 'z/last', size: 5 }])).toBe(true)
    for (const change of [
      () => writeFileSync(join(sources, 'z/last'), 'LAST\n'),
      () => writeFileSync(join(sources, 'z/last'), 'longer\n'),
      () => rmSync(join(sources, 'z/last')),
      () => symlinkSync(join(tree.root, 'z/last'), join(sources, 'z/last')),
      () => rmSync(join(sources, 'z'), { recursive: true }),
      () => writeFileSync(join(sources, 'z'), 'a file now'),
    ]) {
      change()
      expect(await pathsOf(await lost({ sources }, 'no archive'), wanted)).toBeUndefined()
      // The archive has them all the same.
      expect(await pathsOf({ ...(await bundleIn('tar.zst', 'archive')), sources }, wanted)).toEqual(found)
    }
    expect(liesIn(sources, [{ path: 'z/last', size: 5 }])).toBe(false)
    expect(liesIn(undefined, [])).toBe(false)
  })

  it('files are had from what was unpacked, when that is what is listed', async () => {
    const tar = await unpackAhead(await bundleIn('tar.zst', 'unpacked'))
    const unpacked = Promise.resolve(tar)
    expect(await pathsOf(await lost({ unpacked }, 'unpacked'), wanted)).toEqual(found)
    const other = tar?.map((byte) => byte ^ 1)
    const spoiled = Promise.resolve(other && Buffer.from(other))
    expect(await pathsOf(await lost({ unpacked: spoiled }, 'unpacked'), wanted)).toBeUndefined()
    expect(await unpackAhead(await bundleIn('tar.gz', 'unpacked'))).toBeUndefined()
    const damaged = await bundleIn('tar.zst', 'damaged')
    writeFileSync(damaged.archive, 'no archive')
    expect(await unpackAhead(damaged)).toBeUndefined()
  })
})

it('leaves a zip to those who read all of it', async () => {
  expect(await pathsOf(await bundleIn('zip'), ['first'])).toBeUndefined()
})

it('reads an archive through that was not built here, and one that was changed since', async () => {
  vi.stubEnv('SHIP_CACHE_DIR', join(dir, 'cache'))
  const bundle = await bundleIn('tar.gz', 'built')
  const read = async (): Promise<boolean> => (await verifyBundle(bundle, { signal: SIGNAL })).content !== undefined
  expect(await read()).toBe(true)
  const archive = await fileDigest(bundle.archive, SIGNAL)
  await markBuiltHere({ format: bundle.format, archive, manifest: '0'.repeat(64) })
  expect(await read()).toBe(true)
  await markBuiltHere({ format: bundle.format, archive, manifest: bundle.digest })
  expect(await read()).toBe(false)
  const bytes = readFileSync(bundle.archive)
  bytes[bytes.length - 20] = (bytes.at(-20) ?? 0) ^ 1
  writeFileSync(bundle.archive, bytes)
  await expect(read()).rejects.toMatchObject({ reason: 'refused' })
  vi.unstubAllEnvs()
})

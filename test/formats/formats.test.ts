/** Every format of the registry: what goes in comes out, byte for byte the same each time, and nothing else is accepted. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileDigest } from '../../src/file-digest.ts'
import { openBundle, readBundle, verifyBundle, type Bundle } from '../../src/formats/bundle.ts'
import { formats } from '../../src/formats/index.ts'
import { canonicalManifest, makeManifest, type Entry, type Tree } from '../../src/tree/manifest.ts'
import { walkTree } from '../../src/tree/walk.ts'
import { makeTree, SIGNAL, writeBundle, type Files } from '../support/bundle.ts'

const LONG = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`
const FILES: Files = {
  'plain.txt': 'plain\n',
  empty: '',
  'bin/run': { run: '#!/bin/sh\necho ran\n' },
  'big.bin': Buffer.alloc(3_000_001, 'abcdefg'),
  'exact block': 'x'.repeat(1024),
  'grüße/naïve ☕': 'unicode\n',
  'a "quoted" $name': 'quoted\n',
  [LONG]: 'long\n',
  link: { link: 'plain.txt' },
  'bin/up': { link: '../plain.txt' },
  'long-link': { link: LONG },
}

let dir = ''
let tree: Tree
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-formats-'))
  tree = await makeTree(join(dir, 'tree'), FILES)
  mkdirSync(join(tree.root, 'empty-folder'))
  const entries = await walkTree(tree.root, { signal: SIGNAL })
  tree = { ...tree, manifest: makeManifest({ ...tree.manifest, entries }) }
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const verify = async (archive: string): Promise<string | undefined> => {
  try {
    await verifyBundle(await openBundle(archive), { signal: SIGNAL })
    return undefined
  } catch (error) {
    expect(error).toMatchObject({ name: 'ShipError', reason: 'refused' })
    return error instanceof Error ? error.message : ''
  }
}

/** The system's own tools unpack it. */
function unpackBySystem(archive: string, to: string): void {
  mkdirSync(to)
  if (archive.endsWith('.zip')) execFileSync('unzip', ['-q', archive, '-d', to])
  else execFileSync('tar', ['-xf', archive, '-C', to])
}

describe.each(formats.map((f) => f.name))('%s', (name) => {
  let archive = ''
  beforeAll(async () => {
    archive = await writeBundle(tree, name, join(dir, `dist-${name}`))
  })

  /** A copy of the archive with its manifest, to spoil. */
  const copy = (label: string): string => {
    const folder = join(dir, `${name}-${label}`)
    mkdirSync(folder)
    for (const file of [archive, join(dirname(archive), 'shop-1.0.0.manifest.json')])
      copyFileSync(file, join(folder, basename(file)))
    return join(folder, basename(archive))
  }

  it('is read back whole, entry by entry in order', async () => {
    const seen: string[] = []
    await readBundle(await openBundle(archive), (entry) => Promise.resolve(void seen.push(entry.path)), {
      signal: SIGNAL,
    })
    expect(seen).toEqual(tree.manifest.entries.map((e) => e.path))
    expect(await verify(archive)).toBeUndefined()
  })

  it('is unpacked by the system to the same tree', async () => {
    const to = join(dir, `system-${name}`)
    unpackBySystem(archive, to)
    expect(await walkTree(join(to, 'shop-1.0.0'), { signal: SIGNAL })).toEqual(tree.manifest.entries)
  })

  it('is the same bytes from another place, with other times', async () => {
    const other = join(dir, `other-${name}`)
    execFileSync('cp', ['-a', tree.root, other])
    utimesSync(join(other, 'plain.txt'), 1, 1)
    const again = await writeBundle({ ...tree, root: other }, name, join(dir, `again-${name}`))
    expect(await fileDigest(again, SIGNAL)).toBe(await fileDigest(archive, SIGNAL))
  })

  it('refuses to pack a file that changed since it was listed', async () => {
    const other = join(dir, `changing-${name}`)
    execFileSync('cp', ['-a', tree.root, other])
    writeFileSync(join(other, 'plain.txt'), 'PLAIN\n')
    await expect(writeBundle({ ...tree, root: other }, name, join(dir, `c-${name}`))).rejects.toThrow(
      '"plain.txt" changed while it was packed',
    )
    appendFileSync(join(other, 'plain.txt'), 'longer\n')
    await expect(writeBundle({ ...tree, root: other }, name, join(dir, `d-${name}`))).rejects.toThrow(
      'changed while it was packed',
    )
  })

  it('is refused when it is cut anywhere', async () => {
    const size = readFileSync(archive).length
    for (const at of [
      0,
      1,
      20,
      Math.floor(size / 3),
      Math.floor(size / 2),
      size - 600,
      size - 100,
      size - 22,
      size - 8,
      size - 1,
    ]) {
      const spoiled = copy(`cut-${at}`)
      truncateSync(spoiled, at)
      expect(await verify(spoiled), `cut at ${at} of ${size}`).toBeTypeOf('string')
    }
  })

  it('is refused when any byte in it differs', async () => {
    const bytes = readFileSync(archive)
    const spoiled = copy('flipped')
    let unnoticed = 0
    const places = Array.from({ length: 40 }, (_, i) => Math.floor((bytes.length * (i + 0.5)) / 40))
    for (const at of places) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 0x55
      writeFileSync(spoiled, changed)
      if ((await verify(spoiled)) === undefined) unnoticed++
    }
    // A byte that means nothing (a time, a reserved field) may differ; content may not.
    expect(unnoticed).toBeLessThan(4)
  })

  it('is refused when something follows its end', async () => {
    const spoiled = copy('more')
    appendFileSync(spoiled, 'more')
    expect(await verify(spoiled)).toBeTypeOf('string')
    const twice = copy('twice')
    appendFileSync(twice, readFileSync(archive))
    expect(await verify(twice)).toBeTypeOf('string')
  })

  it.each<[string, (entries: readonly Entry[]) => readonly Entry[], RegExp]>([
    [
      'lacks a file',
      (all) => all.filter((e) => e.path !== 'plain.txt' && e.type !== 'link'),
      /where its manifest lists|lacks/,
    ],
    ['has a file too many', (all) => all, /does not list|where its manifest/],
    ['has another mode', (all) => all.map((e) => (e.path === 'bin/run' ? { ...e, mode: 0o644 } : e)), /mode 644/],
    [
      'has another link',
      (all) => all.map((e) => (e.type === 'link' && e.path === 'link' ? { ...e, target: 'empty' } : e)),
      /link/,
    ],
  ])('is refused when it %s', async (what, change, said) => {
    // The archive holds the changed tree, the manifest beside it is the true one; or the other way round.
    const folder = join(dir, `${name}-${what}`)
    const truth =
      what === 'has a file too many'
        ? {
            ...tree.manifest,
            entries: tree.manifest.entries.filter((e) => e.path !== 'plain.txt' && e.type !== 'link'),
          }
        : tree.manifest
    const spoiled = await writeBundle(
      { ...tree, manifest: { ...tree.manifest, entries: change(tree.manifest.entries) } },
      name,
      folder,
    )
    writeFileSync(join(folder, 'shop-1.0.0.manifest.json'), canonicalManifest(truth))
    expect(await verify(spoiled)).toMatch(said)
  })

  it('is refused when a file in it has other bytes of the same length', async () => {
    const folder = join(dir, `${name}-other`)
    const other = await makeTree(join(dir, `${name}-other-tree`), { ...FILES, 'plain.txt': 'PLAIN\n' })
    const spoiled = await writeBundle(other, name, folder)
    const truth = { ...tree.manifest, entries: tree.manifest.entries.filter((e) => e.path !== 'empty-folder') }
    writeFileSync(join(folder, 'shop-1.0.0.manifest.json'), canonicalManifest(truth))
    expect(await verify(spoiled)).toContain('"plain.txt" with other bytes')
  })

  it('is refused when SHA256SUMS lists another file', async () => {
    const spoiled = copy('sums')
    writeFileSync(join(dirname(spoiled), 'SHA256SUMS'), `${'0'.repeat(64)}  ${basename(spoiled)}\n`)
    expect(await verify(spoiled)).toContain('SHA256SUMS')
  })
})

describe('tar archives made by others', () => {
  const spoil = async (label: string, make: (folder: string) => void): Promise<string | undefined> => {
    const folder = join(dir, `foreign-${label}`)
    mkdirSync(join(folder, 'shop-1.0.0'), { recursive: true })
    const small = await makeTree(join(dir, `small-${label}`), { a: 'a\n', b: 'a\n' })
    for (const name of ['a', 'b']) writeFileSync(join(folder, 'shop-1.0.0', name), 'a\n')
    make(folder)
    writeFileSync(join(folder, 'shop-1.0.0.manifest.json'), canonicalManifest(small.manifest))
    return verify(join(folder, 'shop-1.0.0.tar.gz'))
  }
  const tar = (folder: string, ...args: string[]): void => {
    execFileSync(
      'tar',
      ['-czf', 'shop-1.0.0.tar.gz', '--sort=name', '--owner=0', '--group=0', '--mode=u=rwX,go=rX', ...args],
      { cwd: folder },
    )
  }

  it('the same tree packed by GNU tar is accepted', async () => {
    expect(await spoil('gnu', (folder) => tar(folder, 'shop-1.0.0'))).toBeUndefined()
  })
  it('a hard link is refused', async () => {
    const said = await spoil('hard', (folder) => {
      rmSync(join(folder, 'shop-1.0.0/b'))
      execFileSync('ln', ['a', 'b'], { cwd: join(folder, 'shop-1.0.0') })
      tar(folder, 'shop-1.0.0')
    })
    expect(said).toContain('of type Link')
  })
  it('a named pipe is refused', async () => {
    const said = await spoil('pipe', (folder) => {
      rmSync(join(folder, 'shop-1.0.0/b'))
      execFileSync('mkfifo', ['b'], { cwd: join(folder, 'shop-1.0.0') })
      tar(folder, 'shop-1.0.0')
    })
    expect(said).toContain('of type FIFO')
  })
  it('a path that climbs out is refused', async () => {
    const said = await spoil('climb', (folder) =>
      tar(folder, '--transform=s,shop-1.0.0/b,../../b,', '-P', 'shop-1.0.0'),
    )
    expect(said).toContain('../../b')
  })
  it('an entry that stands twice is refused', async () => {
    const said = await spoil('twice', (folder) => tar(folder, '--hard-dereference', 'shop-1.0.0', 'shop-1.0.0/b'))
    expect(said).toContain('does not list')
  })
})

describe('an archive and its manifest', () => {
  it('belong together by name', async () => {
    const folder = join(dir, 'renamed')
    const archive = await writeBundle(tree, 'tar.gz', folder)
    const renamed = join(folder, 'shop-1.0.0-linux-x64.tar.gz')
    copyFileSync(archive, renamed)
    await expect(openBundle(renamed)).rejects.toMatchObject({ reason: 'refused' })
    copyFileSync(archive, join(folder, 'other.tar.gz'))
    await expect(openBundle(join(folder, 'other.tar.gz'))).rejects.toMatchObject({ reason: 'usage' })
    await expect(openBundle(join(folder, 'shop-1.0.0.manifest.json'))).rejects.toMatchObject({ reason: 'usage' })
  })

  it('give one identity whatever the format', async () => {
    const bundles: Bundle[] = []
    for (const { name } of formats) bundles.push(await openBundle(await writeBundle(tree, name, join(dir, 'all'))))
    expect(new Set(bundles.map((b) => b.digest)).size).toBe(1)
  })
})

it('takes no folder for an archive, whatever its name', async () => {
  const folder = join(dir, 'shop-1.0.0.tar.gz')
  mkdirSync(folder)
  await expect(openBundle(folder)).rejects.toMatchObject({
    reason: 'usage',
    message: '"shop-1.0.0.tar.gz" is not a file',
  })
})

it('says that an archive is gone as a refusal', async () => {
  const bundle = await openBundle(await writeBundle(tree, 'tar.gz', join(dir, 'gone')))
  rmSync(bundle.archive)
  await expect(verifyBundle(bundle, { signal: SIGNAL })).rejects.toMatchObject({ name: 'ShipError', reason: 'refused' })
})

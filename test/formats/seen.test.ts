/** Manifests that are kept: what a digest names is what was looked at, or nothing. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { canonicalManifest, manifestDigest, parseManifest, type Manifest } from '../../src/tree/manifest.ts'
import { makeTree } from '../support/bundle.ts'

let dir = ''
let manifest: Manifest
let digest = ''
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-seen-'))
  const files = { a: 'a', 'bin/run': { run: '#!/bin/sh\n' }, current: { link: 'bin/run' }, 'ä "quoted"': '' }
  ;({ manifest } = await makeTree(join(dir, 'tree'), files))
  digest = manifestDigest(manifest)
})
afterAll(() => rmSync(dir, { recursive: true }))

/** As another process sees it. */
async function fresh(): Promise<typeof import('../../src/tree/seen.ts')> {
  vi.resetModules()
  return import('../../src/tree/seen.ts')
}

let turn = 0
beforeEach(() => {
  turn += 1
  process.env['SHIP_CACHE_DIR'] = join(dir, `cache ${turn}`)
})
const kept = (): string => join(dir, `cache ${turn}`, 'manifests')
const file = (): string => join(kept(), `${digest}.json`)

it('are read as they were kept', async () => {
  const bytes = Buffer.from(canonicalManifest(manifest))
  await (await fresh()).keepManifest(manifest, digest)
  const { readManifest, seenManifest } = await fresh()
  expect(await seenManifest(digest)).toEqual(parseManifest(bytes))
  expect(await readManifest(bytes)).toEqual(parseManifest(bytes))
  expect(manifestDigest(await readManifest(bytes))).toBe(digest)
})

it('are not what somebody put in their place, nor kept under a name that is not theirs', async () => {
  await (await fresh()).keepManifest(manifest, digest)
  writeFileSync(file(), readFileSync(file(), 'utf8').replace('bin/run', 'bin/rum'))
  expect(await (await fresh()).seenManifest(digest)).toBeUndefined()
  const other = createHash('sha256').update('other').digest('hex')
  await (await fresh()).keepManifest(manifest, other)
  expect(await (await fresh()).seenManifest(other)).toBeUndefined()
  expect(readdirSync(kept())).toEqual([])
  await (await fresh()).keepManifest(manifest, digest)
  expect(await (await fresh()).seenManifest(digest)).toEqual(manifest)
})

it('are looked at where they were not kept', async () => {
  const wrong = Buffer.from(canonicalManifest(manifest).replace('"path":"a"', '"path":"../a"'))
  await expect((await fresh()).readManifest(wrong)).rejects.toThrow('"../a" climbs out with ".."')
})

it('do not grow without end: the oldest go', async () => {
  const { keepManifest, seenManifest } = await fresh()
  const keep = async (epoch: number): Promise<string> => {
    const one: Manifest = { ...manifest, epoch }
    await keepManifest(one, manifestDigest(one))
    return manifestDigest(one)
  }
  const first = await keep(0)
  utimesSync(join(kept(), `${first}.json`), 1, 1)
  for (let epoch = 1; epoch <= 100; epoch++) await keep(epoch)
  expect(readdirSync(kept()).length).toBe(100)
  expect(await seenManifest(first)).toBeDefined()
  expect(await (await fresh()).seenManifest(first)).toBeUndefined()
})

/** One byte of one file, two files swapped, a file taken away, a signer who no longer counts: refused each time, with the file's name. */
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { objections } from './judge.ts'
import { HAS_SSH_KEYGEN, keygen, makeTrustShop, publicKey, SIGNER, type TrustShop } from './shop.ts'

// Each test runs ship several times.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const FILES = [
  ...['tar.gz', 'tar.zst', 'zip', 'manifest.json', 'cdx.json', 'provenance.json'].map((e) => `shop-1.0.0.${e}`),
  'shop_1.0.0-1_all.deb',
  'SHA256SUMS',
  'SHA256SUMS.sig',
  'artifacts.json',
]

let shop: TrustShop
let good = ''
beforeAll(async () => {
  if (!HAS_SSH_KEYGEN) return
  shop = makeTrustShop()
  good = mkdtempSync(join(tmpdir(), 'ship-good-'))
  shop.configure(
    { sign: { key: 'keys/release' }, formats: ['tar.gz', 'tar.zst', 'zip', 'deb'] },
    { deb: { maintainer: 'A <a@example.org>', description: 'x' } },
  )
  shop.write({ 'app/b.txt': 'b of 0.9.0\n' })
  await shop.ship('build --version 0.9.0')
  cpSync(shop.dist('SHA256SUMS'), shop.path('old/SHA256SUMS'))
  cpSync(shop.dist('SHA256SUMS.sig'), shop.path('old/SHA256SUMS.sig'))
  shop.write({ 'app/b.txt': 'b\n' })
  await shop.ship('build')
  cpSync(shop.path('dist'), good, { recursive: true })
})
afterAll(() => {
  if (!HAS_SSH_KEYGEN) return
  shop.dispose()
  rmSync(good, { recursive: true })
})
beforeEach(() => {
  if (HAS_SSH_KEYGEN) restore()
})

function restore(): void {
  rmSync(shop.path('dist'), { recursive: true, force: true })
  cpSync(good, shop.path('dist'), { recursive: true })
  shop.write({ signers: `${SIGNER} ${publicKey(shop.path('keys/release'))}\n` })
}

function flip(file: string, at: number, bit = 0): void {
  const bytes = readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
  writeFileSync(file, bytes)
}

const against = (archive: string): Promise<readonly string[]> =>
  objections(shop.dist(archive), { file: shop.path('signers'), namespace: 'file' })

describe.skipIf(!HAS_SSH_KEYGEN)('a bundle that was tampered with (needs ssh-keygen)', () => {
  it('is told from one that was not', async () => {
    for (const ending of ['tar.gz', 'tar.zst', 'zip']) expect(await against(`shop-1.0.0.${ending}`)).toEqual([])
    expect(await against('shop-0.9.0.zip')).toEqual([])
    await shop.ship('verify')
  })

  it.each(FILES)('one bit of %s, in the middle: exit code 9, and its name', async (name) => {
    flip(shop.dist(name), Math.floor(readFileSync(shop.dist(name)).length / 2))
    const { stderr } = await shop.ship('verify dist/shop-1.0.0.tar.gz', 9)
    expect(stderr).toContain(name)
  })

  it.each(FILES)('one bit of %s, at many places', { timeout: 600_000 }, async (name) => {
    const { length } = readFileSync(shop.dist(name))
    // What the list says of other builds is looked at when those are verified.
    const first = name === 'artifacts.json' ? shop.read(name).indexOf('"version": "1.0.0"') : 0
    // All places would take minutes; the first and the last are always among these.
    const places = Array.from({ length: 40 }, (_, i) => first + Math.round((i * (length - first - 1)) / 39))
    for (const [i, at] of places.entries()) {
      flip(shop.dist(name), at, i % 8)
      const found = await against('shop-1.0.0.tar.gz')
      expect(found.join('\n'), `byte ${at}, bit ${i % 8}`).toContain(name)
      flip(shop.dist(name), at, i % 8)
    }
  })

  it('one bit of a package that is asked for itself, at many places', { timeout: 600_000 }, async () => {
    const name = 'shop_1.0.0-1_all.deb'
    expect(await against(name)).toEqual([])
    const { length } = readFileSync(shop.dist(name))
    for (let at = 0; at < length; at += Math.ceil(length / 60)) {
      flip(shop.dist(name), at, at % 8)
      expect((await against(name)).join('\n'), `byte ${at}, bit ${at % 8}`).toContain(name)
      flip(shop.dist(name), at, at % 8)
    }
  })

  it.each<[string, () => void, string]>([
    ['the signature taken away', () => rmSync(shop.dist('SHA256SUMS.sig')), 'there is no SHA256SUMS.sig'],
    [
      'sums and signature taken away',
      () => (remove('SHA256SUMS'), remove('SHA256SUMS.sig')),
      'there is no SHA256SUMS,',
    ],
    ['two archives swapped', () => swap('shop-1.0.0.tar.gz', 'shop-0.9.0.tar.gz'), 'shop-1.0.0.tar.gz'],
    [
      'two archives swapped that are not the one asked for',
      () => swap('shop-1.0.0.zip', 'shop-0.9.0.zip'),
      'shop-1.0.0.zip',
    ],
    [
      'two manifests swapped',
      () => swap('shop-1.0.0.manifest.json', 'shop-0.9.0.manifest.json'),
      'shop-1.0.0.manifest.json',
    ],
    [
      'two SBOMs swapped',
      () => swap('shop-1.0.0.cdx.json', 'shop-0.9.0.cdx.json'),
      'shop-1.0.0.cdx.json is of shop 0.9.0',
    ],
    [
      'two provenances swapped',
      () => swap('shop-1.0.0.provenance.json', 'shop-0.9.0.provenance.json'),
      'shop-1.0.0.provenance.json is of shop 0.9.0',
    ],
    [
      'SBOM and provenance swapped',
      () => swap('shop-1.0.0.cdx.json', 'shop-1.0.0.provenance.json'),
      'shop-1.0.0.cdx.json',
    ],
    [
      'manifest and SBOM swapped',
      () => swap('shop-1.0.0.manifest.json', 'shop-1.0.0.cdx.json'),
      'shop-1.0.0.manifest.json',
    ],
    [
      'the signature of older sums',
      () => cpSync(shop.path('old/SHA256SUMS.sig'), shop.dist('SHA256SUMS.sig')),
      'SHA256SUMS.sig, a signature of',
    ],
    [
      'older sums with their signature',
      () => cpSync(shop.path('old'), shop.path('dist'), { recursive: true }),
      'the signed SHA256SUMS does not list shop-1.0.0.tar.gz',
    ],
    ['another signer', () => signAnew('keys/foreign'), 'SHA256SUMS.sig is signed by'],
    ['a signer whose time is over', () => signersWith('valid-before="20200101"'), 'SHA256SUMS.sig is signed by'],
    ['a signer whose time has not come', () => signersWith('valid-after="20990101"'), 'SHA256SUMS.sig is signed by'],
    ['a signer for other things only', () => signersWith('namespaces="git"'), 'SHA256SUMS.sig is signed by'],
    ['a signer who was taken off the list', () => shop.write({ signers: '' }), 'SHA256SUMS.sig is signed by'],
    [
      'the digest of another build, in the list of builds',
      () => flip(shop.dist('artifacts.json'), shop.read('artifacts.json').indexOf('"digest": "') + 20),
      'artifacts.json tells another digest of shop-0.9.0.manifest.json',
    ],
    ['a line added to the sums', () => append('SHA256SUMS', `${'0'.repeat(64)}  other\n`), 'bytes of SHA256SUMS'],
    [
      'an empty signature',
      () => writeFileSync(shop.dist('SHA256SUMS.sig'), ''),
      'SHA256SUMS.sig is not an SSH signature',
    ],
    [
      'two signatures in one',
      () => append('SHA256SUMS.sig', readFileSync(shop.dist('SHA256SUMS.sig'), 'utf8')),
      'SHA256SUMS.sig',
    ],
  ])('%s: refused, and said of which file', async (_what, tamper, named) => {
    tamper()
    expect((await against('shop-1.0.0.tar.gz')).join('\n')).toContain(named)
    const { stderr } = await shop.ship('verify 1.0.0', 9)
    // Of several archives the one that is cheapest to read is looked at.
    expect(stderr).toContain(named.replace('does not list shop-1.0.0.tar.gz', 'does not list shop-1.0.0.tar.zst'))
  })

  it('a signer whose time has come, and the same key under several names, counts', async () => {
    signersWith('namespaces="file,git",valid-after="20200101",valid-before="20990101"')
    expect(await against('shop-1.0.0.tar.gz')).toEqual([])
    const key = publicKey(shop.path('keys/release'))
    shop.write({ signers: `# people\n\nada@shop.example,*@ci.shop.example namespaces="file" ${key}\n` })
    expect(await against('shop-1.0.0.tar.gz')).toEqual([])
    expect((await shop.ship('verify 1.0.0')).stdout).toContain('signed by ada@shop.example')
  })
})

function remove(name: string): void {
  rmSync(shop.dist(name))
}

function append(name: string, text: string): void {
  writeFileSync(shop.dist(name), text, { flag: 'a' })
}

function swap(a: string, b: string): void {
  renameSync(shop.dist(a), shop.dist('swapped'))
  renameSync(shop.dist(b), shop.dist(a))
  renameSync(shop.dist('swapped'), shop.dist(b))
}

function signersWith(options: string): void {
  shop.write({ signers: `${SIGNER} ${options} ${publicKey(shop.path('keys/release'))}\n` })
}

function signAnew(keyFile: string): void {
  remove('SHA256SUMS.sig')
  const argv = ['-q', '-Y', 'sign', '-n', 'file', '-f', shop.path(keyFile), shop.dist('SHA256SUMS')]
  expect(keygen(argv).status, basename(keyFile)).toBe(0)
}

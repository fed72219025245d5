/** `ship verify` and `sign: required`: what is not as it was built and signed is refused, by name, before any host is reached. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ship } from '../support/cli.ts'
import { HAS_SSH_KEYGEN, keygen, makeTrustShop, SIGNER, type TrustShop } from './shop.ts'

// Each test runs ship several times.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

let shop: TrustShop
let good = ''
beforeAll(async () => {
  if (!HAS_SSH_KEYGEN) return
  shop = makeTrustShop()
  good = mkdtempSync(join(tmpdir(), 'ship-good-'))
  await shop.ship('build')
  cpSync(shop.path('dist'), good, { recursive: true })
})
afterAll(() => {
  if (!HAS_SSH_KEYGEN) return
  shop.dispose()
  rmSync(good, { recursive: true })
})
beforeEach(() => {
  if (!HAS_SSH_KEYGEN) return
  shop.configure({ sign: { key: 'keys/release' } })
  rmSync(shop.path('dist'), { recursive: true, force: true })
  cpSync(good, shop.path('dist'), { recursive: true })
})

interface Result {
  readonly data: { readonly checks: readonly { what: string; result: string; found: string }[] }
  readonly exitCode: number
}

/** Check -> result, as `--json` tells it. */
async function checks(args = ''): Promise<Record<string, string>> {
  const { stdout } = await ship(`verify ${args} --json`, { cwd: shop.dir })
  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Result
  const found = Object.fromEntries(result.data.checks.map((c) => [c.what, c.result]))
  expect(result.exitCode).toBe(Object.values(found).includes('wrong') ? 9 : 0)
  return found
}

const ALL_OK = {
  archive: 'ok',
  SHA256SUMS: 'ok',
  signature: 'ok',
  SBOM: 'ok',
  provenance: 'ok',
  'artifacts.json': 'ok',
}

function edit(name: string, change: (text: string) => string): void {
  writeFileSync(shop.dist(name), change(shop.read(name)))
}

/** What somebody does who may write to dist but has no key that counts. */
function sumsAnew(): void {
  const names = ['cdx.json', 'manifest.json', 'provenance.json', 'tar.gz'].map((ending) => `shop-1.0.0.${ending}`)
  writeFileSync(shop.dist('SHA256SUMS'), spawnSync('sha256sum', names, { cwd: shop.path('dist') }).stdout)
}

function signAnew(keyFile: string): void {
  rmSync(shop.dist('SHA256SUMS.sig'), { force: true })
  const { status, stderr } = keygen([
    '-q',
    '-Y',
    'sign',
    '-n',
    'file',
    '-f',
    shop.path(keyFile),
    shop.dist('SHA256SUMS'),
  ])
  expect(status, stderr).toBe(0)
}

describe.skipIf(!HAS_SSH_KEYGEN)('verify (needs ssh-keygen)', () => {
  it('finds a build as it should be, line by line, and who signed it', async () => {
    expect(await checks()).toEqual(ALL_OK)
    const { stdout } = await shop.ship('verify')
    expect(stdout).toMatch(/^archive +ok .*shop-1\.0\.0\.tar\.gz holds all 2 entries as listed$/m)
    expect(stdout).toContain(`signed by ${SIGNER} (${shop.fingerprints.release})`)
    expect(stdout).toContain('shop 1.0.0 is whole')
  })

  it('without signers tells whose key it was, and that nobody checked it', async () => {
    shop.configure({}, { signers: undefined })
    expect(await checks()).toEqual({ ...ALL_OK, signature: 'unchecked' })
    const { stdout } = await shop.ship('verify')
    expect(stdout).toContain(`signed by ${shop.fingerprints.release} (no signers configured: not checked)`)
  })

  it('without signers still sees that the bytes are not the signed ones', async () => {
    shop.configure({}, { signers: undefined })
    edit('SHA256SUMS', (text) => `${text}${'0'.repeat(64)}  other\n`)
    expect(await checks()).toEqual({ ...ALL_OK, signature: 'wrong' })
  })

  it('in any folder: with --signers the signature is needed', async () => {
    const elsewhere = { cwd: tmpdir() }
    const archive = shop.dist('shop-1.0.0.tar.gz')
    const signers = shop.path('signers')
    await shop.ship(`verify ${archive} --signers ${signers}`, 0, elsewhere)
    rmSync(shop.dist('SHA256SUMS.sig'))
    expect((await shop.ship(`verify ${archive}`, 0, elsewhere)).stdout).toMatch(/^signature +missing/m)
    const { stderr } = await shop.ship(`verify ${archive} --signers ${signers}`, 9, elsewhere)
    expect(stderr).toContain('and it is needed')
    expect((await shop.ship(`verify ${archive} --signers nowhere`, 9, elsewhere)).stderr).toContain('and it is needed')
  })

  it('says what is missing, and does not take it for wrong', async () => {
    for (const name of ['SHA256SUMS', 'SHA256SUMS.sig', 'shop-1.0.0.cdx.json', 'shop-1.0.0.provenance.json'])
      rmSync(shop.dist(name))
    const missing = { SHA256SUMS: 'missing', signature: 'missing', SBOM: 'missing', provenance: 'missing' }
    // A project that names signers wants a signature; one that names nobody can do without.
    expect(await checks()).toEqual({ ...ALL_OK, ...missing, signature: 'wrong', 'artifacts.json': 'missing' })
    shop.configure({}, { signers: undefined })
    expect(await checks()).toEqual({ ...ALL_OK, ...missing, 'artifacts.json': 'missing' })
    const { stdout } = await shop.ship('verify')
    for (const name of ['SHA256SUMS', 'shop-1.0.0.cdx.json', 'shop-1.0.0.provenance.json'])
      expect(stdout).toContain(`there is no ${name}`)
    expect(stdout).toContain('listed, but not there: shop-1.0.0.cdx.json, shop-1.0.0.provenance.json')
    rmSync(shop.dist('artifacts.json'))
    expect(Object.keys(await checks('dist/shop-1.0.0.tar.gz'))).not.toContain('artifacts.json')
  })

  it.each<[string, () => void, Record<string, string>]>([
    [
      'a changed line of SHA256SUMS',
      () => edit('SHA256SUMS', (text) => text.replace(/^./, (c) => (c === '0' ? '1' : '0'))),
      { SHA256SUMS: 'wrong', signature: 'wrong' },
    ],
    [
      'a changed archive',
      () => {
        edit('../app/a.txt', () => 'evil\n')
        const args = ['-czf', shop.dist('shop-1.0.0.tar.gz'), '--transform=s,^app,shop-1.0.0,', 'app']
        expect(spawnSync('tar', args, { cwd: shop.dir }).status).toBe(0)
        edit('../app/a.txt', () => 'a\n')
      },
      { archive: 'wrong', SHA256SUMS: 'wrong', provenance: 'wrong', 'artifacts.json': 'wrong' },
    ],
    [
      'a changed manifest with sums to match',
      () => {
        edit('shop-1.0.0.manifest.json', (text) => text.replace('"epoch":', '"epoch":1'))
        sumsAnew()
      },
      { signature: 'wrong', SBOM: 'wrong', provenance: 'wrong', 'artifacts.json': 'wrong' },
    ],
    ['a signature by a foreign key', () => signAnew('keys/foreign'), { signature: 'wrong' }],
    [
      'the signature of something else',
      () => {
        const sums = shop.read('SHA256SUMS')
        edit('SHA256SUMS', () => 'other\n')
        signAnew('keys/release')
        edit('SHA256SUMS', () => sums)
      },
      { signature: 'wrong' },
    ],
    [
      'a good signature of sums that do not list this bundle',
      () => {
        edit('SHA256SUMS', (text) => text.replaceAll('shop-1.0.0', 'shop-0.9.0'))
        signAnew('keys/release')
      },
      { SHA256SUMS: 'missing', signature: 'wrong', 'artifacts.json': 'wrong' },
    ],
    [
      'a good signature of sums that list another manifest',
      () => {
        edit('SHA256SUMS', (text) => text.replace(/^.{64}(?= {2}shop-1\.0\.0\.manifest)/m, '0'.repeat(64)))
        signAnew('keys/release')
      },
      { SHA256SUMS: 'wrong', signature: 'wrong' },
    ],
    ['a signature that is none', () => edit('SHA256SUMS.sig', () => 'signed, somebody\n'), { signature: 'wrong' }],
    [
      'the SBOM of another bundle',
      () => {
        edit('shop-1.0.0.cdx.json', (text) => text.replace(/"value": "[0-9a-f]{64}"/, `"value": "${'0'.repeat(64)}"`))
        sumsAnew()
        signAnew('keys/release')
      },
      { SBOM: 'wrong', 'artifacts.json': 'wrong' },
    ],
    [
      'the provenance of another bundle',
      () => {
        edit('shop-1.0.0.provenance.json', (text) => text.replace(/"sha256": ".{64}"/, `"sha256": "${'0'.repeat(64)}"`))
        sumsAnew()
        signAnew('keys/release')
      },
      { provenance: 'wrong', 'artifacts.json': 'wrong' },
    ],
  ])('refuses %s', async (_what, tamper, wrong) => {
    tamper()
    expect(await checks()).toEqual({ ...ALL_OK, ...wrong })
    const { stderr } = await shop.ship('verify', 9)
    const named = Object.keys(wrong).filter((what) => wrong[what] === 'wrong')
    for (const what of named) expect(stderr).toContain(`${what}: `)
  })
})

describe.skipIf(!HAS_SSH_KEYGEN)('a release that needs a signature (needs ssh-keygen)', () => {
  const target = (): string => shop.path('target')
  const configure = (sign: string, more: Readonly<Record<string, unknown>> = {}): void =>
    shop.configure(
      { sign: { key: 'keys/release' } },
      {
        environments: { production: { hosts: [{ host: 'here', local: target() }], sign } },
        ...more,
      },
    )
  beforeEach(() => {
    rmSync(target(), { recursive: true, force: true })
    mkdirSync(target())
    configure('required')
  })

  it('takes a bundle that one of the signers signed', async () => {
    const { stderr } = await shop.ship('release --yes')
    expect(stderr).toContain(`signed by ${SIGNER}`)
    expect(readlinkSync(join(target(), 'current'))).toBe('releases/1.0.0')
  })

  it.each<[string, () => void, string]>([
    ['no signature', () => rmSync(shop.dist('SHA256SUMS.sig')), 'there is no SHA256SUMS.sig'],
    ['no sums', () => rmSync(shop.dist('SHA256SUMS')), 'there is no SHA256SUMS'],
    ['a foreign signature', () => signAnew('keys/foreign'), 'not among the signers'],
    [
      'a signature of something else',
      () => edit('SHA256SUMS', (text) => `${text}${'0'.repeat(64)}  other\n`),
      'does not belong to these bytes',
    ],
    [
      'a good signature of sums that do not list the archive',
      () => {
        edit('SHA256SUMS', (text) => text.replace(/.*tar\.gz\n/, ''))
        signAnew('keys/release')
      },
      'does not list shop-1.0.0.tar.gz',
    ],
    [
      'a good signature of sums that do not list the manifest',
      () => {
        edit('SHA256SUMS', (text) => text.replace(/.*manifest\.json\n/, ''))
        signAnew('keys/release')
      },
      'does not list shop-1.0.0.manifest.json',
    ],
  ])('refuses %s, and touches no host', async (_what, tamper, said) => {
    tamper()
    for (const command of ['release --yes', 'plan']) {
      const { stderr } = await shop.ship(command, 9)
      expect(stderr).toContain(said)
      expect(stderr).toContain('nothing was changed on any host')
      expect(stderr).not.toContain('connect')
    }
    expect(readdirSync(target())).toEqual([])
    configure('optional')
    await shop.ship('release --yes')
    expect(readlinkSync(join(target(), 'current'))).toBe('releases/1.0.0')
  })

  it('is asked for by all environments or by one, and must be told by whom', async () => {
    rmSync(shop.dist('SHA256SUMS.sig'))
    configure('optional', { release: { sign: 'required' } })
    await shop.ship('plan')
    shop.configure(
      {},
      { release: { sign: 'required' }, environments: { production: { hosts: [{ host: 'here', local: target() }] } } },
    )
    await shop.ship('plan', 9)
    configure('required', { signers: undefined })
    expect((await shop.ship('plan', 2)).stderr).toContain('environments.production.sign: needs "signers"')
    configure('yes')
    expect((await shop.ship('plan', 2)).stderr).toContain('use "required" or "optional"')
    configure('required', { signers: 'nowhere' })
    signAnew('keys/release')
    expect((await shop.ship('plan', 2)).stderr).toMatch(/the file of signers ".*nowhere" does not exist/)
  })
})

/** A build may leave files that are no bundles, packages say: sums, provenance and verification cover them like all others. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { objections } from './judge.ts'
import { HAS_SSH_KEYGEN, keygen, makeTrustShop, type TrustShop } from './shop.ts'

// Each test runs ship several times.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const DEB = 'shop-worker-1.0.0.package'

interface List {
  readonly builds: readonly { readonly artifacts: object[] }[]
}

let shop: TrustShop
beforeEach(async () => {
  if (!HAS_SSH_KEYGEN) return
  shop = makeTrustShop()
  await shop.ship('build')
  addPackage()
})
afterEach(() => {
  if (HAS_SSH_KEYGEN) shop.dispose()
})

/** A real package beside the bundle, told wherever a build tells its files, and signed. */
function addPackage(): void {
  const root = shop.path('package')
  mkdirSync(`${root}/DEBIAN`, { recursive: true })
  const control =
    'Package: shop-worker\nVersion: 1.0.0-1\nArchitecture: amd64\nMaintainer: a <a@example.org>\nDescription: x\n'
  writeFileSync(`${root}/DEBIAN/control`, control)
  const built = spawnSync('dpkg-deb', ['--root-owner-group', '--build', root, shop.dist(DEB)])
  if (built.status !== 0) writeFileSync(shop.dist(DEB), '!<arch>\n')
  const bytes = readFileSync(shop.dist(DEB))
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  edit('shop-1.0.0.provenance.json', (statement) => {
    statement.subject.push({ name: DEB, digest: { sha256 } })
  })
  edit('artifacts.json', ({ builds: [build] }) => {
    build?.artifacts.push({ file: DEB, kind: 'deb', sizeBytes: bytes.length, sha256 })
    const provenance = build?.artifacts.find((a) => 'kind' in a && a.kind === 'provenance')
    const text = readFileSync(shop.dist('shop-1.0.0.provenance.json'))
    if (provenance)
      Object.assign(provenance, { sizeBytes: text.length, sha256: createHash('sha256').update(text).digest('hex') })
  })
  sign()
}

function edit(
  name: string,
  change: (value: List & { readonly subject: { name: string; digest?: object }[] }) => void,
): void {
  const value = JSON.parse(shop.read(name)) as Parameters<typeof change>[0]
  change(value)
  writeFileSync(shop.dist(name), JSON.stringify(value))
}

function sign(leaveOut = ''): void {
  const names = readdirSync(shop.path('dist')).filter((name) => name.startsWith('shop') && name !== leaveOut)
  writeFileSync(shop.dist('SHA256SUMS'), spawnSync('sha256sum', names, { cwd: shop.path('dist') }).stdout)
  rmSync(shop.dist('SHA256SUMS.sig'), { force: true })
  const argv = ['-q', '-Y', 'sign', '-n', 'file', '-f', shop.path('keys/release'), shop.dist('SHA256SUMS')]
  expect(keygen(argv).status).toBe(0)
}

const against = (): Promise<readonly string[]> =>
  objections(shop.dist('shop-1.0.0.tar.gz'), { file: shop.path('signers'), namespace: 'file' })

describe.skipIf(!HAS_SSH_KEYGEN)('a package among the files of a build (needs ssh-keygen)', () => {
  it('is checked with the bundle, and may be what is asked for', async () => {
    expect(await against()).toEqual([])
    expect((await shop.ship('verify')).stdout).toContain('5 files are as listed')
    expect((await shop.ship(`verify dist/${DEB}`)).stdout).toContain('shop 1.0.0 is whole')
    await shop.ship('verify dist/shop-1.0.0.cdx.json')
  })

  it('is refused by its name when it was changed, and by sums and provenance each', async () => {
    writeFileSync(shop.dist(DEB), 'evil')
    const found = await against()
    expect(found).toContain(`${DEB} is not the file that SHA256SUMS lists`)
    expect(found).toContain(`shop-1.0.0.provenance.json is of another ${DEB}`)
    expect(found).toContain(`artifacts.json tells another digest or size of ${DEB}`)
    expect((await shop.ship(`verify dist/${DEB}`, 9)).stderr).toContain(DEB)
  })

  it('is refused when it was slipped into the list but nobody signed it', async () => {
    sign(DEB)
    expect((await against()).join('\n')).toContain(`SHA256SUMS does not list ${DEB}`)
    edit('shop-1.0.0.provenance.json', ({ subject }) => void subject.pop())
    sign(DEB)
    expect((await against()).join('\n')).toContain(`lists ${DEB}, which SHA256SUMS does not`)
    expect((await shop.ship(`verify dist/${DEB}`, 9)).stderr).toContain(DEB)
  })

  it('is refused when the list leads out of its folder', async () => {
    edit('artifacts.json', ({ builds: [build] }) => {
      for (const a of build?.artifacts ?? []) if ('file' in a && a.file !== DEB) a.file = `../good/${String(a.file)}`
    })
    expect((await shop.ship(`verify dist/${DEB}`, 9)).stderr).toContain('artifacts.json cannot be read')
  })

  it('that is gone is missing, by name', async () => {
    rmSync(shop.dist(DEB))
    expect(await against()).toEqual([])
    const { stdout } = await shop.ship('verify')
    expect(stdout).toMatch(new RegExp(`^SHA256SUMS +missing +listed, but not there: ${DEB}$`, 'm'))
    expect(stdout).toMatch(new RegExp(`^artifacts.json +missing +listed, but not there: ${DEB}$`, 'm'))
  })

  it('stays vouched for when only the bundle is built again', async () => {
    await shop.ship('build --format zip')
    expect(existsSync(shop.dist('shop-1.0.0.zip'))).toBe(true)
    expect(shop.read('SHA256SUMS')).toContain(DEB)
    expect(shop.read('shop-1.0.0.provenance.json')).toContain(DEB)
    expect(shop.read('artifacts.json')).toContain(DEB)
    expect((await shop.ship('verify')).stdout).toContain('6 files are as listed')
  })
})

/** `sign: required` over real sshd: what no signer signed reaches no host, and what runs there is what was signed. */
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { HAS_SSH_KEYGEN, key, keygen, publicKey } from '../trust/shop.ts'
import { makePlace, type Place } from './place.ts'
import { runs } from './shop.ts'

const SIGNER = 'release@shop.example'

let place: Place
beforeAll(async () => void (place = await makePlace(2)))
afterAll(() => place.dispose())
beforeEach(async () => {
  await place.fresh()
  const dir = place.shop.dir
  key(join(dir, 'keys/release'))
  key(join(dir, 'keys/foreign'))
  writeFileSync(join(dir, 'signers'), `${SIGNER} ${publicKey(join(dir, 'keys/release'))}\n`)
  await configure('required')
  await place.build('1.0.0')
})

function configure(sign: 'required' | 'optional', signKey = 'keys/release'): Promise<void> {
  const hosts = place.fleet.hosts.map(({ name }, i) => ({ host: name, deployTo: place.deployTo[i] }))
  return place.configure(
    {},
    {
      signers: 'signers',
      build: { from: 'app', sign: { key: signKey } },
      environments: { production: { hosts, sign }, staging: { hosts, sign: 'optional' } },
    },
  )
}

function dist(name: string): string {
  return join(place.shop.dir, 'dist', name)
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/** Sums of what lies in dist, as somebody would write them who may write there. */
function sumsAnew(): void {
  const names = readdirSync(dist('')).filter((name) => name.startsWith('shop-'))
  writeFileSync(dist('SHA256SUMS'), names.map((name) => `${sha256(dist(name))}  ${name}\n`).join(''))
}

function signAnew(keyFile: string): void {
  rmSync(dist('SHA256SUMS.sig'), { force: true })
  const file = join(place.shop.dir, keyFile)
  expect(keygen(['-q', '-Y', 'sign', '-n', 'file', '-f', file, dist('SHA256SUMS')]).status).toBe(0)
}

/** Another bundle of the same version, built by somebody without the key. */
async function builtByAnother(): Promise<void> {
  const signature = readFileSync(dist('SHA256SUMS.sig'))
  rmSync(dist(''), { recursive: true })
  await configure('required', 'keys/foreign')
  await place.build('1.0.0', { 'evil.txt': 'evil\n' })
  writeFileSync(dist('SHA256SUMS.sig'), signature)
}

const connections = (): number =>
  place.fleet.hosts.reduce((sum, { sshd }) => sum + sshd.log().split('Connection from').length - 1, 0)

describeOverSsh('a release that needs a signature (needs sshd)', () => {
  it.skipIf(!HAS_SSH_KEYGEN).each<[string, () => void | Promise<void>, string]>([
    ['unsigned', () => rmSync(dist('SHA256SUMS.sig')), 'there is no SHA256SUMS.sig'],
    ['without sums', () => rmSync(dist('SHA256SUMS')), 'there is no SHA256SUMS'],
    ['signed by another', () => signAnew('keys/foreign'), 'SHA256SUMS.sig is signed by'],
    [
      'signed by one who was taken off the list',
      () => writeFileSync(join(place.shop.dir, 'signers'), ''),
      'not among the signers',
    ],
    [
      'with sums that were added to',
      () => appendFileSync(dist('SHA256SUMS'), `${'0'.repeat(64)}  x\n`),
      'does not belong to these bytes',
    ],
    ['built by another, with the old signature', builtByAnother, 'does not belong to these bytes'],
    [
      'with another manifest and sums to match',
      () => {
        const file = dist('shop-1.0.0.manifest.json')
        writeFileSync(file, readFileSync(file, 'utf8').replace('"epoch":', '"epoch":1'))
        sumsAnew()
      },
      'does not belong to these bytes',
    ],
    [
      'of which the signed sums say nothing',
      () => {
        writeFileSync(dist('SHA256SUMS'), `${'0'.repeat(64)}  shop-0.9.0.tar.gz\n`)
        signAnew('keys/release')
      },
      'does not list shop-1.0.0.tar.gz',
    ],
  ])('%s: exit code 9, and no host is asked anything', async (_what, tamper, said) => {
    await tamper()
    const before = connections()
    for (const command of ['release -e production --yes', 'plan -e production']) {
      const { code, stderr } = await place.ship(command)
      expect({ code, stderr }).toEqual({ code: 9, stderr: expect.stringContaining(said) as string })
      expect(stderr).toContain('nothing was changed on any host')
    }
    expect(connections()).toBe(before)
    for (const folder of place.deployTo) expect(existsSync(folder)).toBe(false)
  })

  it.skipIf(!HAS_SSH_KEYGEN)('reaches no host when another one was released before', async () => {
    for (const command of ['release -e production --yes', 'status -e production']) {
      expect((await place.ship(command)).code).toBe(0)
    }
    rmSync(dist('SHA256SUMS.sig'))
    const before = connections()
    for (const command of ['release -e production --yes', 'plan -e production']) {
      expect((await place.ship(command)).code).toBe(9)
    }
    expect(connections()).toBe(before)
  })

  it.skipIf(!HAS_SSH_KEYGEN)('is asked of the environment that wants it, and of no other', async () => {
    rmSync(dist('SHA256SUMS.sig'))
    expect((await place.ship('release -e production --yes')).code).toBe(9)
    const { code, stderr } = await place.ship('release -e staging --yes')
    expect(code, stderr).toBe(0)
  })

  it.skipIf(!HAS_SSH_KEYGEN)('puts on the hosts, file by file, what was signed', async () => {
    const { code, stderr } = await place.ship('release -e production --yes')
    expect(code, stderr).toBe(0)
    expect(stderr).toContain(`signed by ${SIGNER}`)
    // ssh-keygen vouches for the sums, the sums for the manifest, the manifest for every file.
    const judged = keygen(
      ['-Y', 'verify', '-f', join(place.shop.dir, 'signers'), '-I', SIGNER, '-n', 'file', '-s', dist('SHA256SUMS.sig')],
      readFileSync(dist('SHA256SUMS'), 'utf8'),
    )
    expect(judged.status).toBe(0)
    const [, signed] =
      /^([0-9a-f]{64}) {2}shop-1\.0\.0\.manifest\.json$/m.exec(readFileSync(dist('SHA256SUMS'), 'utf8')) ?? []
    expect(sha256(dist('shop-1.0.0.manifest.json'))).toBe(signed)
    const { entries } = JSON.parse(readFileSync(dist('shop-1.0.0.manifest.json'), 'utf8')) as {
      entries: { path: string; type: string; sha256?: string }[]
    }
    const files = entries.filter((e) => e.type === 'file')
    const status = await place.ship('status -e production --json')
    const { data } = JSON.parse(status.stdout.trimEnd().split('\n').at(-1) ?? '') as {
      data: { hosts: { digest: string }[] }
    }
    expect(data.hosts.map((h) => h.digest)).toEqual([signed, signed])
    for (const folder of place.deployTo) {
      expect(await runs(folder)).toMatchObject({ version: '1.0.0', whole: true })
      const found = files.map(({ path }) => [path, sha256(join(folder, 'current', path))])
      expect(found).toEqual(files.map((e) => [e.path, e.sha256]))
      const there = readdirSync(join(folder, 'current'), { recursive: true, withFileTypes: true }).filter((e) =>
        e.isFile(),
      )
      expect(there.length).toBe(files.length)
    }
  })

  it.skipIf(!HAS_SSH_KEYGEN)('keeps what runs when the next bundle is not signed', async () => {
    expect((await place.ship('release -e production --yes')).code).toBe(0)
    await place.build('1.1.0')
    cpSync(dist('SHA256SUMS.sig'), dist('kept'))
    signAnew('keys/foreign')
    expect((await place.ship('release -e production --yes')).code).toBe(9)
    for (const folder of place.deployTo) expect(readlinkSync(join(folder, 'current'))).toBe('releases/1.0.0')
    cpSync(dist('kept'), dist('SHA256SUMS.sig'))
    expect((await place.ship('release -e production --yes')).code).toBe(0)
    for (const folder of place.deployTo) expect(readlinkSync(join(folder, 'current'))).toBe('releases/1.1.0')
  })
})

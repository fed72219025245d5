/** What a host that gets packages is sent, and what it makes of it: the part of the protocol that needs no dpkg to install anything. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { packagePayload } from '../../src/formats/package-payload.ts'
import type { PackedContent, PackedPayload } from '../../src/formats/payload.ts'
import { openSession } from '../../src/host/open.ts'
import type { HostSession, Lease } from '../../src/host/session.ts'
import { parseHostName } from '../../src/names.ts'
import { canonicalManifest, manifestDigest, type Manifest } from '../../src/tree/manifest.ts'
import { parseVersion } from '../../src/version.ts'
import { describeWith } from '../deb/shop-packages.ts'
import { sentAs } from '../support/payloads.ts'
import { makeTree, SIGNAL } from '../support/bundle.ts'
import { owner, record } from './kinds.ts'

const V1 = parseVersion('1.0.0')
const options = { signal: SIGNAL }
/** Above what is kept after a cut. */
const BIG = 5_000_000

let dir = ''
let deb = ''
let manifest: Manifest
let sha256 = ''
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-packages-'))
  const tree = await makeTree(join(dir, 'tree'), { VERSION: '1\n' })
  manifest = tree.manifest
  deb = packed('shop')
  sha256 = execFileSync('sha256sum', [deb]).toString().slice(0, 64)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function packed(name: string): string {
  const stage = join(dir, name)
  mkdirSync(join(stage, 'DEBIAN'), { recursive: true })
  mkdirSync(join(stage, 'srv'))
  writeFileSync(join(stage, 'srv/big'), Buffer.alloc(BIG, name))
  const control = `Package: ${name}\nVersion: 1.0.0-1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: x\n`
  writeFileSync(join(stage, 'DEBIAN/control'), control)
  execFileSync('dpkg-deb', ['-Znone', '--root-owner-group', '--build', stage, `${stage}.deb`], { stdio: 'ignore' })
  return `${stage}.deb`
}

function payloadOf(file: string, digest = sha256): PackedPayload {
  return packagePayload({ file, sha256: digest, sizeBytes: readFileSync(file).length }, manifest)
}

describeWith(['dpkg-deb', 'dpkg-query'], 'a package on its way', () => {
  it('is a tar whose check list holds, from any byte on', async () => {
    const { content, checksDigest } = payloadOf(deb)
    const payload = await content
    const whole = Buffer.concat(await payload.open().toArray())
    expect(whole.length).toBe(payload.sizeBytes)
    for (const offset of [
      1,
      700,
      5000,
      2_000_001,
      payload.sizeBytes - 1100,
      payload.sizeBytes - 1,
      payload.sizeBytes,
    ]) {
      const rest = Buffer.concat(await payload.open(offset).toArray())
      expect({ offset, same: rest.equals(whole.subarray(offset)) }).toEqual({ offset, same: true })
    }
    const out = join(dir, 'unpacked')
    mkdirSync(out)
    execFileSync('tar', ['-xf', '-', '-C', out], { input: whole })
    expect(readdirSync(out).toSorted()).toEqual(['checks', 'manifest.json.gz', 'package.deb'])
    execFileSync('sha256sum', ['-c', '--quiet', 'checks'], { cwd: out })
    expect(
      execFileSync('sha256sum', [join(out, 'checks')])
        .toString()
        .slice(0, 64),
    ).toBe(checksDigest)
  })
})

describeWith(['dpkg-deb', 'dpkg-query', 'apt-get'], 'a host that keeps packages', () => {
  let session: HostSession
  let lease: Lease
  let root = ''
  let turn = 0
  beforeEach(async () => {
    turn += 1
    root = join(dir, `hosts ${turn}`, 'shop')
    mkdirSync(root, { recursive: true })
    const limits = { package: 'shop', lockMs: 1000, installMs: 1000, switchMs: 5000 }
    const name = parseHostName('here')
    const host = { name, address: 'here', roles: [], labels: {}, env: {}, deployTo: root, transport: 'local' as const }
    session = await openSession({ ...host, deb: limits }, options)
    const taken = await session.lock(owner(), { sharedFiles: [] }, { ...options, leaseSeconds: 30 })
    lease = taken.lease
    expect(taken.state).toMatchObject({ current: { kind: 'absent' }, deb: { status: 'absent' }, releases: [] })
    return () => session.close()
  })

  const stage = (payload: PackedPayload, partial?: ReadonlyMap<string, number>): Promise<void> => {
    const file = { package: 'shop', version: '1.0.0-1', sha256, sizeBytes: readFileSync(deb).length }
    const spec = {
      version: V1,
      record: { ...record(V1, manifestDigest(manifest)), deb: file },
      sharedDirs: [],
      sharedFiles: [],
      freeBytes: 0,
      reuse: 'copy' as const,
    }
    const { treeBytes, entries, tree, checksDigest } = payload
    const came = partial ? { partial } : {}
    return session.stage(payload, { ...spec, treeBytes, entries, tree, checksDigest }, lease, { ...options, ...came })
  }
  const kept = (): string[] => readdirSync(join(root, '.ship/debs')).toSorted()

  it('has it whole, with its record and its manifest, or not at all', async () => {
    await stage(payloadOf(deb))
    expect(kept()).toEqual(['1.0.0.deb', '1.0.0.json'])
    expect(readFileSync(join(root, '.ship/debs/1.0.0.deb')).equals(readFileSync(deb))).toBe(true)
    expect(await session.manifest(V1, options)).toBe(canonicalManifest(manifest))
    const { releases } = await session.probe({ sharedFiles: [] }, options)
    expect(releases).toMatchObject([{ version: '1.0.0', state: 'staged', deb: { sha256 } }])
    expect(await session.drift({ version: V1, shared: [] }, options)).toEqual([])
    // A record without its package is no release.
    rmSync(join(root, '.ship/debs/1.0.0.deb'))
    expect((await session.probe({ sharedFiles: [] }, options)).releases).toEqual([])
  })

  it('takes no package that is damaged on its way, and none of another name', async () => {
    const good = payloadOf(deb)
    const content = readFileSync(deb)
    content[content.length - 100] = 7
    const file = join(dir, 'bad.deb')
    writeFileSync(file, content)
    const bad = { ...good, content: payloadOf(file).content }
    await expect(stage(bad)).rejects.toThrow('the package is not what was sent')
    const stranger = packed('other')
    const digest = execFileSync('sha256sum', [stranger]).toString().slice(0, 64)
    await expect(stage(payloadOf(stranger, digest))).rejects.toThrow('it is not a package "shop"')
    // Nor one whose list is another than was said.
    await expect(stage({ ...good, checksDigest: '0'.repeat(64) })).rejects.toThrow(
      'the check list is not what was sent',
    )
    expect(kept()).toEqual([])
    expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
  })

  it('goes on after a cut with what came', async () => {
    const good = payloadOf(deb)
    const { id } = await good.content
    const cut = sentAs(good, (content) => Readable.from(firstHalf(content), { objectMode: false }))
    await expect(stage(cut)).rejects.toThrow('cut')
    const { partial } = await session.probe({ sharedFiles: [] }, options)
    expect(partial.get(id) ?? 0).toBeGreaterThan(BIG / 4)
    await stage(good, partial)
    expect(readFileSync(join(root, '.ship/debs/1.0.0.deb')).equals(readFileSync(deb))).toBe(true)
    expect(existsSync(join(root, `.ship/incoming/part-${id}`))).toBe(false)
  })

  it('sees what was changed, forgets what is to come anew, and removes what is to go', async () => {
    await stage(payloadOf(deb))
    writeFileSync(join(root, '.ship/debs/1.0.0.deb'), 'other')
    expect(await session.drift({ version: V1, shared: [] }, options)).toEqual([
      { path: '.ship/debs/1.0.0.deb', problem: 'changed' },
    ])
    const switching = session.switchTo('releases/1.0.0', lease, { ...options, expected: null })
    await expect(switching).rejects.toThrow('the kept package of 1.0.0 is not what was sent')
    await session.discard(V1, lease, options)
    expect(kept()).toEqual([])
    await stage(payloadOf(deb))
    const { kept: left, freedBytes } = await session.prune([V1], lease, options)
    expect(left).toEqual([])
    expect(freedBytes).toBe(readFileSync(deb).length)
    expect(kept()).toEqual([])
  })
})

/** Half of a payload, then a connection that is gone. */
async function* firstHalf(payload: PackedContent): AsyncGenerator<Buffer> {
  let sent = 0
  for await (const chunk of payload.open() as AsyncIterable<Buffer>) {
    if (sent > payload.sizeBytes / 2) throw new Error('cut')
    sent += chunk.length
    yield chunk
  }
}

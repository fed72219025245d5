/** `npm`, `apt` and `aptSource` against the registry and the archive that this machine is set up for, with small packages. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusal, sourceRoom, type SourceRoom } from '../support/sources.ts'

let room: SourceRoom
beforeAll(() => void (room = sourceRoom()))
afterAll(() => room.dispose())

const downloads = (): string => join(room.context.cache, 'downloads')

describe('an npm source', () => {
  it('is locked to the highest version of its range and the integrity, and gives exactly that', async () => {
    const source = { npm: 'is-number@^6' }
    const found = await room.resolve(source)
    expect(found.locked).toMatchObject({ name: 'is-number', version: '6.0.0' })
    expect(found.digest).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/)
    expect(found.purl).toBe('pkg:npm/is-number@6.0.0')
    // A newer one is out since long; the lock decides.
    const again = await room.resolve(source, found.locked)
    const folder = await room.fetch(again)
    expect(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))).toMatchObject({ version: '6.0.0' })
    const [kept = ''] = readdirSync(downloads())
    truncateSync(join(downloads(), kept), 100)
    expect(readdirSync(await room.fetch(again))).toContain('package.json')
  })

  it('with other bytes than locked says what was received', async () => {
    const { locked, digest } = await room.resolve({ npm: 'is-number@6.0.0' })
    const integrity = `sha512-${'A'.repeat(86)}==`
    const text = await refusal(
      room.resolve({ npm: 'is-number@6.0.0' }, { ...(locked as object), integrity }).then((r) => room.fetch(r)),
    )
    expect(text).toContain('build: "is-number@6.0.0" is not what was locked')
    expect(text).toMatch(new RegExp(`received ${digest.replaceAll(/[+/]/g, '\\$&')}, \\d+ bytes`))
    expect(text).toContain(`locked   ${integrity}`)
  })

  it('must be a name and a range; its lock must be of that name and range', async () => {
    expect(await refusal(room.resolve({ npm: '../evil@1' }))).toContain('config: "../evil@1" is no npm source')
    expect(await refusal(room.resolve({ npm: 'is-number@--registry=x' }))).toContain('is no npm source')
    expect(await refusal(room.resolve({ npm: 'is-number@99' }))).toContain('build: npm has no "is-number@99"')
    const locked = { name: 'is-odd', version: '6.0.0', integrity: `sha512-${'A'.repeat(86)}==` }
    expect(await refusal(room.resolve({ npm: 'is-number@^6' }, locked))).toContain('something else for "part: it"')
    expect(await refusal(room.resolve({ npm: 'is-number@^7' }, { ...locked, name: 'is-number' }))).toContain(
      'something else',
    )
  })
})

const NO_APT = !existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb')

describe.skipIf(NO_APT)('a Debian package (skipped without apt)', { timeout: 600_000 }, () => {
  it('is locked to version and sha256, and unpacked without running anything; by two at the same time', async () => {
    const source = { apt: ['hello', 'netbase'] }
    const [found, other] = await Promise.all([room.resolve(source), room.resolve(source)])
    expect(other.locked).toEqual(found.locked)
    const { packages } = found.locked as { packages: { name: string; version: string; sha256: string }[] }
    expect(packages.map((p) => p.name)).toEqual(['hello', 'netbase'])
    expect(found.version).toBe(packages[0]?.version)
    const folder = await room.fetch(found)
    expect(execFileSync(join(folder, 'usr/bin/hello')).toString()).toContain('Hello')
    expect(readFileSync(join(folder, 'etc/services'), 'utf8')).toContain('http')
    expect(found.purl).toMatch(/^pkg:deb\/debian\/hello@/)
    truncateSync(join(downloads(), packages[0]?.sha256 ?? ''), 10)
    expect(existsSync(join(await room.fetch(found), 'usr/bin/hello'))).toBe(true)
  })

  it('that there is not, or that the archive no longer has, is named', async () => {
    expect(await refusal(room.resolve({ apt: ['hello', 'no-such-package-here'] }))).toContain('no-such-package-here')
    expect(await refusal(room.resolve({ apt: ['--yes'] }))).toContain('config: "--yes" is no name of a Debian package')
    const { locked } = await room.resolve({ apt: ['hello'] })
    const { packages } = locked as { packages: Record<string, string>[] }
    const older = { packages: packages.map((p) => ({ ...p, version: '0.1-1', sha256: '0'.repeat(64) })) }
    const gone = await refusal(room.resolve({ apt: ['hello'] }, older).then((r) => room.fetch(r)))
    expect(gone).toContain('build: the archive no longer has hello 0.1-1, which is locked')
    expect(gone).toContain('ship lock')
    const evil = { packages: packages.map((p) => ({ ...p, sha256: '0'.repeat(64) })) }
    const text = await refusal(room.resolve({ apt: ['hello'] }, evil).then((r) => room.fetch(r)))
    expect(text).toMatch(/hello .* is not what was locked\nreceived sha256 [0-9a-f]{64}\nlocked {3}sha256 0{64}/)
    expect(await refusal(room.resolve({ apt: ['netbase'] }, locked))).toContain('something else for "part: it"')
  })

  it("has a source, patches applied, with upstream's version", async () => {
    const found = await room.resolve({ aptSource: 'hello' })
    expect(found.version).toMatch(/^\d+\.\d+$/)
    const folder = await room.fetch(found)
    expect(existsSync(join(folder, 'configure'))).toBe(true)
    expect(existsSync(join(folder, 'debian/control'))).toBe(true)
    const kept = readdirSync(downloads()).find((name) => name.startsWith('hello_')) ?? ''
    const tar = readdirSync(join(downloads(), kept)).find((name) => name.includes('.orig.tar')) ?? ''
    writeFileSync(join(downloads(), kept, tar), 'damaged')
    expect(existsSync(join(await room.fetch(found), 'configure'))).toBe(true)
    const { locked } = found as { locked: { files: { sha256: string }[] } }
    const wrong = { ...locked, files: locked.files.map((f) => ({ ...f, sha256: '0'.repeat(64) })) }
    expect(await refusal(room.resolve({ aptSource: 'hello' }, wrong).then((r) => room.fetch(r)))).toMatch(
      /of the source of hello, is not what was locked\nreceived sha256 [0-9a-f]{64}/,
    )
    rmSync(folder, { recursive: true })
  })
})

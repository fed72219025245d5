/** What strangers may put beside a bundle: files of gigabytes, pipes, JSON made to break a reader. Refused by name, at once and in little memory. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { parseForeignJson, readForeign } from '../../src/foreign.ts'
import { openBundle } from '../../src/formats/bundle.ts'
import { parseManifest } from '../../src/tree/manifest.ts'
import { besideOf } from '../../src/trust/beside.ts'
import { ship, type ShipResult } from '../support/cli.ts'
import { objections } from './judge.ts'

// Each test runs ship several times.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const ARCHIVE = 'shop-1.0.0.tar.gz'
const MANIFEST = 'shop-1.0.0.manifest.json'
const SBOM = 'shop-1.0.0.cdx.json'
const PROVENANCE = 'shop-1.0.0.provenance.json'

let home = ''
let dist = ''
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'ship-hostile-'))
  mkdirSync(join(home, 'app'))
  writeFileSync(join(home, 'app/a.txt'), 'a\n')
  writeFileSync(join(home, 'ship.config.json'), '{"name":"shop","version":"1.0.0","build":{"from":"app"}}')
  const { code, stderr } = await ship('build --format tar.gz', { cwd: home })
  expect(code, stderr).toBe(0)
  dist = join(home, 'given')
})
afterAll(() => rmSync(home, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(dist, { recursive: true, force: true })
  cpSync(join(home, 'dist'), dist, { recursive: true })
})

/** A heap that real files fit in, and nothing much larger: a reader that takes in what it should not dies of it. */
function verify(): Promise<ShipResult> {
  return ship(`verify ${join(dist, ARCHIVE)}`, { cwd: tmpdir(), env: { NODE_OPTIONS: '--max-old-space-size=192' } })
}

/** What is said when it is refused: in a few words, naming the file. */
async function refusal(file: string): Promise<string> {
  const { code, stderr } = await verify()
  expect({ code, stderr }).toEqual({ code: 9, stderr: expect.stringContaining(file) as string })
  expect(stderr.length).toBeLessThan(5000)
  return stderr
}

const JSON_FILES = [MANIFEST, SBOM, PROVENANCE, 'artifacts.json']

describe('a stranger’s file', () => {
  it.each([...JSON_FILES, 'SHA256SUMS', 'SHA256SUMS.sig'])('%s of three gigabytes', async (file) => {
    // A file with a hole takes no room on the disk.
    writeFileSync(join(dist, file), '', { flag: 'a' })
    truncateSync(join(dist, file), 3 * 1024 ** 3)
    expect(await refusal(file)).toContain(file.endsWith('.sig') ? 'is larger than 65.5 kB' : 'is larger than')
  })

  it.each([...JSON_FILES, 'SHA256SUMS', 'SHA256SUMS.sig'])('%s that is a pipe nobody writes to', async (file) => {
    rmSync(join(dist, file), { force: true })
    execFileSync('mkfifo', [join(dist, file)])
    expect(await refusal(file)).toContain('is not a file')
  })

  it.each([...JSON_FILES, 'SHA256SUMS', 'SHA256SUMS.sig'])(
    '%s that is a link to a device without an end',
    async (file) => {
      rmSync(join(dist, file), { force: true })
      symlinkSync('/dev/zero', join(dist, file))
      expect(await refusal(file)).toContain('is not a file')
    },
  )

  it.each(JSON_FILES)('%s with a million brackets', async (file) => {
    writeFileSync(join(dist, file), `{"_type":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`)
    expect(await refusal(file)).toContain('is nested deeper than 64 levels')
  })

  it.each(JSON_FILES)('%s with more values than any of its kind', async (file) => {
    writeFileSync(join(dist, file), `[${'[],'.repeat(11_000_000)}[]]`)
    expect(await refusal(file)).toContain('values')
  })

  it.each<[string, string]>([
    ['nothing', ''],
    ['no JSON', 'shop 1.0.0\n'],
    ['half of it', '{"bomFormat":"CycloneDX","metadata":{'],
    ['a number', '1'],
    ['nothing, as JSON', 'null'],
    ['a list', '[]'],
    ['bytes that are no text', '\u0000\u0001'],
    [
      'an object of other things',
      '{"schema":1,"builds":{"a":1},"subject":1,"components":"many","_type":{},"__proto__":[]}',
    ],
    ['control characters', '{"schema":"\\u001b[31m","name":"\\u001b]0;evil\\u0007"}'],
  ])('that holds %s, whichever it is', async (_what, text) => {
    for (const file of JSON_FILES) {
      rmSync(dist, { recursive: true })
      cpSync(join(home, 'dist'), dist, { recursive: true })
      writeFileSync(join(dist, file), text)
      const found = (await objections(join(dist, ARCHIVE))).join('\n')
      expect(found).toContain(file)
      expect(found).not.toContain('\u001b')
      expect(found.length).toBeLessThan(1000)
    }
  })

  it('that is a document of gigabytes is not hashed either', async () => {
    truncateSync(join(dist, SBOM), 3 * 1024 ** 3)
    const beside = besideOf(await openBundle(join(dist, ARCHIVE)), AbortSignal.timeout(60_000))
    expect(await beside.digest(SBOM)).not.toMatch(/^[0-9a-f]{64}$/)
    expect(await beside.digest(ARCHIVE)).toMatch(/^[0-9a-f]{64}$/)
  })

  it('with names that lead out of its folder or are none', async () => {
    const text = readFileSync(join(dist, PROVENANCE), 'utf8')
    for (const name of ['../outside', '/etc/passwd', '..', '.', '', 'a\\u0000b', '../given']) {
      const subject = `"subject": [ { "name": "${name}", "digest": { "sha256": "${'0'.repeat(64)}" } },`
      writeFileSync(join(dist, PROVENANCE), text.replace('"subject": [', subject))
      expect((await objections(join(dist, ARCHIVE))).join('\n')).toContain('which is no file of this folder')
    }
  })

  it('with lines in the sums that are none, or stand twice', async () => {
    const text = readFileSync(join(dist, 'SHA256SUMS'), 'utf8')
    for (const more of ['junk', `${'0'.repeat(64)}  ${ARCHIVE}`, `${'0'.repeat(63)}  x`, '\u001b[31m']) {
      writeFileSync(join(dist, 'SHA256SUMS'), `${text}${more}\n`)
      expect((await objections(join(dist, ARCHIVE))).join('\n')).toContain('SHA256SUMS has a line that is none')
    }
  })
})

describe('the reader of strangers’ JSON', () => {
  it('counts what stands outside of texts only, and takes all that is JSON', () => {
    const tricky = { a: '[[[[,,,,\\"{{', '"': ['\\', '\\\\"', ''], n: [1, 2.5e3, null, true], deep: [[[[{}]]]] }
    expect(parseForeignJson(JSON.stringify(tricky), 'it', 20)).toEqual(tricky)
    expect(() => parseForeignJson(JSON.stringify(tricky), 'it', 10)).toThrow('it holds more than 10 values')
    expect(parseForeignJson(JSON.stringify('['.repeat(1000)), 'it', 1)).toBe('['.repeat(1000))
    expect(parseForeignJson(`${'['.repeat(64)}${']'.repeat(64)}`, 'it', 65)).toBeInstanceOf(Array)
    expect(() => parseForeignJson(`${'['.repeat(65)}${']'.repeat(65)}`, 'it', 99)).toThrow('it is nested deeper')
  })

  it('takes UTF-8 and nothing else', () => {
    expect(parseForeignJson(Buffer.from('"Ünï"'), 'it', 1)).toBe('Ünï')
    for (const bytes of [Buffer.from([0x22, 0xff, 0x22]), Buffer.from('\ufeff""')])
      expect(() => parseForeignJson(bytes, 'it', 1)).toThrow('it is not JSON')
  })

  it('reads a file that does not tell its size no further than allowed', async () => {
    expect((await readForeign('/proc/self/status', 1_000_000))?.length).toBeGreaterThan(100)
    await expect(readForeign('/proc/self/status', 100)).rejects.toThrow('is larger than 100 B')
    await expect(readForeign(home, 100)).rejects.toThrow('is not a file')
    expect(await readForeign(join(home, 'none'), 100)).toBeUndefined()
    expect(await readForeign(join(home, 'app/a.txt'), 2)).toEqual(Buffer.from('a\n'))
  })

  it('shows a wrong value short, however large it is', () => {
    const wrong = (value: string): string => `{"schema":${value}}`
    for (const value of [JSON.stringify('x'.repeat(5_000_000)), `[${'1,'.repeat(500_000)}1]`, '{"a":{"b":[]}}']) {
      let message = ''
      try {
        parseManifest(wrong(value))
      } catch (error) {
        message = (error as Error).message
      }
      expect(message).toMatch(/^the manifest has schema .{1,90}, this version of ship reads 1$/)
    }
  })
})

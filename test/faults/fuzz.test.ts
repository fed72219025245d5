/**
 * Readers of what others wrote, fed with what nobody would write: they answer or refuse (a ShipError), never crash, and nothing that a
 * terminal would obey comes out. SHIP_FAULTS=long goes on much longer.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadProject } from '../../src/config/load.ts'
import { messageOf, ShipError } from '../../src/errors.ts'
import { openBundle, verifyBundle } from '../../src/formats/bundle.ts'
import { parseSums } from '../../src/formats/sums.ts'
import { readHistoryLine, readState } from '../../src/host/state.ts'
import { parseKnownHosts, verdict } from '../../src/ssh/known-hosts.ts'
import { parseManifest } from '../../src/tree/manifest.ts'
import { compareVersions, isVersion } from '../../src/version.ts'
import { rawTar } from '../hosts/raw-tar.ts'
import { parseAnswer } from '../support/frames.ts'

const LONG = process.env.SHIP_FAULTS === 'long'
const RUNS = { numRuns: LONG ? 100_000 : 400, interruptAfterTimeLimit: LONG ? 3_600_000 : 8_000 }
const SIGNAL = new AbortController().signal

let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-fuzz-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Words that readers know, between bytes that they do not. */
const words = [
  'current link releases/1.0.0',
  'record 1.0.0 {"schema":1',
  'end ok',
  'owner {',
  'disk -1',
  '\u001b[2J',
  '\r',
  '\n',
  '\0',
  '\u202e',
  '9'.repeat(400),
]
const text = fc
  .array(fc.oneof(fc.constantFrom(...words), fc.string({ unit: 'binary' })), { maxLength: 30 })
  .map((all) => all.join(' '))

/** How it crashed: by anything but a ShipError. */
function crashOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof ShipError ? undefined : messageOf(error)
  }
}

it('an answer of a host is whole or none, and what is shown of it obeys no terminal', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), text), { maxLength: 40 }), (lines) => {
      const said = lines.map(([isFramed, line]) => (isFramed ? `mark ${line}` : line)).join('\n')
      const answer = parseAnswer(`${said}\nmark end ok\n`, 'mark')
      expect(answer).toBeDefined()
      if (!answer) return
      const state = readState(answer, 30)
      const shown = JSON.stringify([
        state.foreign,
        state.platform,
        state.notWritable,
        state.releases,
        state.lock,
        answer.reason,
      ])
      // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
      expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]|\\u001b|\\r/)
      // Without its end an answer is none.
      expect(parseAnswer(said.replaceAll('mark end', 'mark and'), 'mark')).toBeUndefined()
    }),
    RUNS,
  )
})

it('lines of a journal, of known_hosts and of SHA256SUMS are read or passed over', () => {
  fc.assert(
    fc.property(text, (line) => {
      expect(crashOf(() => readHistoryLine(line))).toBeUndefined()
      expect(
        crashOf(() => verdict(parseKnownHosts(line, 'known_hosts'), ['web1', '[web1]:22'], Buffer.from('key'))),
      ).toBeUndefined()
      expect(crashOf(() => parseSums(line))).toBeUndefined()
    }),
    RUNS,
  )
})

it('a pattern of known_hosts takes no time that grows without end', () => {
  const since = performance.now()
  const line = `${'*a'.repeat(200)}b ssh-ed25519 AAAA`
  verdict(parseKnownHosts(line, 'known_hosts'), ['a'.repeat(200)], Buffer.from('key'))
  expect(performance.now() - since).toBeLessThan(2000)
})

it('a manifest is one or is refused', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        text,
        fc.jsonValue().map((value) => JSON.stringify({ schema: 1, name: 'shop', entries: value })),
      ),
      (input) => {
        expect(crashOf(() => parseManifest(input))).toBeUndefined()
      },
    ),
    RUNS,
  )
})

it('an archive with any byte changed, added or cut is refused', async () => {
  const good = rawTar([
    { name: 'shop-1.0.0/', type: '5', mode: 0o755 },
    { name: 'shop-1.0.0/a', content: 'a\n' },
  ])
  const sha256 = '87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7'
  const entries = [{ path: 'a', type: 'file', mode: 0o644, size: 2, sha256 }]
  const head = { schema: 1, name: 'shop', version: '1.0.0', platform: 'any', epoch: 1, components: [] }
  writeFileSync(join(dir, 'shop-1.0.0.manifest.json'), JSON.stringify({ ...head, entries }))
  const file = join(dir, 'shop-1.0.0.tar.gz')
  await fc.assert(
    fc.asyncProperty(
      fc.nat(good.length - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      async (at, change, cut) => {
        const bytes = Buffer.from(good)
        bytes[at] = (bytes[at] ?? 0) ^ change
        // What is cut off must not be the end mark alone, which a reader could do without.
        writeFileSync(file, gzipSync(cut ? bytes.subarray(0, Math.min(at, 1536)) : bytes))
        const error: unknown = await openBundle(file)
          .then((bundle) => verifyBundle(bundle, { signal: SIGNAL }))
          .then(
            () => undefined,
            (thrown: unknown) => thrown,
          )
        // A header holds times, owners and padding that mean nothing to ship; whatever it reads must be as the manifest has it.
        expect(error instanceof ShipError || (error === undefined && at % 512 >= 100)).toBe(true)
      },
    ),
    { ...RUNS, numRuns: LONG ? 20_000 : 300, examples: [[666, 1, false]] },
  )
})

it('a configuration is one or is refused', async () => {
  const file = join(dir, 'ship.config.yaml')
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(text, fc.json(), fc.constant(`a: &a [x,x]\n${'b: &b [*a,*a]\n'.repeat(20)}`)),
      async (content) => {
        writeFileSync(file, content)
        const error: unknown = await loadProject({ cwd: dir }).catch((thrown: unknown) => thrown)
        expect(error, messageOf(error)).toBeInstanceOf(ShipError)
      },
    ),
    { ...RUNS, numRuns: LONG ? 20_000 : 200 },
  )
})

it('versions have one order', () => {
  const version = fc
    .tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.constantFrom('', '-rc.1', '-rc.2', '-a', '-0'))
    .map(([a, b, c, pre]) => `${a}.${b}.${c}${pre}`)
    .filter(isVersion)
  fc.assert(
    fc.property(version, version, version, text, (a, b, c, noise) => {
      expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0)
      const isChain = compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0
      expect(!isChain || compareVersions(a, c) <= 0).toBe(true)
      expect(typeof isVersion(noise)).toBe('boolean')
    }),
    RUNS,
  )
})

/** Semver as Debian versions: dpkg sorts what is accepted as semver does, and what it would sort otherwise is refused. */
import { execFileSync } from 'node:child_process'
import * as fc from 'fast-check'
import semver from 'semver'
import { describe, expect, it } from 'vitest'
import { debVersion, withoutEpoch, WORDS } from '../../src/deb/version.ts'
import { parseVersion } from '../../src/version.ts'
import { describeWith } from './shop-packages.ts'

const mapped = (text: string): string => debVersion(parseVersion(text), { revision: '1' })

/** Whether dpkg says so, for many pairs in one process. */
function compared(pairs: readonly (readonly [string, string])[], relation: 'lt' | 'eq'): readonly boolean[] {
  const script = `while read -r a b; do if dpkg --compare-versions "$a" ${relation} "$b"; then echo yes; else echo no; fi; done`
  const input = pairs.map((pair) => `${pair.join(' ')}\n`).join('')
  const said = execFileSync('sh', ['-c', script], { input }).toString().trim()
  return said === '' ? [] : said.split('\n').map((line) => line === 'yes')
}

function accepted(text: string): string | undefined {
  try {
    return mapped(text)
  } catch {
    return undefined
  }
}

const number = fc.nat(12).map(String)
/** What people write, right and wrong alike: words, numbers, mixtures, starts of words, hyphens, commits. */
const identifier = fc.oneof(
  fc.constantFrom(...WORDS, 'a', 'x', 'y', 'zz', 'alphabet', 'rcx', 'devel', 'prev', 'tests', 'Z', 'RC'),
  number,
  number.map((n) => `rc${n}`),
  number.map((n) => `x${n}`),
  fc.constantFrom('rc-1', 'a-', '-', '--1', 'g1a2b3c4', 'gabc123', 'g0000000', 'gabcdef', 'b1c'),
)
const numbers = fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)).map((n) => n.join('.'))
const identifiers = fc.array(identifier, { maxLength: 3 })
/** Mostly of one version and with the same beginning: those are the ones that are easily sorted wrongly. */
const twoVersions = fc
  .tuple(
    numbers,
    fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, numbers),
    fc.array(identifier, { maxLength: 1 }),
  )
  .chain(([first, second = first, start]) =>
    fc
      .tuple(identifiers, identifiers)
      .map(([a, b]) => [spelled(first, [...start, ...a]), spelled(second, [...start, ...b])] as const),
  )
  .filter((both) => both.every((one) => semver.valid(one) !== null))

function spelled(version: string, identifiersOfIt: readonly string[]): string {
  return version + (identifiersOfIt.length > 0 ? `-${identifiersOfIt.join('.')}` : '')
}

/** Two that differ in their commits alone have no order that anybody means. */
function differInCommitOnly(a: string, b: string): boolean {
  const bare = (text: string): string => text.replace(/g[0-9a-f]{4,64}$/, 'commit')
  return a !== b && bare(a) === bare(b)
}

describeWith(['dpkg'], 'dpkg', () => {
  it('sorts accepted versions as semver does', { timeout: 600_000 }, () => {
    const pairs = fc
      .sample(twoVersions, { numRuns: 20_000, seed: 20_260_101 })
      .filter(([a, b]) => accepted(a) !== undefined && accepted(b) !== undefined && !differInCommitOnly(a, b))
      .filter(([a, b]) => semver.compare(a, b) !== 0)
      .map(([a, b]) => (semver.lt(a, b) ? ([a, b] as const) : ([b, a] as const)))
    expect(pairs.length).toBeGreaterThan(500)
    expect(pairs.filter(([a, b]) => /-/.test(a) && /-/.test(b)).length).toBeGreaterThan(400)
    const right = compared(
      pairs.map(([a, b]) => [mapped(a), mapped(b)]),
      'lt',
    )
    expect(pairs.filter((_, i) => right[i] !== true).map((pair) => pair.join(' < '))).toEqual([])
  })

  it('sorts each of a chain before the next', () => {
    const chain = [
      '1.0.0-1',
      '1.0.0-2',
      '1.0.0-10',
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-alpha.beta.2',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-dev.3.g1a2b3c4',
      '1.0.0-dev.4.g0a2b3c4',
      '1.0.0-rc.1',
      '1.0.0-snapshot.20260101000000',
      '1.0.0',
      '1.0.1-rc.1',
      '1.0.1',
      '1.0.10',
      '1.10.0',
      '10.0.0',
    ]
    expect(chain).toEqual(chain.toSorted(semver.compare))
    const pairs = chain.slice(1).map((next, i) => [mapped(chain[i] ?? ''), mapped(next)] as const)
    expect(pairs.filter((_, i) => compared(pairs, 'lt')[i] !== true)).toEqual([])
  })

  it('takes builds of one version for equal', () => {
    const builds = ['1.2.3', '1.2.3+a', '1.2.3+b.5']
    expect(new Set(builds.map(mapped)).size).toBe(1)
    const kept = builds.map((b) => debVersion(parseVersion(b), { revision: '1', keepMetadata: true }))
    expect(kept).toEqual(['1.2.3-1', '1.2.3+a-1', '1.2.3+b.5-1'])
    expect(compared([[kept[0] ?? '', kept[1] ?? '']], 'lt')).toEqual([true])
  })

  it('would sort the refused ones in another way', () => {
    // Each with one that semver sorts behind it; the plain mapping is what peers write.
    const pairs = [
      ['1.0.0-rc10', '1.0.0-rc2'],
      ['1.0.0-a.x', '1.0.0-alpha.y'],
      ['1.0.0-rc-1', '1.0.0-rca'],
    ] as const
    const plain = (text: string): string => `${text.replace('-', '~')}-1`
    for (const [a, b] of pairs) {
      expect(semver.lt(a, b), a).toBe(true)
      expect(compared([[plain(a), plain(b)]], 'lt'), a).toEqual([false])
      expect(accepted(a) === undefined || accepted(b) === undefined, a).toBe(true)
    }
  })
})

describe('a version', () => {
  it.each([
    ['1.2.3', '1.2.3-1'],
    ['1.0.0-rc.1', '1.0.0~rc.1-1'],
    ['1.0.0-beta.2.dev.7', '1.0.0~beta.2.dev.7-1'],
    ['1.0.0-99999999999999999999', '1.0.0~99999999999999999999-1'],
  ])('%s is %s', (text, expected) => expect(mapped(text)).toBe(expected))

  it('gets the revision and the epoch of the package', () => {
    const debian = debVersion(parseVersion('1.2.3'), { revision: '2~deb12u1', epoch: 1 })
    expect(debian).toBe('1:1.2.3-2~deb12u1')
    expect(withoutEpoch(debian)).toBe('1.2.3-2~deb12u1')
  })

  it.each([
    ['1.0.0-rc1', 'mixes letters and digits', 'use "1.0.0-rc.1"'],
    ['1.0.0-rc-1', 'holds a hyphen', 'use "1.0.0-rc.1"'],
    ['1.0.0-alphabet', 'starts with "alpha"', 'use "1.0.0-alpha"'],
    ['1.0.0-foo.1', 'is followed by more', 'use numbers and words between dots'],
  ])('%s is refused, for it %s', (text, why, next) => {
    expect(() => mapped(text)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(why), next: [expect.stringContaining(next)] }),
    )
  })
})

// oxlint-disable vitest/no-conditional-expect -- the conditions are those of the property
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ReleaseRecord, ReleaseState } from '../../src/host/session.ts'
import { prunable } from '../../src/release/retention.ts'
import { parseVersion } from '../../src/version.ts'
import { record } from './states.ts'

const v = parseVersion

describe('prunable', () => {
  it('keeps the newest verified ones, counting the live one', () => {
    const releases = [1, 2, 3, 4, 5].map((n) => record(`1.0.${n}`, 'verified', n))
    expect(prunable({ releases }, v('1.0.5'), { keep: 3, previous: 'releases/1.0.4' })).toEqual(['1.0.1', '1.0.2'])
  })

  it('does not let failed releases push out the last good one (deployphp/deployer#814)', () => {
    const failed = Array.from({ length: 9 }, (_, n) => record(`2.0.${n}`, 'failed', n + 2))
    const releases = [record('1.0.0', 'verified', 1), ...failed, record('3.0.0', 'live', 20)]
    const gone = prunable({ releases }, v('3.0.0'), { keep: 2, previous: 'releases/1.0.0' })
    expect(gone).toEqual(failed.map((r) => r.version))
  })

  it('keeps the predecessor and pinned ones beyond keep', () => {
    const releases = [
      record('1.0.0', 'verified', 1, { pinned: true }),
      record('1.1.0', 'verified', 2),
      record('1.2.0', 'verified', 3),
      record('1.3.0', 'verified', 4),
    ]
    expect(prunable({ releases }, v('1.3.0'), { keep: 1, previous: 'releases/1.1.0' })).toEqual(['1.2.0'])
  })

  it('counts no pinned one', () => {
    const releases = [
      record('1.0.0', 'verified', 1),
      record('1.1.0', 'verified', 2, { pinned: true }),
      record('1.2.0', 'verified', 3),
    ]
    expect(prunable({ releases }, v('1.2.0'), { keep: 2, previous: 'releases/1.1.0' })).toEqual([])
    expect(prunable({ releases }, v('1.2.0'), { keep: 1, previous: 'releases/1.1.0' })).toEqual(['1.0.0'])
  })

  it('removes what dead runs left and what was rolled back from', () => {
    const releases = [
      record('1.0.0', 'verified', 1),
      record('1.1.0', 'bad', 2),
      record('1.2.0', 'staged', 0),
      record('1.3.0', 'live', 3),
    ]
    expect(prunable({ releases }, v('1.3.0'), { keep: 5, previous: 'releases/1.0.0' })).toEqual(['1.1.0', '1.2.0'])
  })

  it('never names the live one, its predecessor or a pinned one, whatever the host holds', () => {
    const states: ReleaseState[] = ['staged', 'live', 'verified', 'failed', 'bad']
    const one = fc.record({ n: fc.nat(40), state: fc.constantFrom(...states), seq: fc.nat(50), pinned: fc.boolean() })
    fc.assert(
      fc.property(
        fc.uniqueArray(one, { selector: (r) => r.n, minLength: 1 }),
        fc.nat(),
        fc.integer({ min: 1, max: 8 }),
        (all, pick, keep) => {
          const releases: ReleaseRecord[] = all.map((r) => record(`1.0.${r.n}`, r.state, r.seq, { pinned: r.pinned }))
          const live = releases[pick % releases.length]!
          const before = releases.find((r) => r !== live && r.state === 'verified')
          const gone = prunable({ releases }, live.version, {
            keep,
            previous: before ? `releases/${before.version}` : null,
          })
          expect(gone).not.toContain(live.version)
          if (before) expect(gone).not.toContain(before.version)
          for (const r of releases) if (r.pinned) expect(gone).not.toContain(r.version)
          const kept = releases.filter((r) => !gone.includes(r.version) && r.state === 'verified' && !r.pinned)
          expect(kept.length).toBeLessThanOrEqual(Math.max(keep, 2) + 1)
        },
      ),
    )
  })
})

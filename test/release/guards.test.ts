/** Whether a host speaks for a release that is to be released elsewhere. */
import { describe, expect, it } from 'vitest'
import type { HostState, ReleaseState } from '../../src/host/session.ts'
import { parseAppName } from '../../src/names.ts'
import { notSoaked } from '../../src/release/guards.ts'
import { parseVersion } from '../../src/version.ts'
import { hostState, linkTo, record } from './states.ts'

const HOUR = 3_600_000
const SINCE = '2026-01-10T10:00:00.500Z'
const target = {
  digest: 'digest-of-1.0.0',
  manifest: {
    schema: 1,
    name: parseAppName('shop'),
    version: parseVersion('1.0.0'),
    platform: 'any',
    epoch: 0,
    components: [],
    entries: [],
  },
} as const

function state(more: { digest?: string; is?: ReleaseState; live?: string; clock?: string; since?: string }): HostState {
  const {
    digest = 'digest-of-1.0.0',
    is = 'verified',
    live = '1.0.0',
    clock = '2027-01-01T00:00:00Z',
    since = SINCE,
  } = more
  return hostState({
    current: linkTo(live),
    releases: [record('1.0.0', is, 1, { digest, verifiedAt: since }), record('1.1.0', 'verified', 2)],
    clock: Date.parse(clock) / 1000,
  })
}

function asked(of: HostState, now: string): string {
  const said = notSoaked({ host: 'one', state: of }, target, { forMs: 2 * HOUR, now: new Date(now) })
  return said ?? 'speaks for it'
}

describe('a host', () => {
  it('speaks for what is live and verified there for long enough', () => {
    expect(asked(state({}), '2026-01-10T12:00:00.500Z')).toBe('speaks for it')
    expect(asked(state({}), '2026-01-10T12:00:00.499Z')).toBe('has it since 2026-01-10 10:00:00 UTC, for 1 h 59 min')
  })

  it('does not, when the clock here or there is fast', () => {
    expect(asked(state({ clock: '2026-01-10T11:00:00Z' }), '2026-02-01T00:00:00Z')).toContain('for 1 h')
    expect(asked(state({ since: '2026-01-20T00:00:00Z' }), '2026-01-10T00:00:00Z')).toContain('for 0 s')
  })

  it('does not, when it runs something else, or the same version with other bytes, or not yet verified', () => {
    const late = '2026-02-01T00:00:00Z'
    expect(asked(state({ live: '1.1.0' }), late)).toBe('runs 1.1.0')
    expect(asked(hostState(), late)).toBe('runs nothing')
    expect(asked(state({ digest: 'other' }), late)).toBe('runs 1.0.0 with other bytes')
    expect(asked(state({ is: 'live' }), late)).toBe('runs it, and it is not verified there')
    expect(asked(state({ is: 'bad' }), late)).toBe('runs it, and it is not verified there')
  })
})

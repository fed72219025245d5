/** How much may go wrong, who is meant by "behind", and in which order hosts go back. */
import { describe, expect, it } from 'vitest'
import { ShipError, type Reason } from '../../src/errors.ts'
import { reachedOrThrow, type HostResult } from '../../src/fleet/results.ts'
import type { HostState } from '../../src/host/session.ts'
import { parseHostName } from '../../src/names.ts'
import { mayGoOn } from '../../src/release/allowance.ts'
import { wayBackOrder } from '../../src/release/back-order.ts'
import { fleetVersion, isBehind } from '../../src/release/catch-up.ts'
import { defaultTarget } from '../../src/release/rollback.ts'
import type { At } from '../../src/release/step.ts'
import type { Host } from '../../src/transport/transport.ts'
import { parseVersion } from '../../src/version.ts'
import { hostState, linkTo, record } from './states.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(parseHostName) as [never, never, never, never]
const RULE = { bakeMs: 0, pauseMs: 0, mayFail: true }
const plan = {
  allowances: { failed: 2, unreachable: 0 },
  waves: [[a], [b, c], [d]],
  waveRules: [{ ...RULE, mayFail: false }, RULE, RULE],
}

function failing(names: readonly never[], reason: Reason = 'not-switched') {
  return names.map((host) => ({ host, error: new ShipError(reason, 'x') }))
}

describe('a run goes on', () => {
  it.each([
    ['with one that failed of two that may', failing([b]), { spent: 1, left: 2 }, true],
    ['with one that was lost', failing([b], 'unreachable'), { spent: 0, left: 2 }, true],
    ['not with more than may fail', failing([b, d]), { spent: 1, left: 2 }, false],
    ['not when no host is left that speaks for the release', failing([b]), { spent: 0, left: 0 }, false],
    ['not when a host of the trial failed', failing([a]), { spent: 0, left: 3 }, false],
    ['not after tampering', failing([b], 'refused'), { spent: 0, left: 3 }, false],
    ['not after an interruption', failing([b], 'sigint'), { spent: 0, left: 3 }, false],
    ['not after a lost lock', failing([b], 'locked'), { spent: 0, left: 3 }, false],
    ['not after a defect', [{ host: b, error: new TypeError('x') }], { spent: 0, left: 3 }, false],
  ])('%s', (_title, failed, counts, expected) => {
    expect(mayGoOn(plan, failed, counts)).toBe(expected)
  })
})

describe('hosts that are not reached', () => {
  const host = (name: string) => ({ name: parseHostName(name) }) as Host
  const well: HostResult<number> = { host: host('well'), ok: true, value: 1 }
  const bad = (name: string, reason: Reason): HostResult<number> => {
    return { host: host(name), ok: false, error: new ShipError(reason, 'no answer') }
  }

  it('are told apart from those that were, as many as may be missing', () => {
    const found = reachedOrThrow([well, bad('dead', 'unreachable')], 1)
    expect(found.values).toEqual([1])
    expect(found.missing).toMatchObject([{ host: { name: 'dead' }, error: { message: 'no answer' } }])
  })

  it.each([
    ['one too many', [well, bad('x', 'unreachable'), bad('y', 'unreachable')], 1],
    ['all of them', [bad('x', 'unreachable')], 1],
    ['a host key that is refused', [well, bad('x', 'host-key')], 1],
    ['a login that is refused', [well, bad('x', 'auth')], 1],
    ['a dead one and a locked one', [well, bad('x', 'unreachable'), bad('y', 'locked')], 2],
  ])('%s: an error', (_title, results, mayMiss) => {
    expect(() => reachedOrThrow(results, mayMiss)).toThrow('no answer')
  })
})

describe('the version of a fleet', () => {
  const runs = (version: string, ...others: HostState['releases']): HostState =>
    hostState({ current: linkTo(version), releases: [record(version, 'verified', 2), ...others] })
  const from = (version: string, previous: string): HostState =>
    hostState({
      current: linkTo(version),
      releases: [record(version, 'verified', 2, { previous: `releases/${previous}` })],
    })

  it.each<[string, readonly HostState[], string | undefined]>([
    ['most hosts run it', [runs('1.0.0'), runs('1.0.0'), runs('2.0.0')], '1.0.0'],
    ['one of two came from the other', [from('1.1.0', '1.0.0'), runs('1.0.0')], '1.1.0'],
    [
      'one of two was rolled back from the other',
      [runs('1.0.0', record('1.1.0', 'bad', 3)), from('1.1.0', '1.0.0')],
      '1.0.0',
    ],
    ['two that know nothing of each other', [runs('1.0.0'), runs('2.0.0')], undefined],
    [
      'an unverified one does not count',
      [hostState({ current: linkTo('2.0.0'), releases: [record('2.0.0', 'live', 1)] }), runs('1.0.0')],
      '1.0.0',
    ],
    ['nothing anywhere', [hostState()], undefined],
  ])('%s', (_title, states, version) => {
    expect(fleetVersion(states)).toBe(version)
    expect(fleetVersion(states.toReversed())).toBe(version)
  })
})

describe('a host', () => {
  const fleet = parseVersion('1.1.0')

  it.each<[string, HostState, boolean]>([
    [
      'with what the others run',
      hostState({ current: linkTo('1.1.0'), releases: [record('1.1.0', 'verified', 2)] }),
      false,
    ],
    ['with something else', hostState({ current: linkTo('1.0.0'), releases: [record('1.0.0', 'verified', 1)] }), true],
    ['that failed with it', hostState({ current: linkTo('1.0.0'), releases: [record('1.1.0', 'failed', 2)] }), true],
    [
      'that was rolled back from it',
      hostState({ current: linkTo('1.0.0'), releases: [record('1.1.0', 'bad', 2)] }),
      false,
    ],
    ['with nothing', hostState(), true],
  ])('%s', (_title, state, expected) => {
    expect(isBehind(state, fleet)).toBe(expected)
  })
})

describe('a rollback without a version', () => {
  const was = (version: string, previous: string, ...more: HostState['releases']): HostState =>
    hostState({
      current: linkTo(version),
      releases: [
        record(previous, 'verified', 1),
        record(version, 'verified', 2, { previous: `releases/${previous}` }),
        ...more,
      ],
    })
  const target = (...states: HostState[]): string =>
    defaultTarget(
      { name: 'live' },
      states.map((state, i) => ({ host: `h${i}`, state })),
    )

  it('goes to what a host that stayed behind runs already', () => {
    const behind = hostState({
      current: linkTo('1.0.0'),
      releases: [record('1.0.0', 'verified', 1), record('1.1.0', 'failed', 2)],
    })
    expect(target(was('1.1.0', '1.0.0'), behind, was('1.1.0', '1.0.0'))).toBe('1.0.0')
  })

  it('is refused when hosts that agree would go back to different versions', () => {
    const error = { reason: 'refused', message: 'the hosts would go back to different versions' }
    expect(() => target(was('1.1.0', '1.0.0'), was('1.1.0', '0.9.0'))).toThrow(expect.objectContaining(error))
  })
})

describe('the way back', () => {
  it('goes wave by wave, the last one first, and leaves out what was not begun', () => {
    const at = (name: string) => ({ host: { name } }) as unknown as At
    const order = wayBackOrder(['a', 'b', 'c'].map(at), [['a'], ['b', 'c'], ['d']])
    expect(order.map((group) => group.map(({ host }) => host.name))).toEqual([['c', 'b'], ['a']])
  })
})

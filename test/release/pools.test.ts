/** What balancers say, against what a plan would do: pools that would be emptied, servers nobody knows, hosts that were left out. */
import { describe, expect, it } from 'vitest'
import type { DrainSpec } from '../../src/config/balancers.ts'
import type { Standing } from '../../src/drain/drain.ts'
import type { LockState } from '../../src/host/session.ts'
import { parseHostName, type HostName } from '../../src/names.ts'
import { isLast, leftOut, refusePools, type SeenPools } from '../../src/release/pools.ts'
import { hostState } from './states.ts'

const LB = parseHostName('lb1')
const names = (text: string): HostName[] => text.split(' ').map((name) => parseHostName(name))
const waves = (text: string): HostName[][] => text.split(' | ').map((wave) => names(wave))

function spec(more: Partial<DrainSpec> = {}): DrainSpec {
  const servers = new Map(names('a b c').map((name) => [name, `${name}:80`]))
  return { type: 'haproxy', options: { backend: 'shop' }, on: [], servers, waitMs: 1, allowEmpty: false, ...more }
}

/** "a=in b=drained": the servers of one pool. */
function seen(text: string, more: Partial<DrainSpec> = {}): SeenPools {
  const servers = text.split(' ').map((one): [string, Standing] => {
    const [name = '', standing = ''] = one.split('=')
    return [`${name}:80`, standing as Standing]
  })
  return { spec: spec(more), balancer: LB, pools: [{ name: 'shop', servers: new Map(servers) }] }
}

const blind = (more: Partial<DrainSpec> = {}): SeenPools => ({
  spec: spec({ type: 'command', on: 'host', options: { drain: 'x', undrain: 'y' }, ...more }),
  balancer: undefined,
  pools: [],
})

/** Message of what is thrown, '' when nothing is. */
function said(check: () => void): string {
  try {
    check()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('a plan', () => {
  const cases: readonly [string, string, SeenPools, RegExp | undefined][] = [
    ['all at once', 'a b c', seen('a=in b=in c=in'), /draining a, b, c would leave "shop" on "lb1" without a server/],
    ['one by one', 'a | b | c', seen('a=in b=in c=in'), undefined],
    ['all at once when a stranger stays', 'a b c', seen('a=in b=in c=in d=in'), undefined],
    ['one by one with the others taken out', 'a | b', seen('a=in b=out c=out'), /draining a would/],
    ['one by one with the others down', 'a | b', seen('a=in b=sick c=sick'), /draining a would/],
    ['the down ones first: they are up then', 'b | a', seen('a=in b=sick c=out'), undefined],
    ['what a person took out does not come up by its release', 'b | a', seen('a=in b=out c=out'), /draining a would/],
    ['nobody gets requests anyway', 'a b c', seen('a=drained b=sick c=out'), undefined],
    ['only what is meant to be empty', 'a b c', seen('a=in b=in c=in', { allowEmpty: true }), undefined],
    ['a server that nobody knows', 'a | c', seen('a=in b=in'), /"c:80" is no server of haproxy shop on "lb1"/],
    ['commands, all at once', 'a b c', blind(), /draining a, b, c would leave their balancer without a server/],
    ['commands, some', 'a b', blind(), undefined],
    ['hosts that stand in no balancer', 'x y', seen('a=in'), undefined],
  ]
  it.each(cases)('%s', (_, order, pools, refusal) => {
    expect(said(() => refusePools(waves(order), [pools]))).toMatch(refusal ?? /^$/)
  })

  it('says what to change, and why other servers do not count', () => {
    const [a, b] = [seen('a=in b=out c=sick'), waves('a | b')]
    expect(() => refusePools(b, [a])).toThrow(
      expect.objectContaining({
        reason: 'refused',
        state: 'nothing was changed on any host',
        details: ['b:80 is taken out by a person', 'c:80 is down by the check of the balancer'],
        next: expect.arrayContaining([expect.stringContaining('batch: 1'), expect.stringContaining('allowEmpty')]),
      }),
    )
  })
})

it('the last server is one that gets requests when no other does', () => {
  const pool = (text: string) => seen(text).pools[0] ?? { name: '', servers: new Map() }
  expect(isLast(pool('a=in b=drained'), ['a:80'])).toBe(true)
  expect(isLast(pool('a=in b=in'), ['a:80'])).toBe(false)
  expect(isLast(pool('a=drained b=in'), ['a:80'])).toBe(false)
  expect(isLast(pool('a=sick b=out'), ['a:80'])).toBe(false)
})

describe('a host is left out', () => {
  const [a, d] = [parseHostName('a'), parseHostName('d')]
  const locked = (doing: string) =>
    hostState({ lock: { owner: { doing }, silentSeconds: 99, expired: true } as LockState })
  it('when ship drained it and nobody put it back, but not when a person took it out', () => {
    expect(leftOut([seen('a=drained b=in')], a, hostState())).toContain('out of "lb1"')
    expect(leftOut([seen('a=out b=in')], a, hostState())).toBeUndefined()
    expect(leftOut([seen('a=in b=drained')], a, hostState())).toBeUndefined()
    expect(leftOut([seen('a=drained')], d, hostState())).toBeUndefined()
  })
  it('perhaps, when a command drains and the lock of a dead run is there', () => {
    expect(leftOut([blind()], a, hostState())).toBeUndefined()
    expect(leftOut([blind()], a, locked('release 1.0.0'))).toContain('may have')
    expect(leftOut([blind()], a, locked('pin 1.0.0'))).toBeUndefined()
    expect(leftOut([seen('a=in')], a, locked('release 1.0.0'))).toBeUndefined()
  })
})

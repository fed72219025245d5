/** What counts as another plan, and how it is told. */
import { describe, expect, it } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import { parseAppName, parseHostName } from '../../src/names.ts'
import { planDrift, refusePlanDrift } from '../../src/release/plan-drift.ts'
import type { HostPlan, Plan } from '../../src/release/plan.ts'
import { parseVersion } from '../../src/version.ts'

const HOST: HostPlan = {
  host: parseHostName('web1'),
  action: 'stage',
  why: 'not on this host',
  from: 'releases/1.0.0',
  fromVersion: parseVersion('1.0.0'),
  back: 'releases/1.0.0',
  changes: undefined,
  treeBytes: 10,
  links: ['uploads'],
  hooks: [],
  gates: [],
  drains: [],
  prune: [],
  lock: undefined,
}
const PLAN: Plan = {
  schema: 1,
  kind: 'release',
  app: parseAppName('shop'),
  environment: 'production',
  target: parseVersion('1.1.0'),
  digest: 'a'.repeat(64),
  observed: 'b'.repeat(64),
  hosts: [HOST],
  local: [],
  waves: [[HOST.host]],
  waveRules: [{ bakeMs: 0, pauseMs: 0, mayFail: true }],
  behind: [],
  allowances: { unreachable: 0, failed: 0 },
}
const BEHIND = [{ host: parseHostName('web2'), kind: 'unreachable', why: 'no route', runs: undefined }] as const

function withHost(more: Partial<HostPlan>): Plan {
  return { ...PLAN, hosts: [{ ...HOST, ...more }] }
}

describe('planDrift', () => {
  it.each<[string, Plan, string]>([
    [
      'another bundle',
      { ...PLAN, digest: 'c'.repeat(64) },
      'it was for 1.1.0 (aaaaaaaaaaaa), this is 1.1.0 (cccccccccccc)',
    ],
    ['another environment', { ...PLAN, environment: 'staging' }, 'it was for "production", this is "staging"'],
    [
      'a host more',
      { ...PLAN, hosts: [HOST, { ...HOST, host: parseHostName('web2') }] },
      'web2 is no part of the plan',
    ],
    ['a host less', { ...PLAN, hosts: [] }, 'web1 is part of the plan, and takes no part now'],
    ['a host that is left out', { ...PLAN, behind: BEHIND }, 'left out: none -> web2 unreachable'],
    ['other waves', { ...PLAN, waves: [[], [HOST.host]] }, 'waves: web1 ->  | web1'],
    [
      'another bake',
      { ...PLAN, waveRules: [{ bakeMs: 1, pauseMs: 0, mayFail: true }] },
      'what has to hold between waves',
    ],
    ['other allowances', { ...PLAN, allowances: { unreachable: 1, failed: 0 } }, 'what has to hold between waves'],
    [
      'another local hook',
      { ...PLAN, local: [{ point: 'beforeStage', title: 'x' }] },
      'other hooks would run on this machine',
    ],
    [
      'another live release',
      withHost({ from: 'releases/1.0.1', fromVersion: parseVersion('1.0.1') }),
      'web1 runs 1.0.1 now, not 1.0.0',
    ],
    ['another action', withHost({ action: 'reuse', why: 'staged' }), 'web1: to do is "reuse" (staged), not "stage"'],
    ['another way back', withHost({ back: null }), 'web1 would go back to nothing, not releases/1.0.0'],
    ['other links', withHost({ links: [] }), 'web1: its links into shared/ changed'],
    ['other hooks', withHost({ hooks: [{ point: 'afterSwitch', title: 'x' }] }), 'web1: its hooks changed'],
    ['other checks', withHost({ gates: ['x'] }), 'web1: its health checks changed'],
    ['other balancers', withHost({ drains: ['x'] }), 'web1: its load balancers changed'],
    ['other removals', withHost({ prune: [parseVersion('0.9.0')] }), 'web1: what would be removed from it changed'],
    [
      'other releases on a host',
      { ...PLAN, observed: 'd'.repeat(64) },
      'releases on the hosts were added, removed or marked',
    ],
  ])('%s', (_, now, said) => {
    expect(planDrift(PLAN, now).join('\n')).toContain(said)
    expect(planDrift(PLAN, now)).toHaveLength(1)
  })

  it('says nothing of what does not change what is done', () => {
    expect(
      planDrift(PLAN, withHost({ why: 'else', lock: 'a dead run', treeBytes: 11, fromVersion: undefined })),
    ).toEqual([])
    const read: Plan = JSON.parse(JSON.stringify(PLAN))
    expect(planDrift(read, PLAN)).toEqual([])
  })

  it('is an error that says what to do', () => {
    const refused = (now: Plan): unknown => {
      try {
        refusePlanDrift({ plan: PLAN, again: 'again' }, now)
      } catch (error) {
        return error
      }
      return undefined
    }
    expect(refused(PLAN)).toBeUndefined()
    const error = refused({ ...PLAN, waves: [] })
    expect(error).toBeInstanceOf(ShipError)
    expect(error).toMatchObject({ reason: 'refused', next: ['again'], details: ['waves: web1 -> none'] })
  })
})

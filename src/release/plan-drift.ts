/** What a plan said and what is so now: every difference that would make a run do something else. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { ShipError } from '../errors.ts'
import type { HostPlan, Plan } from './plan.ts'

/** A plan that was looked at, and how to get a new one. */
export interface Expected {
  readonly plan: Plan
  /** Command line, or words. */
  readonly again: string
}

/** Rejects with reason `refused` when what would be done now is not what was planned. */
export function refusePlanDrift({ plan, again }: Expected, now: Plan): void {
  const details = planDrift(plan, now)
  if (details.length === 0) return
  const isHosts = plan.digest === now.digest && plan.observed !== now.observed
  throw new ShipError('refused', `${isHosts ? 'the hosts' : 'things'} changed since the plan was made`, {
    state: 'nothing was changed on any host',
    details,
    next: [again],
  })
}

/** Lines such as "web1 runs 1.1.0 now, not 1.0.0". Empty: the same would be done. Locks, sizes and reasons may differ. */
export function planDrift(planned: Plan, now: Plan): string[] {
  const before = plain(planned)
  const after = plain(now)
  const whole: readonly [boolean, string][] = [
    [before.app !== after.app || before.kind !== after.kind, `it was to ${before.kind} ${before.app}`],
    [before.environment !== after.environment, `it was for "${before.environment}", this is "${after.environment}"`],
    [
      before.target !== after.target || before.digest !== after.digest,
      `it was for ${bundleOf(before)}, this is ${bundleOf(after)}`,
    ],
    [
      !isDeepStrictEqual(behindOf(before), behindOf(after)),
      `left out: ${said(behindOf(before))} -> ${said(behindOf(after))}`,
    ],
    [!isDeepStrictEqual(before.waves, after.waves), `waves: ${wavesOf(before)} -> ${wavesOf(after)}`],
    [
      !isDeepStrictEqual([before.waveRules, before.allowances], [after.waveRules, after.allowances]),
      'what has to hold between waves, or may go wrong, is something else',
    ],
    [!isDeepStrictEqual(before.local, after.local), 'other hooks would run on this machine'],
  ]
  const found = [...whole.flatMap(([differs, line]) => (differs ? [line] : [])), ...hostsDrift(before, after)]
  if (found.length > 0 || before.observed === after.observed) return found
  return ['releases on the hosts were added, removed or marked']
}

function hostsDrift(before: Plan, after: Plan): string[] {
  const gone = before.hosts.filter((p) => after.hosts.every((q) => q.host !== p.host))
  return [
    ...gone.map(({ host }) => `${host} is part of the plan, and takes no part now`),
    ...after.hosts.flatMap((p) => {
      const planned = before.hosts.find((q) => q.host === p.host)
      return planned ? hostDrift(planned, p) : [`${p.host} is no part of the plan`]
    }),
  ]
}

/** What is compared of a host besides what it runs, in words. */
const COMPARED = {
  links: 'its links into shared/',
  hooks: 'its hooks',
  gates: 'its health checks',
  drains: 'its load balancers',
  prune: 'what would be removed from it',
} as const satisfies Partial<Record<keyof HostPlan, string>>

function hostDrift(before: HostPlan, after: HostPlan): string[] {
  const { host } = after
  if (before.from !== after.from) return [`${host} runs ${runsOf(after)} now, not ${runsOf(before)}`]
  if (before.action !== after.action)
    return [`${host}: to do is "${after.action}" (${after.why}), not "${before.action}"`]
  if (before.back !== after.back)
    return [`${host} would go back to ${after.back ?? 'nothing'}, not ${before.back ?? 'nothing'}`]
  return Object.entries(COMPARED).flatMap(([key, words]) => {
    const name = key as keyof typeof COMPARED
    return isDeepStrictEqual(before[name], after[name]) ? [] : [`${host}: ${words} changed`]
  })
}

function runsOf({ fromVersion, from }: HostPlan): string {
  return fromVersion ?? from ?? 'nothing'
}

function bundleOf({ target, digest }: Plan): string {
  return `${target} (${digest.slice(0, 12)})`
}

function behindOf({ behind }: Plan): string[] {
  return behind.map(({ host, kind }) => `${host} ${kind}`).toSorted()
}

function said(names: readonly string[]): string {
  return names.join(', ') || 'none'
}

function wavesOf({ waves }: Plan): string {
  return waves.map((wave) => wave.join(', ')).join(' | ') || 'none'
}

/** As it comes back from a file: without keys that have no value. */
function plain(plan: Plan): Plan {
  return JSON.parse(JSON.stringify(plan)) as Plan
}

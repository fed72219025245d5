/**
 * Which hooks run where, decided once, under the locks, before anything is touched: roles, conditions, and the one host of those that
 * run once.
 */
import { createHash } from 'node:crypto'
import type { Environment } from '../config/environment.ts'
import { HOOK_POINTS, type Hook, type HookPoint, type WhenFacts } from '../config/hooks.ts'
import type { Host } from '../transport/transport.ts'
import type { HostPlan, Plan } from './plan.ts'
import { hookPoints, runsFor } from './hooks.ts'
import { holds } from './when.ts'

/** A host that takes part, and what conditions are asked about it. */
export interface HookHost {
  readonly host: Host
  readonly plan: HostPlan
  readonly facts: WhenFacts
}

export interface HookChoice {
  /** Hooks of a point that a host runs, in the order of the configuration. */
  on(point: HookPoint, host: string): readonly Hook[]
  /** Those that run on this machine. */
  local(point: HookPoint): readonly Hook[]
  /** Title of the first hook that passes the point of no return in this run. */
  readonly noReturn: string | undefined
}

/** `hosts` are those that something is to be done on, in the order of the configuration. Rejects when a condition throws. */
export async function chooseHooks(environment: Environment, hosts: readonly HookHost[]): Promise<HookChoice> {
  const chosen = new Map<HookPoint, { readonly hook: Hook; readonly on: readonly HookHost[] }[]>()
  for (const point of HOOK_POINTS) {
    for (const hook of environment.hooks[point]) {
      const on = await hostsOf(hook, hosts)
      chosen.set(point, [...(chosen.get(point) ?? []), { hook, on }])
    }
  }
  const runsAt = (point: HookPoint, { plan }: HookHost): boolean =>
    point === 'onFailure' || hookPoints(plan.action).includes(point)
  const at = (point: HookPoint) =>
    (chosen.get(point) ?? []).map(({ hook, on }) => ({ hook, on: on.filter((one) => runsAt(point, one)) }))
  const crossing = (['beforeStage', 'beforeSwitch'] as const)
    .flatMap(at)
    .find(({ hook, on }) => hook.noReturn === true && on.length > 0)
  return {
    on: (point, host) =>
      at(point).flatMap(({ hook, on }) =>
        hook.local !== true && on.some((one) => one.host.name === host) ? [hook] : [],
      ),
    local: (point) => at(point).flatMap(({ hook, on }) => (hook.local === true && on.length > 0 ? [hook] : [])),
    noReturn: crossing?.hook.title,
  }
}

async function hostsOf(hook: Hook, hosts: readonly HookHost[]): Promise<HookHost[]> {
  const found: HookHost[] = []
  for (const one of hosts) {
    if (hook.role !== undefined && !one.host.roles.includes(hook.role)) continue
    if (!runsFor(hook, one.facts.action) || !(await holds(hook, one.facts))) continue
    found.push(one)
    if (hook.once) break
  }
  return found
}

/** The name under which a host remembers that a hook of a release was done. */
export function onceKey(plan: Plan, point: HookPoint, { argv, env, local = false }: Hook): string {
  const what = JSON.stringify([plan.kind, plan.target, plan.digest, point, argv, env, local])
  return createHash('sha256').update(what).digest('hex').slice(0, 32)
}

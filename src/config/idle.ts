/** What of a configuration can have no effect: hooks and checks for a role that no host of the environment has. */
import type { Host } from '../transport/transport.ts'
import type { GateSpec } from './environment.ts'
import { HOOK_POINTS, type Hook, type HookPoint } from './hooks.ts'
import { nearest } from './nearest.ts'

interface Parts {
  readonly hooks: Readonly<Record<HookPoint, readonly Hook[]>>
  readonly health: readonly GateSpec[]
}

/** A sentence for each role; `hosts` are all of the environment, whichever are chosen for a run. */
export function idleParts({ hooks, health }: Parts, hosts: readonly Host[], environment: string): string[] {
  const roles = [...new Set(hosts.flatMap((host) => host.roles))]
  const users = [
    ...HOOK_POINTS.flatMap((point) => hooks[point].map(({ role }) => ({ role, what: `a ${point} hook` }))),
    ...health.map(({ role }) => ({ role, what: 'a health check' })),
  ]
  const idle = users.flatMap(({ role, what }) => (role === undefined || roles.includes(role) ? [] : [{ role, what }]))
  return [...Map.groupBy(idle, ({ role }) => role)].map(([role, of]) => {
    const near = nearest(role, roles)
    const hint = near === undefined ? '' : `; did you mean "${near}"?`
    const what = [...new Set(of.map((one) => one.what))].join(' and ')
    return `no host of "${environment}" has the role "${role}", so ${what} for it does nothing${hint}`
  })
}

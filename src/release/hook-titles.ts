/** Hooks as a plan tells them: what may run, with its conditions; whether they hold is looked at when it runs. Pure. */
import type { Environment } from '../config/environment.ts'
import { HOOK_POINTS } from '../config/hooks.ts'
import type { Host } from '../transport/transport.ts'
import { hookPoints, hooksFor, runsFor } from './hooks.ts'
import type { HostPlan, Plan } from './plan.ts'
import { describeHook } from './when.ts'

/** Those of a host, in the order they run there. */
export function hookTitles(
  environment: Environment,
  host: Host,
  busy: readonly Host[],
  { action, kind }: { readonly action: HostPlan['action']; readonly kind: Plan['kind'] },
): HostPlan['hooks'] {
  return hookPoints(action).flatMap((point) =>
    hooksFor(environment.hooks[point], host, busy)
      .filter((hook) => runsFor(hook, kind))
      .map((hook) => ({ point, title: describeHook(hook) })),
  )
}

/** Those that run on this machine. */
export function localTitles(
  environment: Environment,
  hosts: readonly Pick<HostPlan, 'action'>[],
  kind: Plan['kind'],
): Plan['local'] {
  const points = new Set(hosts.flatMap(({ action }) => hookPoints(action)))
  return HOOK_POINTS.filter((point) => points.has(point)).flatMap((point) =>
    environment.hooks[point]
      .filter((hook) => hook.local === true && runsFor(hook, kind))
      .map((hook) => ({ point, title: describeHook(hook) })),
  )
}

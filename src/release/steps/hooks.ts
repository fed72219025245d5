/** The steps that run the owner's hooks on the way forward. */
import type { HookPoint } from '../../config/environment.ts'
import { hookPoints, hooksFor, runHooks } from '../hooks.ts'
import { factsOf, sessionOf, targetLink, type At, type Step } from '../step.ts'

/** Runs in `deployTo`: there is no release yet. */
export const beforeStage = hookStep('beforeStage', (at) => at.host.deployTo)
/** Runs in the new release's folder, while the old one is live. */
export const beforeSwitch = hookStep('beforeSwitch', (at) => `${at.host.deployTo}/${targetLink(at.run)}`)
/** Runs in `current`: reload or restart the app here. */
export const afterSwitch = hookStep('afterSwitch', (at) => `${at.host.deployTo}/current`)

function hookStep(point: HookPoint, cwd: (at: At) => string): Step {
  return {
    name: point,
    skip: (at) => (hooksAt(at, point).length === 0 ? '' : undefined),
    async run(at) {
      const { io } = at.run
      const count = await runHooks(point, hooksAt(at, point), sessionOf(at), {
        facts: factsOf(at, cwd(at)),
        io,
        signal: at.signal,
      })
      return count === 1 ? '1 hook' : `${count} hooks`
    },
  }
}

/** Hooks of a point that this host runs in this run. */
export function hooksAt(at: At, point: HookPoint): ReturnType<typeof hooksFor> {
  if (!hookPoints(at.plan.action).includes(point)) return []
  const { plan, environment } = at.run
  const busy = environment.hosts.filter((h) => plan.hosts.some((p) => p.host === h.name && p.action !== 'none'))
  return hooksFor(environment.hooks[point], at.host, busy)
}

/** The steps that run the owner's hooks on the hosts on the way forward. */
import type { Hook, HookPoint } from '../../config/hooks.ts'
import type { Runner } from '../../runner.ts'
import { onceKey } from '../choose-hooks.ts'
import { hookEnv, runHooks, type HookFacts } from '../hooks.ts'
import { factsOf, sessionOf, targetLink, type At, type Step } from '../step.ts'

/** Runs in `deployTo`: there is no release yet. */
export const beforeStage = hookStep('beforeStage', (at) => at.host.deployTo)
/** Runs in the new release's folder, while the old one is live; a package has none yet. */
export const beforeSwitch = hookStep('beforeSwitch', ({ host, run }) =>
  host.deb ? host.deployTo : `${host.deployTo}/${targetLink(run)}`,
)
/** Runs in `current`: reload or restart the app here. */
export const afterSwitch = hookStep('afterSwitch', (at) => `${at.host.deployTo}/current`)

function hookStep(point: HookPoint, cwd: (at: At) => string): Step {
  return {
    name: point,
    skip: (at) => (at.hooks.on(point, at.host.name).length === 0 ? '' : undefined),
    run: (at) => runHooksAt(at, point, factsOf(at, cwd(at))),
  }
}

/** Runs the hooks of a point on one host; what a run that died had done once is not done again. Resolves with a note. */
export async function runHooksAt(at: At, point: HookPoint, facts: HookFacts): Promise<string> {
  const { io, plan } = at.run
  const hooks = at.hooks.on(point, at.host.name)
  const wanted = hooks.filter((hook) => !(hook.once && at.done.has(onceKey(plan, point, hook))))
  const runner = (hook: Hook): Runner => {
    const session = sessionOf(at)
    if (!hook.once) return session.run
    return (argv, options) => session.runOnce(argv, onceKey(plan, point, hook), at.lease, options)
  }
  const { signal } = at
  const env = hookEnv(facts, io)
  const count = await runHooks(point, wanted, { host: at.host.name, cwd: facts.cwd, env, runner, io, signal })
  const said = count === 1 ? '1 hook' : `${count} hooks`
  const skipped = hooks.length - count
  return skipped === 0 ? said : `${said}, ${skipped} done by the run before`
}

/** Asks whether the release that is live now is healthy. */
import type { GateSpec } from '../../config/environment.ts'
import { gateByKey } from '../../gates/index.ts'
import type { Program } from '../../runner.ts'
import { passGate } from '../gate.ts'
import { gateHostOf, type GateSession } from '../gate-host.ts'
import { factsOf, gateHost, type At, type Step } from '../step.ts'

export const gate: Step = {
  name: 'gate',
  skip: (at) =>
    at.plan.action === 'none' ? at.plan.why : gatesAt(at).length === 0 ? 'no health checks configured' : undefined,
  run: (at) => passGate(gatesAt(at), gateHost(at, factsOf(at, live(at))), at.signal),
}

/**
 * The program that the first health check will run on a host, where nothing stands between it and the switch: no hook, and no other host whose
 * switch is waited for. Undefined when it runs none.
 */
export async function firstProgram(at: At): Promise<Program | undefined> {
  const [first] = gatesAt(at)
  const { host, hooks, run } = at
  const wave = run.plan.waves.find((hosts) => hosts.includes(host.name))
  const hasHooks = hooks.on('afterSwitch', host.name).length + hooks.local('afterSwitch').length > 0
  if (!first || first.from === 'client' || hasHooks || wave?.length !== 1) return undefined
  let asked: Program | undefined
  const refuse = (): Promise<never> => Promise.reject(new Error('only what it would do is asked'))
  const session: GateSession = {
    host,
    run: (argv, { cwd, env, maxOutputBytes }) => {
      asked ??= { argv, cwd, env, maxOutputBytes }
      return refuse()
    },
    dial: refuse,
  }
  await gateByKey(first.kind)
    .probe(gateHostOf(session, factsOf(at, live(at)), run.io), first.options, at.signal)
    .catch(() => undefined)
  return asked
}

function live(at: At): string {
  return `${at.host.deployTo}/current`
}

/** Health checks that concern a host. */
export function gatesAt(at: At): GateSpec[] {
  return at.run.environment.health.filter((g) => g.role === undefined || at.host.roles.includes(g.role))
}

/** Asks whether the release that is live now is healthy. */
import { passGate } from '../gate.ts'
import { factsOf, gateHost, type At, type Step } from '../step.ts'
import type { GateSpec } from '../../config/environment.ts'

export const gate: Step = {
  name: 'gate',
  skip: (at) =>
    at.plan.action === 'none' ? at.plan.why : gatesAt(at).length === 0 ? 'no health checks configured' : undefined,
  run: (at) => passGate(gatesAt(at), gateHost(at, factsOf(at, `${at.host.deployTo}/current`)), at.signal),
}

/** Health checks that concern a host. */
export function gatesAt(at: At): GateSpec[] {
  return at.run.environment.health.filter((g) => g.role === undefined || at.host.roles.includes(g.role))
}

/** Takes a host out of its load balancers before its switch, and puts it back when it is through its gate. */
import { isDrained } from '../drains.ts'
import { hookEnv } from '../hooks.ts'
import { factsOf, type At, type Step } from '../step.ts'

export const drain: Step = {
  name: 'drain',
  skip: (at) => skipped(at),
  run: (at) => at.drains.out(at.host, { env: envOf(at), signal: at.signal }),
}

export const undrain: Step = {
  name: 'undrain',
  skip: (at) => skipped(at),
  run: (at) => at.drains.in(at.host, { env: envOf(at), signal: at.signal }),
}

function skipped({ plan, host, run }: At): string | undefined {
  return plan.action === 'none' || !isDrained(run.environment, host.name) ? '' : undefined
}

function envOf(at: At): Readonly<Record<string, string>> {
  return hookEnv(factsOf(at, at.host.deployTo), at.run.io)
}

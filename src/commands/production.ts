/**
 * What changes production asks first, on a terminal. An environment that is marked `production: true` wants a `--yes` where nobody can be
 * asked; one that is only called production does not, so that a job of CI runs as it always did.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { count } from '../ui/measure.ts'
import type { Answer, Context } from './command.ts'

/** Throws reason `usage` when nobody can be asked and nobody said yes. */
export function refuseUnasked({ name, production }: Environment, { yes, prompts }: Context): void {
  if (production !== true || yes || prompts.interactive) return
  throw new ShipError('usage', `"${name}" is marked as production, and there is no terminal to ask on`, {
    state: 'nothing was changed on any host',
    next: ['add --yes when it is meant'],
  })
}

/** Whether it may be done; asks on a terminal. `what` completes "... of production?": "run "df -h" on". */
export async function mayTouch(environment: Environment, what: string, context: Context): Promise<boolean> {
  refuseUnasked(environment, context)
  const { name, production, hosts } = environment
  const counts = production ?? name === 'production'
  if (!counts || context.yes || !context.prompts.interactive) return true
  await context.settle()
  return context.prompts.confirm(`${what} ${count(hosts.length, 'host')} of ${name}?`)
}

/** The answer to somebody who said no. It is no success: what was asked for is not so, and a script must not go on as if it were. */
export function nothingDone(data: unknown = { done: false }): Answer {
  return { data, text: () => [], error: new ShipError('refused', 'nothing was done, as you answered') }
}

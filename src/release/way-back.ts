/** Whether a host may be put back. Pure. */
import type { NoReturn } from '../host/session.ts'
import { passedBetween } from './no-return.ts'
import type { At } from './step.ts'

/** What lies between a host and the release that it would be put back to. */
export function noReturnOf({ run, record, plan, state }: At): NoReturn | undefined {
  if (run.plan.kind === 'rollback' || run.environment.returnAnyway) return undefined
  return passedBetween(record, plan.back, state)
}

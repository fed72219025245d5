/** How much may go wrong in a run that is done all the same, and who stays behind then. Pure. */
import { roundedDown } from '../config/amount.ts'
import type { Environment } from '../config/environment.ts'
import { ShipError, type Reason } from '../errors.ts'
import type { HostName } from '../names.ts'
import type { Plan } from './plan.ts'

/** Numbers of hosts, of all that the run is for. */
export interface Allowances {
  readonly unreachable: number
  readonly failed: number
}

/** A host that the run goes on without. It keeps what it runs; `runs` is undefined where that is not known. */
export interface Behind {
  readonly host: HostName
  readonly kind: 'unreachable' | 'failed'
  readonly why: string
  readonly runs: string | undefined
}

export function allowancesOf({ hosts, maxFailed, maxUnreachable }: Environment): Allowances {
  return { unreachable: roundedDown(maxUnreachable, hosts.length), failed: roundedDown(maxFailed, hosts.length) }
}

/** What may be one host's own trouble. Tampering, locks, interruptions and defects are never. */
const OF_ONE_HOST: readonly Reason[] = ['not-switched', 'unreachable']

interface Failure {
  readonly host: HostName
  readonly error: unknown
}

/**
 * Whether a run may go on without the hosts that failed. `spent`: hosts that failed before. `left`: hosts that got the release or
 * still can; without one there is nothing that speaks for it. No host of a trial wave may fail.
 */
export function mayGoOn(
  { allowances, waves, waveRules }: Pick<Plan, 'allowances' | 'waves' | 'waveRules'>,
  failed: readonly Failure[],
  { spent, left }: { readonly spent: number; readonly left: number },
): boolean {
  const trial = waves.filter((_, index) => waveRules[index]?.mayFail === false).flat()
  return (
    left > 0 &&
    spent + failed.length <= allowances.failed &&
    failed.every(({ host, error }) => isOfOneHost(error) && !trial.includes(host))
  )
}

/** Whether an error may be the trouble of one host alone. */
export function isOfOneHost(error: unknown): boolean {
  return error instanceof ShipError && OF_ONE_HOST.includes(error.reason)
}

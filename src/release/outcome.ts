/** What a run amounts to: for the fleet as an error with its exit code, and for each host. Pure. */
import { messageOf, ShipError } from '../errors.ts'
import type { HostOutcome } from '../events.ts'
import type { NoReturn } from '../host/session.ts'
import type { Behind } from './allowance.ts'
import { whyNoReturn } from './no-return.ts'
import type { HostPlan, Plan } from './plan.ts'
import type { PutBack } from './put-back.ts'
import { versionIn } from './step.ts'

/** A version keeps its bytes, so what is wrong in them is mended in another one. */
const MENDED = [
  'the app is to blame: mend it, ship build --bump patch, ship release',
  'the hosts are: mend them, then run the same command again',
]

/** Of a run that has switched nothing. */
export const GO_ON = 'mend what failed, then run the same command again; what was sent stays there'

/** What a failure after the first switch means, by what the way back achieved. */
export function afterUndo(
  error: ShipError,
  results: ReadonlyMap<string, PutBack>,
  { gated, passed }: { readonly gated: boolean; readonly passed: NoReturn | undefined },
): ShipError {
  const stranded = [...results].filter(([, r]) => r.outcome === 'stranded')
  if (stranded.length > 0) {
    return new ShipError('stranded', error.message, {
      step: error.step,
      host: error.host,
      cause: error,
      state: passed
        ? `${stranded.length} of ${results.size} hosts were left as they are, behind the point of no return of ${passed.version}; a person is needed`
        : `${stranded.length} of ${results.size} switched hosts could not be put back; a person is needed`,
      details: [
        ...error.details,
        ...(passed ? [whyNoReturn(passed)] : []),
        ...stranded.map(([host, r]) => `${host} runs ${r.after ?? 'an unknown release'}: ${r.note ?? ''}`),
      ],
      next: passed
        ? ['mend what failed and run the same command again, which goes on, or: ship rollback --force']
        : [
            'look at those hosts, then run the same command again, or where an earlier release is verified: ship rollback',
          ],
    })
  }
  const switched = [...results.values()].filter((r) => r.outcome === 'put-back').length
  const interrupted = error.reason === 'sigint' || error.reason === 'sigterm'
  if (switched === 0) {
    const kept = interrupted || error.reason === 'refused' || error.reason === 'locked'
    return error.as(kept ? error.reason : 'not-switched', {
      state: '"current" is as it was on every host',
      next: kept ? [] : [GO_ON],
    })
  }
  const hosts = switched === 1 ? 'the switched host was' : `all ${switched} switched hosts were`
  const wasLive = [...results.values()].some((r) => r.outcome === 'put-back' && r.after !== undefined)
  const state = `${hosts} put back${gated && wasLive ? ' and passed the gate again' : ''}`
  return error.as(interrupted ? error.reason : 'put-back', { state, next: interrupted ? [] : MENDED })
}

/** What one host runs now and how it came to that. */
export function outcome(
  plan: HostPlan,
  of: Plan,
  back: PutBack | undefined,
  run: { durationMs: number; failed: boolean },
): HostOutcome {
  const before = plan.fromVersion ?? (plan.from === null ? undefined : versionIn(plan.from))
  const base = { host: plan.host, before, durationMs: run.durationMs }
  if (back) return { ...base, after: back.after, outcome: back.outcome, note: back.note }
  if (plan.action === 'none') return { ...base, after: before, outcome: 'unchanged' }
  if (run.failed) return { ...base, after: before, outcome: 'not-switched' }
  return { ...base, after: of.target, outcome: 'released' }
}

/** The same of a host that the run was without from its beginning. */
export function outcomeBehind({ host, kind, why, runs }: Behind): HostOutcome {
  return {
    host,
    before: runs,
    after: runs,
    outcome: kind === 'unreachable' ? 'unreachable' : 'not-switched',
    durationMs: 0,
    note: why,
  }
}

/** A defect in the middle of a run must not keep the hosts from being put back: it is told as what it is, with their state. */
export function asShipError(error: unknown): ShipError {
  if (error instanceof ShipError) return error
  return new ShipError('not-switched', `a defect of ship: ${messageOf(error)}`, { cause: error })
}

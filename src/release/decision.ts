/** What is to be done on a host, from its state and from what its load balancers say. Pure. */
import type { Environment } from '../config/environment.ts'
import { messageOf } from '../errors.ts'
import { allOrThrow, type HostResult, type Missing } from '../fleet/results.ts'
import type { HostState, ReleaseRecord } from '../host/session.ts'
import type { Host } from '../transport/transport.ts'
import type { Version } from '../version.ts'
import { allowancesOf, isOfOneHost, type Behind } from './allowance.ts'
import { liveRecord, runningNow, type Observed } from './observe.ts'
import { doing } from './owner.ts'
import type { HostPlan, Plan } from './plan.ts'
import { leftOut, type SeenPools } from './pools.ts'

export interface Decision {
  readonly action: HostPlan['action']
  readonly why: string
}

interface Decided {
  readonly host: Host
  readonly state: HostState
  readonly decision: Decision
}

/**
 * Decides for every host. Refusals become one error, unless they are the trouble of single hosts, no more than may fail, and others
 * have something to do: those hosts are behind then, as the ones that were not reached are.
 */
export function decideForAll(
  environment: Environment,
  observed: readonly Observed[],
  rule: (host: Host, state: HostState) => Decision,
  missing: readonly Missing[] = [],
): { readonly decided: readonly Decided[]; readonly behind: readonly Behind[] } {
  const results = observed.map(({ host: name, state }): HostResult<Decided> => {
    const host = environment.hosts.find((h) => h.name === name)
    if (!host) throw new TypeError(`no host "${name}" in environment "${environment.name}"`)
    try {
      return { host, ok: true, value: { host, state, decision: rule(host, state) } }
    } catch (error) {
      return { host, ok: false, error }
    }
  })
  const decided = results.flatMap((r) => (r.ok ? [r.value] : []))
  const failed = results.filter((r) => !r.ok)
  const isAllowed =
    failed.length <= allowancesOf(environment).failed &&
    failed.every(({ error }) => isOfOneHost(error)) &&
    decided.some(({ decision }) => decision.action !== 'none')
  if (!isAllowed) allOrThrow(results, { step: 'plan', state: 'nothing was changed on any host' })
  const unable = failed.map(({ host, error }): Behind => {
    const state = observed.find((o) => o.host === host.name)?.state
    return { host: host.name, kind: 'failed', why: messageOf(error), runs: state && runningNow(state) }
  })
  const unreached = missing.map(({ host, error }): Behind => {
    return { host: host.name, kind: 'unreachable', why: error.message, runs: undefined }
  })
  return { decided, behind: [...unreached, ...unable] }
}

/** Of a release of this version. */
export function releaseAction(version: Version, state: HostState): Decision {
  const record = state.releases.find((r) => r.version === version)
  const live = liveRecord(state)
  if (record && live?.version === version) {
    if (record.state !== 'verified')
      return { action: 'resume', why: `switched to by run ${record.run}, which ended before its gate` }
    return unfinished(state, 'release', version) ?? { action: 'none', why: 'already live and verified' }
  }
  return record ? { action: 'reuse', why: whyHeld(record) } : { action: 'stage', why: 'not on this host' }
}

/** A record says which run released it, and not which one went back from it. */
function whyHeld({ state, run }: ReleaseRecord): string {
  return state === 'bad' ? 'on this host; it was rolled back from' : `${state} on this host by run ${run}`
}

/** A lock that still stands is that of a run which did not get to its end: whether it reloaded the app, nobody knows. */
export function unfinished(state: HostState, kind: Plan['kind'], version: Version): Decision | undefined {
  if (state.lock?.owner.doing !== doing(kind, version)) return undefined
  return { action: 'resume', why: `run ${state.lock.owner.run} ended before it was done` }
}

/** A host that nothing is to be done on, but that a dead run left out of its balancer, is gated and put back. */
export function busyIfLeftOut(
  decision: Decision,
  pools: readonly SeenPools[] = [],
  { host, state }: { readonly host: Host; readonly state: HostState },
): Decision {
  if (decision.action !== 'none') return decision
  const why = leftOut(pools, host.name, state)
  return why === undefined ? decision : { action: 'resume', why }
}

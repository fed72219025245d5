/**
 * A plan is data: what a run will do on each host, made from the hosts' observed state. Release, rollback and resume are
 * plans for one transaction; `ship plan` prints what `ship release` runs.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import type { HostState } from '../host/session.ts'
import type { AppName, HostName } from '../names.ts'
import type { Host } from '../transport/transport.ts'
import type { Version } from '../version.ts'
import { unfitToGoBack } from './fit-host.ts'
import { linksOf, releaseProblem, rollbackProblem, type PlanOptions, type Target } from './fit.ts'
import { describeConfirm, describeGate } from './gate.ts'
import { hookTitles, localTitles } from './hook-titles.ts'
import { rollbackAcross } from './no-return.ts'
import { describeDrains, refusePools } from './pools.ts'
import { allowancesOf, type Allowances, type Behind } from './allowance.ts'
import { busyIfLeftOut, decideForAll, releaseAction, unfinished, type Decision } from './decision.ts'
import { beforeLive, currentTarget, liveRecord, observedDigest, wayBack, type Observed } from './observe.ts'
import { describeLock } from './owner.ts'
import { prunable } from './retention.ts'
import { waves, type WaveRule } from './waves.ts'
import { contentBytes } from '../tree/entries.ts'

export interface HostPlan {
  readonly host: HostName
  /**
   * stage: send and switch. reuse: already staged with the same bytes; check and switch. resume: already switched to by a
   * run that died before it was done; hooks after the switch and gate. none: already live and verified.
   */
  readonly action: 'stage' | 'reuse' | 'resume' | 'none'
  /** Why this action, for people: "not on this host", "staged by run 7f3a". */
  readonly why: string
  /** Where `current` points now; null when there is none. */
  readonly from: string | null
  readonly fromVersion: Version | undefined
  /** Where `current` is put back to on failure: `from`, or the last verified release when `from` never passed its gate. */
  readonly back: string | null
  /** Files of the release against the live one; undefined when the live one's manifest is not known. */
  readonly changes:
    | { readonly added: number; readonly changed: number; readonly removed: number; readonly bytes: number }
    | undefined
  /** Content bytes to unpack on the host; 0 unless action is stage. */
  readonly treeBytes: number
  /** Links into shared/ that will be laid. */
  readonly links: readonly string[]
  /** Titles of hooks in the order they run here, by point. */
  readonly hooks: readonly { readonly point: string; readonly title: string }[]
  readonly gates: readonly string[]
  /** Load balancers that the host is taken out of meanwhile, in words. */
  readonly drains: readonly string[]
  readonly prune: readonly Version[]
  /** Whose lock is on the host, in words. It is taken over when its holder is dead, and cleaned up even if nothing else is to do. */
  readonly lock: string | undefined
}

export interface Plan {
  readonly schema: 1
  readonly kind: 'release' | 'rollback'
  readonly app: AppName
  readonly environment: string
  readonly target: Version
  /** Digest of the bundle's manifest; of the recorded release for a rollback. */
  readonly digest: string
  /** Digest of the states of its hosts that the plan was made from. */
  readonly observed: string
  /** In the fixed order of locking: by name. */
  readonly hosts: readonly HostPlan[]
  /** Titles of hooks that run on this machine, in their order. */
  readonly local: readonly { readonly point: string; readonly title: string }[]
  /** Hosts that switch together, in order. */
  readonly waves: readonly (readonly HostName[])[]
  /** For each wave, what follows it. */
  readonly waveRules: readonly WaveRule[]
  /** Hosts that are left out and keep what they run: not reached, or unable to take part. */
  readonly behind: readonly Behind[]
  /** How many hosts may be missing and how many may fail before the run is called off; those in `behind` count. */
  readonly allowances: Allowances
}

/**
 * The plan of a release. Rejects what cannot work before anything is touched: a ShipError that names every host concerned, of
 * reason `refused` (other bytes under this version, downgrade) or `not-switched` (disk, rights, tools, shared files, an obstacle).
 */
export function releasePlan(
  environment: Environment,
  target: Target,
  observed: readonly Observed[],
  options: PlanOptions = {},
): Plan {
  const rule = (host: Host, state: HostState): Decision => {
    const problem = releaseProblem(environment, host, target, state, options)
    if (problem) throw problem
    return busyIfLeftOut(releaseAction(target.manifest.version, state), options.pools, { host, state })
  }
  const { decided, behind } = decideForAll(environment, observed, rule, options.missing)
  const hosts = decided.map(({ host, state, decision }): Planned => {
    const links = linksOf(environment, state)
    const entries = target.manifest.entries
    const treeBytes = decision.action === 'stage' ? contentBytes(entries) : 0
    // Of a release that is live already, the way back is what was live before it.
    const live = liveRecord(state)
    const previous = live?.version === target.manifest.version ? beforeLive(state) : wayBack(state)
    const prune = prunable(state, target.manifest.version, { keep: environment.keep, previous })
    const back = decision.action === 'resume' ? { back: previous } : {}
    return {
      ...common(host, state, decision),
      ...back,
      links,
      treeBytes,
      prune: decision.action === 'none' ? [] : prune,
    }
  })
  const planned = withHooks(environment, 'release', hosts)
  const { version } = target.manifest
  return assemble(environment, 'release', version, target.digest, planned, { ...options, observed, behind })
}

/**
 * The plan of a rollback to a version every host still has, verified. Rejects with reason `refused` when a host has no such
 * release. Disk space is not asked about: going back must work on a full disk.
 */
export function rollbackPlan(
  environment: Environment,
  version: Version,
  observed: readonly Observed[],
  options: Pick<PlanOptions, 'pools' | 'missing' | 'force'> = {},
): Plan {
  const digests = new Set<string>()
  const rule = (host: Host, state: HostState): Decision => {
    const problem = unfitToGoBack(environment, host, state)
    if (problem) throw problem
    const record = state.releases.find((r) => r.version === version)
    const refusal = rollbackProblem(version, record, state)
    if (refusal) throw refusal.at({ next: [`see what is there: ship releases -e ${environment.name}`] })
    const across = record && options.force !== true ? rollbackAcross(environment, record, state) : undefined
    if (across) throw across
    if (record) digests.add(record.digest)
    if (liveRecord(state)?.version !== version)
      return { action: 'reuse', why: `${record?.state ?? 'verified'} on this host` }
    const decision = unfinished(state, 'rollback', version) ?? { action: 'none', why: 'already live' }
    return busyIfLeftOut(decision, options.pools, { host, state })
  }
  const { decided, behind } = decideForAll(environment, observed, rule, options.missing)
  if (digests.size > 1) {
    throw new ShipError('refused', `the hosts hold different bytes under version ${version}`, {
      next: [`see which: ship releases -e ${environment.name}`, 'release one bundle to all of them'],
    })
  }
  const hosts = decided.map(({ host, state, decision }): Planned => ({
    ...common(host, state, decision),
    links: [],
    treeBytes: 0,
    prune: [],
  }))
  return assemble(environment, 'rollback', version, [...digests][0] ?? '', withHooks(environment, 'rollback', hosts), {
    ...options,
    observed,
    behind,
  })
}

type Planned = Omit<HostPlan, 'hooks' | 'gates' | 'drains'>

function common(host: Host, state: HostState, decision: Decision): Omit<Planned, 'links' | 'treeBytes' | 'prune'> {
  return {
    host: host.name,
    action: decision.action,
    why: decision.why,
    from: currentTarget(state.current),
    fromVersion: state.current.kind === 'link' ? state.current.version : undefined,
    back: decision.action === 'none' ? currentTarget(state.current) : wayBack(state),
    changes: undefined,
    lock: state.lock && describeLock(state.lock),
  }
}

function withHooks(environment: Environment, kind: Plan['kind'], hosts: readonly Planned[]): HostPlan[] {
  const busy = environment.hosts.filter((h) => hosts.some((p) => p.host === h.name && p.action !== 'none'))
  return hosts.map((plan) => {
    const host = environment.hosts.find((h) => h.name === plan.host)
    const hooks = host ? hookTitles(environment, host, busy, { action: plan.action, kind }) : []
    const gates =
      plan.action === 'none'
        ? []
        : environment.health.filter((g) => g.role === undefined || host?.roles.includes(g.role))
    const confirmed = describeConfirm(environment, plan.action)
    const drains = plan.action === 'none' ? [] : describeDrains(environment.drains, plan.host)
    return { ...plan, hooks, gates: [...gates.map(describeGate), ...confirmed], drains }
  })
}

function assemble(
  environment: Environment,
  kind: Plan['kind'],
  target: Version,
  digest: string,
  hosts: readonly HostPlan[],
  { observed, behind, pools = [] }: PlanOptions & Pick<Plan, 'behind'> & { readonly observed: readonly Observed[] },
): Plan {
  // Waves follow the order in which the user wrote the hosts; locking follows the names.
  const busy = environment.hosts
    .map((h) => h.name)
    .filter((name) => hosts.some((p) => p.host === name && p.action !== 'none'))
  const order = waves(busy, environment.strategy)
  const hostsOfWaves = order.map((wave) => wave.hosts)
  refusePools(hostsOfWaves, pools)
  return {
    schema: 1,
    kind,
    app: environment.app,
    environment: environment.name,
    target,
    digest,
    observed: observedDigest(observed.filter((o) => hosts.some((p) => p.host === o.host))),
    hosts,
    local: localTitles(environment, hosts, kind),
    waves: hostsOfWaves,
    waveRules: order.map(({ bakeMs, pauseMs, mayFail }) => ({ bakeMs, pauseMs, mayFail })),
    behind,
    allowances: allowancesOf(environment),
  }
}

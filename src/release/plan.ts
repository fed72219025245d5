/**
 * A plan is data: what a run will do on each host, made from the hosts' observed state. Release, rollback and resume are
 * plans for one transaction; `ship plan` prints what `ship release` runs.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { allOrThrow, type HostResult } from '../fleet/results.ts'
import type { HostState } from '../host/session.ts'
import type { AppName, HostName } from '../names.ts'
import type { Host } from '../transport/transport.ts'
import type { Version } from '../version.ts'
import { bundleProblem, hostProblem, rollbackProblem, type PlanOptions, type Target } from './fit.ts'
import { describeGate } from './gate.ts'
import { hookPoints, hooksFor } from './hooks.ts'
import { beforeLive, currentTarget, liveRecord, observedDigest, wayBack, type Observed } from './observe.ts'
import { describeLock, doing } from './owner.ts'
import { prunable } from './retention.ts'
import { waves } from './waves.ts'

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
  /** Digest of the host states that the plan was made from. */
  readonly observed: string
  /** In the fixed order of locking: by name. */
  readonly hosts: readonly HostPlan[]
  /** Hosts that switch together, in order. */
  readonly waves: readonly (readonly HostName[])[]
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
  const actions = decide(environment, observed, (host, state) => {
    const problem = hostProblem(state, host.deployTo) ?? bundleProblem(environment, host, target, state, options)
    if (problem) throw problem
    return releaseAction(target.manifest.version, state)
  })
  const hosts = actions.map(({ host, state, decision }): Planned => {
    const links = linksOf(environment, state)
    const entries = target.manifest.entries
    const treeBytes =
      decision.action === 'stage' ? entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0) : 0
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
  return assemble(
    environment,
    'release',
    target.manifest.version,
    target.digest,
    withHooks(environment, hosts),
    observed,
  )
}

/**
 * The plan of a rollback to a version every host still has, verified. Rejects with reason `refused` when a host has no such
 * release. Disk space is not asked about: going back must work on a full disk.
 */
export function rollbackPlan(environment: Environment, version: Version, observed: readonly Observed[]): Plan {
  const digests = new Set<string>()
  const actions = decide(environment, observed, (host, state) => {
    const problem = hostProblem(state, host.deployTo)
    if (problem) throw problem
    const record = state.releases.find((r) => r.version === version)
    const refusal = rollbackProblem(version, record, state)
    if (refusal) throw refusal
    if (record) digests.add(record.digest)
    if (liveRecord(state)?.version !== version)
      return { action: 'reuse', why: `${record?.state ?? 'verified'} on this host` }
    return unfinished(state, 'rollback', version) ?? { action: 'none', why: 'already live' }
  })
  if (digests.size > 1) {
    throw new ShipError('refused', `the hosts hold different bytes under version ${version}`, {
      next: [`see which: ship releases -e ${environment.name}`, 'release one bundle to all of them'],
    })
  }
  const hosts = actions.map(({ host, state, decision }): Planned => ({
    ...common(host, state, decision),
    links: [],
    treeBytes: 0,
    prune: [],
  }))
  return assemble(environment, 'rollback', version, [...digests][0] ?? '', withHooks(environment, hosts), observed)
}

interface Decision {
  readonly action: HostPlan['action']
  readonly why: string
}

interface Decided {
  readonly host: Host
  readonly state: HostState
  readonly decision: Decision
}

/** Decides for every host; all refusals become one error. */
function decide(
  environment: Environment,
  observed: readonly Observed[],
  rule: (host: Host, state: HostState) => Decision,
): Decided[] {
  const results = observed.map(({ host: name, state }): HostResult<Decided> => {
    const host = environment.hosts.find((h) => h.name === name)
    if (!host) throw new TypeError(`no host "${name}" in environment "${environment.name}"`)
    try {
      return { host, ok: true, value: { host, state, decision: rule(host, state) } }
    } catch (error) {
      return { host, ok: false, error }
    }
  })
  return allOrThrow(results, { step: 'plan', state: 'nothing was changed on any host' })
}

function releaseAction(version: Version, state: HostState): Decision {
  const record = state.releases.find((r) => r.version === version)
  const live = liveRecord(state)
  if (record && live?.version === version) {
    if (record.state !== 'verified')
      return { action: 'resume', why: `switched to by run ${record.run}, which ended before its gate` }
    return unfinished(state, 'release', version) ?? { action: 'none', why: 'already live and verified' }
  }
  return record
    ? { action: 'reuse', why: `${record.state} on this host since run ${record.run}` }
    : { action: 'stage', why: 'not on this host' }
}

/** A lock that still stands is that of a run which did not get to its end: whether it reloaded the app, nobody knows. */
function unfinished(state: HostState, kind: Plan['kind'], version: Version): Decision | undefined {
  if (state.lock?.owner.doing !== doing(kind, version)) return undefined
  return { action: 'resume', why: `run ${state.lock.owner.run} ended before it was done` }
}

type Planned = Omit<HostPlan, 'hooks' | 'gates'>

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

function linksOf(environment: Environment, state: HostState): string[] {
  const { dirs, files, optionalFiles } = environment.shared
  return [...dirs, ...files, ...optionalFiles.filter((file) => !state.missingShared.includes(file))]
}

function withHooks(environment: Environment, hosts: readonly Planned[]): HostPlan[] {
  const busy = environment.hosts.filter((h) => hosts.some((p) => p.host === h.name && p.action !== 'none'))
  return hosts.map((plan) => {
    const host = environment.hosts.find((h) => h.name === plan.host)
    const points = host ? hookPoints(plan.action) : []
    const hooks = points.flatMap((point) =>
      hooksFor(environment.hooks[point], host, busy).map((hook) => ({ point, title: hook.title })),
    )
    const gates =
      plan.action === 'none'
        ? []
        : environment.health.filter((g) => g.role === undefined || host?.roles.includes(g.role))
    return { ...plan, hooks, gates: gates.map(describeGate) }
  })
}

function assemble(
  environment: Environment,
  kind: Plan['kind'],
  target: Version,
  digest: string,
  hosts: readonly HostPlan[],
  observed: readonly Observed[],
): Plan {
  // Waves follow the order in which the user wrote the hosts; locking follows the names.
  const busy = environment.hosts
    .map((h) => h.name)
    .filter((name) => hosts.some((p) => p.host === name && p.action !== 'none'))
  return {
    schema: 1,
    kind,
    app: environment.app,
    environment: environment.name,
    target,
    digest,
    observed: observedDigest(observed),
    hosts,
    waves: waves(busy, environment.strategy),
  }
}

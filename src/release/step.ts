/** What a step of the transaction is, and what it is given. Steps return facts; nobody writes into a shared context. */
import type { HookChoice } from './choose-hooks.ts'
import type { Drains } from './drains.ts'
import { gateHostOf } from './gate-host.ts'
import type { HookFacts } from './hooks.ts'
import type { HostPlan, Plan } from './plan.ts'
import type { Relay } from './relay.ts'
import type { Environment } from '../config/environment.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Base } from '../formats/delta.ts'
import type { PackedPayload } from '../formats/payload.ts'
import type { GateHost } from '../gates/gate.ts'
import type { CopyAhead, DebFile, Drift, HostSession, HostState, Lease, ReleaseRecord } from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Host } from '../transport/transport.ts'
import type { Manifest } from '../tree/manifest.ts'
import { isVersion } from '../version.ts'

/** One run of one plan. */
export interface Run {
  readonly plan: Plan
  readonly fleet: Fleet
  readonly environment: Environment
  readonly io: Io
  /** Commit of the bundle, for the journal. */
  readonly commit?: string | undefined
  /** The package that is released; a rollback finds its target's on the hosts. */
  readonly deb?: DebFile | undefined
  /** Of the bundle; a rollback reads its target's from the hosts. */
  readonly manifest?: Manifest | undefined
  /** By whose help payloads come to the hosts. */
  readonly relay?: Relay | undefined
  /** What differs in the target where a host has it already: a look that was begun while the lock was asked for. */
  readonly looked?: ReadonlyMap<string, Promise<readonly Drift[] | undefined>> | undefined
  /** Releases that what a host lacks is packed against: they were found while the lock was asked for. */
  readonly bases?: ReadonlyMap<string, Promise<readonly Base[] | undefined>> | undefined
  /** What hosts may begin to copy when they are locked. */
  readonly copies?: ReadonlyMap<string, CopyAhead> | undefined
  /**
   * The bundle as a host with these tools unpacks it, less what it can copy from these releases of its own; made once for all hosts
   * alike. Never called by a rollback.
   */
  readonly pack: (tools: HostState['tools'], bases: readonly Base[]) => PackedPayload
}

/** One host in a run, its lock held. */
export interface At {
  readonly run: Run
  readonly host: Host
  readonly plan: HostPlan
  readonly lease: Lease
  /** As read under the lock. */
  readonly state: HostState
  /** The target's record as it is while the release is live and unverified. */
  readonly record: ReleaseRecord
  /** Paths that differ between the release before and the target; undefined when nobody asks, or it is not known. */
  readonly changed: readonly string[] | undefined
  /** Which hooks run where. */
  readonly hooks: HookChoice
  /** Those of the way back, when hosts may go it by themselves. */
  readonly hooksBack?: HookChoice | undefined
  /** Keys of hooks that a run which died did once, on any host. */
  readonly done: ReadonlySet<string>
  /** The load balancers of the run. */
  readonly drains: Drains
  /** Aborts with the run or with the lease. The undo gives its own. */
  readonly signal: AbortSignal
}

export interface Step {
  readonly name: string
  /** Why a host does not need this step, '' when there is nothing to tell of it; undefined: it does. */
  skip?(at: At): string | undefined
  /** Does it on one host. The resolved string is shown as the step's note. */
  run(at: At): Promise<string | void>
}

/** The session of a host; it may have been opened anew since the last step. */
export function sessionOf(at: At): HostSession {
  return at.run.fleet.session(at.host.name)
}

/** What hooks are told. */
export function factsOf(at: At, cwd: string, action: HookFacts['action'] = at.run.plan.kind): HookFacts {
  const { plan } = at.run
  const old = previousOf(at.plan)
  const back = action === 'put-back'
  return {
    environment: at.run.environment,
    host: at.host,
    action,
    version: back ? versionIn(at.plan.back) : plan.target,
    previous: back ? plan.target : isVersion(old) ? old : '',
    digest: back ? '' : plan.digest,
    cwd,
  }
}

/** What gates may do on the host of a run. */
export function gateHost(at: At, facts: HookFacts): GateHost {
  return gateHostOf(sessionOf(at), facts, at.run.io)
}

/** The version before the target; where a dead run switched already, the one that it came from. '' when there is none. */
export function previousOf(plan: HostPlan): string {
  if (plan.action === 'resume') return versionIn(plan.back)
  return plan.fromVersion ?? (plan.from === null ? '' : versionIn(plan.from))
}

/** Text of `current` for the run's target. */
export function targetLink(run: Run): string {
  return `releases/${run.plan.target}`
}

/** The version a link names, as far as it is one of ours: "releases/1.4.2" is "1.4.2", another target stays whole. */
export function versionIn(link: string | null): string {
  return link === null ? '' : link.replace(/^releases\//, '')
}

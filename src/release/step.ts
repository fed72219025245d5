/** What a step of the transaction is, and what it is given. Steps return facts; nobody writes into a shared context. */
import { hookEnv, type HookFacts } from './hooks.ts'
import type { HostPlan, Plan } from './plan.ts'
import type { Environment } from '../config/environment.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { PackedPayload } from '../formats/payload.ts'
import type { GateHost } from '../gates/gate.ts'
import type { HostSession, HostState, Lease, ReleaseRecord } from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Host } from '../transport/transport.ts'

/** One run of one plan. */
export interface Run {
  readonly plan: Plan
  readonly fleet: Fleet
  readonly environment: Environment
  readonly io: Io
  /** Commit of the bundle, for the journal. */
  readonly commit?: string | undefined
  /** The bundle as a host with these tools unpacks it; made once for all hosts alike. Never called by a rollback. */
  readonly pack: (tools: HostState['tools']) => Promise<PackedPayload>
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
  const old = at.plan.fromVersion ?? ''
  const back = action === 'put-back'
  return {
    environment: at.run.environment,
    host: at.host,
    action,
    version: back ? versionIn(at.plan.back) : plan.target,
    previous: back ? plan.target : old,
    digest: back ? '' : plan.digest,
    cwd,
  }
}

/** What gates may do: run programs in the live release's folder with its environment, and connect from the host. */
export function gateHost(at: At, facts: HookFacts): GateHost {
  const session = sessionOf(at)
  return {
    run: (argv, options) =>
      session.run(argv, { cwd: facts.cwd, ...options, env: { ...hookEnv(facts, at.run.io), ...options.env } }),
    dial: (address, port, signal) => session.dial(address, port, signal),
  }
}

/** Text of `current` for the run's target. */
export function targetLink(run: Run): string {
  return `releases/${run.plan.target}`
}

/** The version a link names, as far as it is one of ours: "releases/1.4.2" is "1.4.2", another target stays whole. */
export function versionIn(link: string | null): string {
  return link === null ? '' : link.replace(/^releases\//, '')
}

/** `ship release` and `ship plan`: a bundle, an environment, and the plan that brings one to the other. */
import { rm } from 'node:fs/promises'
import type { Environment } from '../config/environment.ts'
import type { Opening } from '../fleet/opening.ts'
import type { Bundle } from '../formats/bundle.ts'
import type { DebFile, ReleaseRecord } from '../host/session.ts'
import type { Io } from '../io.ts'
import { makeScratch } from '../scratch.ts'
import { diffManifests } from '../tree/diff.ts'
import type { Manifest } from '../tree/manifest.ts'
import { keepManifest, seenManifest } from '../tree/seen.ts'
import { manifestOf } from './bases.ts'
import { foresee } from './foreseen.ts'
import { keepAfter } from './known.ts'
import { releaseProblem } from './fit.ts'
import { guardRelease, type Overrides } from './guards.ts'
import { liveRecord, type Observed } from './observe.ts'
import { packageOnce, packOnce } from './packing.ts'
import { releasePlan, type HostPlan, type Plan } from './plan.ts'
import { refusePlanDrift, type Expected } from './plan-drift.ts'
import { reach, type Reached, type ReachOptions } from './probe.ts'
import { openRelay, type Relay } from './relay.ts'
import type { Run } from './step.ts'
import { basesAhead, copiesAhead } from './steps/stage.ts'
import { transact, type RunReport } from './transaction.ts'

export type { RunReport } from './transaction.ts'

export interface ReleaseRequest extends Overrides {
  readonly environment: Environment
  readonly bundle: Bundle
  /** Reads it whole and strictly, once, and rejects when it is not what was built. Nothing is planned before that. */
  readonly check: () => Promise<Bundle>
  /** The same as a package, where packages are released. */
  readonly deb?: DebFile | undefined
  readonly allowDowngrade?: boolean | undefined
  /** Also something older than what passed a point of no return. */
  readonly force?: boolean | undefined
  /** The hosts, as far as they are being connected to already. What nobody takes of it is given up by whoever began it. */
  readonly opening?: Opening | undefined
  /** A plan shown or saved before; the run is refused when it would do anything else. */
  readonly expected?: Expected | undefined
}

/** What `release` would do, from the hosts' observed state, with the difference of files against what is live. Changes nothing. */
export async function planRelease(request: ReleaseRequest, io: Io): Promise<Plan> {
  await guardRelease(request.environment, request.bundle, request, { io, now: new Date() })
  const { fleet, observed, pools } = await reachChecked(request, io)
  try {
    const options = { ...request, pools, missing: fleet.missing }
    const plan = releasePlan(request.environment, { ...request.bundle, deb: request.deb }, observed, options)
    if (request.expected) refusePlanDrift(request.expected, plan)
    const hosts = await Promise.all(
      plan.hosts.map((p) =>
        withChanges(p, request.bundle.manifest, observed, (live) => manifestOf(live, fleet.session(p.host), io.signal)),
      ),
    )
    return { ...plan, hosts }
  } finally {
    await fleet.close()
  }
}

/**
 * Releases a bundle. Rejects with a ShipError while nothing was changed (exit 2, 4, 5, 8, 9); once the plan runs, what happened is in
 * the report.
 */
export async function release(request: ReleaseRequest, io: Io): Promise<RunReport> {
  const { environment, bundle, deb } = request
  await guardRelease(environment, bundle, request, { io, now: new Date() })
  const scratch = await makeScratch('release')
  const packing = deb
    ? packageOnce({ ...deb, file: bundle.archive }, bundle.manifest, environment.limit)
    : packOnce(scratch, environment, io)
  void packing.unpackForeseen(bundle).catch(() => undefined)
  const { fleet, observed, pools, checked } = await reachChecked(request, io, {
    refuseLocked: true,
    onChecked: (whole) => void packing.prepareForeseen(whole).catch(() => undefined),
  }).catch(async (error: unknown) => {
    await packing.close()
    await rm(scratch, { recursive: true, force: true })
    throw error
  })
  let relay: Relay | undefined
  let kept: Promise<void> | undefined
  try {
    const plan = releasePlan(environment, { ...bundle, deb }, observed, { ...request, pools, missing: fleet.missing })
    if (request.expected) refusePlanDrift(request.expected, plan)
    relay = plan.hosts.some(({ action }) => action === 'stage') ? await openRelay(environment, io) : undefined
    const { commit } = bundle.manifest
    const pack: Run['pack'] = (tools, bases) => packing.pack(checked, tools, bases)
    const run: Run = { plan, fleet, environment, io, commit, deb, relay, manifest: bundle.manifest, pack }
    const bases = basesAhead(run, observed, (...args) => packing.prepare(checked, ...args))
    const running = transact({ ...run, bases, copies: copiesAhead(run, observed, packing.foreseen()) })
    // While hosts are waited for: when all is packed.
    const packed = Promise.all(bases.values()).then(packing.idle)
    kept = packed.then(() => keepManifest(bundle.manifest, bundle.digest))
    // Told as far as it is known here: nobody is asked for it once the release is through.
    const told = (p: HostPlan): Promise<HostPlan> =>
      withChanges(p, bundle.manifest, observed, (live) => seenManifest(live.digest))
    const early = packed.then(() => Promise.all(plan.hosts.map(told)))
    const report = await running
    if (!report.error) await Promise.all([keepAfter(plan, observed), deb ? undefined : foresee(plan, observed)])
    // What was not known before the run may be now.
    const hosts = await Promise.all((await early).map(async (p) => (p.changes === undefined ? told(p) : p)))
    return { ...report, plan: { ...plan, hosts } }
  } finally {
    await packing.close()
    await kept
    await relay?.close()
    await fleet.close()
    await rm(scratch, { recursive: true, force: true })
  }
}

/**
 * Reads the bundle while the hosts are asked: one waits for the processor, the other for the network. A bundle that is refused is what is
 * told, whatever the hosts say, and nobody is waited for then.
 */
async function reachChecked(
  request: ReleaseRequest,
  io: Io,
  { onChecked, ...options }: ReachOptions & { readonly onChecked?: (bundle: Bundle) => void } = {},
): Promise<Reached & { readonly checked: Bundle }> {
  const refused = new AbortController()
  const asking = { ...io, signal: AbortSignal.any([io.signal, refused.signal]) }
  const reaching = reach(request.environment, asking, {
    ...options,
    opening: request.opening,
    problem: problemOf(request),
  })
  const closing = reaching.then(
    ({ fleet }) =>
      () =>
        fleet.close(),
    () => () => Promise.resolve(),
  )
  let checked: Bundle
  try {
    checked = await request.check()
  } catch (error) {
    refused.abort(error)
    const close = await closing
    await close()
    throw error
  }
  onChecked?.(checked)
  return { ...(await reaching), checked }
}

/** What the plan would say of a host by itself. */
function problemOf(request: ReleaseRequest): ReachOptions['problem'] {
  const { environment, bundle, deb } = request
  return (host, state) => releaseProblem(environment, host, { ...bundle, deb }, state, request)
}

async function withChanges(
  plan: HostPlan,
  manifest: Manifest,
  observed: readonly Observed[],
  manifestOfLive: (live: ReleaseRecord) => Promise<Manifest | undefined>,
): Promise<HostPlan> {
  const state = observed.find((o) => o.host === plan.host)?.state
  const live = state && liveRecord(state)
  if (!live) return plan
  // A manifest that cannot be had is no reason not to plan: the difference is simply not known.
  const before = await manifestOfLive(live)
  if (!before) return plan
  const { added, changed, removed, addedBytes: bytes } = diffManifests(before, manifest)
  return { ...plan, changes: { added: added.length, changed: changed.length, removed: removed.length, bytes } }
}

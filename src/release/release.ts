/** `ship release` and `ship plan`: a bundle, an environment, and the plan that brings one to the other. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { openFleet, type Fleet } from '../fleet/fleet.ts'
import type { Bundle } from '../formats/bundle.ts'
import { nativeCompression, packPayload, type PackedPayload } from '../formats/payload.ts'
import type { HostState } from '../host/session.ts'
import { inStep, type Io } from '../io.ts'
import { size } from '../size.ts'
import { diffManifests } from '../tree/diff.ts'
import { parseManifest, type Manifest } from '../tree/manifest.ts'
import { liveRecord, type Observed } from './observe.ts'
import { releasePlan, type HostPlan, type Plan } from './plan.ts'
import { observe } from './probe.ts'
import { transact, type RunReport } from './transaction.ts'

export type { RunReport } from './transaction.ts'

export interface ReleaseRequest {
  readonly environment: Environment
  /** Verified before: the caller has read it whole and strictly. */
  readonly bundle: Bundle
  readonly allowDowngrade?: boolean | undefined
  /** A plan shown before; the run is refused when the hosts have changed since. */
  readonly expectPlan?: Plan | undefined
}

/** What `release` would do, from the hosts' observed state, with the difference of files against what is live. Changes nothing. */
export async function planRelease(request: ReleaseRequest, io: Io): Promise<Plan> {
  const fleet = await openFleet(request.environment, io)
  try {
    const observed = await observe(fleet, io)
    const plan = releasePlan(request.environment, request.bundle, observed, request)
    const hosts = await Promise.all(
      plan.hosts.map((p) => withChanges(p, request.bundle.manifest, fleet, { observed, io })),
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
  const { environment, bundle } = request
  const fleet = await openFleet(environment, io)
  const scratch = await mkdtemp(join(tmpdir(), 'ship-release-'))
  try {
    const observed = await observe(fleet, io, { refuseLocked: true })
    const plan = releasePlan(environment, bundle, observed, request)
    if (request.expectPlan && request.expectPlan.observed !== plan.observed) {
      throw new ShipError('refused', 'the hosts changed since the plan was made', {
        state: 'nothing was changed on any host',
        next: ['run the same command again: it makes a new plan'],
      })
    }
    const { commit } = bundle.manifest
    return await transact({ plan, fleet, environment, io, commit, pack: packOnce(bundle, scratch, io) })
  } finally {
    await fleet.close()
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Makes a payload at most once for each compression, however many hosts ask; hosts that ask meanwhile wait for it. */
function packOnce(bundle: Bundle, scratch: string, io: Io): (tools: HostState['tools']) => Promise<PackedPayload> {
  const packed = new Map<string, Promise<PackedPayload>>()
  const native = nativeCompression(bundle)
  return (tools) => {
    const compression = native !== undefined && tools[native] ? native : tools.zstd ? 'zstd' : 'gzip'
    const known = packed.get(compression)
    if (known) return known
    const make = (): Promise<PackedPayload> => packPayload(bundle, compression, scratch, { signal: io.signal })
    const fresh = compression === native ? make() : inPackStep(make, compression, io)
    packed.set(compression, fresh)
    return fresh
  }
}

/** Packing anew takes a while, so it is a step of its own. */
async function inPackStep(make: () => Promise<PackedPayload>, compression: string, io: Io): Promise<PackedPayload> {
  const done: PackedPayload[] = []
  await inStep(io.emit, { step: 'pack' }, async () => {
    const payload = await make()
    done.push(payload)
    return `${size(payload.sizeBytes)} as ${compression}`
  })
  return done[0] as PackedPayload
}

async function withChanges(
  plan: HostPlan,
  manifest: Manifest,
  fleet: Fleet,
  { observed, io }: { readonly observed: readonly Observed[]; readonly io: Io },
): Promise<HostPlan> {
  const state = observed.find((o) => o.host === plan.host)?.state
  const live = state && liveRecord(state)
  if (!live) return plan
  try {
    const text = await fleet.session(plan.host).manifest(live.version, { signal: io.signal })
    if (text === undefined) return plan
    const { added, changed, removed } = diffManifests(parseManifest(text), manifest)
    const bytes = [...added, ...changed].reduce((sum, e) => sum + (e.size ?? 0), 0)
    return { ...plan, changes: { added: added.length, changed: changed.length, removed: removed.length, bytes } }
  } catch {
    // A manifest that cannot be read on the host is no reason not to plan: the difference is simply not known.
    return plan
  }
}

/** The hosts of a run with their locks, what the plan says of them, and which hooks each of them runs. */
import { HOOK_POINTS, type HookPoint, type WhenFacts } from '../config/hooks.ts'
import type { NoReturn, ReleaseRecord } from '../host/session.ts'
import type { Manifest } from '../tree/manifest.ts'
import { diffManifests } from '../tree/diff.ts'
import { manifestOf } from './bases.ts'
import { chooseHooks, type HookChoice, type HookHost } from './choose-hooks.ts'
import { drainsOf } from './drains.ts'
import type { HookFacts } from './hooks.ts'
import { ownNoReturn, passedBefore } from './no-return.ts'
import { liveRecord } from './observe.ts'
import { previousOf, versionIn, type At, type Run } from './step.ts'
import type { Locked } from './steps/lock.ts'
import { looksAtFiles } from './when.ts'

/** Rejects with reason `config` when a condition of a hook throws. */
export async function atHosts(run: Run, held: readonly Locked[]): Promise<At[]> {
  const drains = drainsOf(run.fleet, run.io)
  const ats = held.flatMap(({ host, lease, state }) => {
    const plan = run.plan.hosts.find((p) => p.host === host.name)
    if (!plan) return []
    const signal = AbortSignal.any([run.io.signal, lease.signal])
    return [{ run, host, plan, lease, state, signal, drains }]
  })
  return withHooks(run, ats, await changedPaths(run, ats))
}

/** Hosts whose hooks are chosen again, when others fell out that had been chosen for what is once. */
export async function rechosen(ats: readonly At[]): Promise<At[]> {
  const [first] = ats
  return first ? withHooks(first.run, ats, new Map(ats.map((at) => [at.host.name, at.changed]))) : []
}

async function withHooks<T extends Bare>(
  run: Run,
  ats: readonly T[],
  changed: ReadonlyMap<string, readonly string[] | undefined>,
) {
  const hooks = await hooksOf(run, ats, changed, run.plan.kind)
  const mayReturn = run.environment.confirmMs !== undefined
  const back = mayReturn ? await hooksOf(run, ats, changed, 'put-back') : undefined
  const done = new Set(ats.flatMap(({ state }) => [...state.done]))
  const crossing = run.plan.kind === 'release' ? (ownNoReturn(run.plan, ats) ?? hooks.noReturn) : undefined
  const common = { hooks, hooksBack: back, done }
  return ats.map((at) => {
    return { ...at, ...common, changed: changed.get(at.host.name), record: recordOf(at, crossing) }
  })
}

type Bare = Pick<At, 'run' | 'host' | 'plan' | 'state' | 'signal'>

/** The same hooks for the way back: what was an upgrade is a downgrade then, and the same files differ. */
export async function hooksBack(ats: readonly At[]): Promise<HookChoice | undefined> {
  const [first] = ats
  const changed = new Map(ats.map((at) => [at.host.name as string, at.changed]))
  return first && hooksOf(first.run, ats, changed, 'put-back')
}

function hooksOf(
  { environment, plan }: Run,
  ats: readonly Bare[],
  changed: ReadonlyMap<string, readonly string[] | undefined>,
  action: HookFacts['action'],
): Promise<HookChoice> {
  const busy = environment.hosts.flatMap((host): HookHost[] => {
    const at = ats.find((one) => one.host.name === host.name)
    if (!at || at.plan.action === 'none') return []
    const isBack = action === 'put-back'
    const facts: WhenFacts = {
      app: environment.app,
      environment: environment.name,
      host: host.name,
      roles: host.roles,
      action,
      version: isBack ? versionIn(at.plan.back) : plan.target,
      previous: isBack ? plan.target : previousOf(at.plan),
      changed: changed.get(host.name),
    }
    return [{ host: at.host, plan: at.plan, facts }]
  })
  return chooseHooks(environment, busy)
}

/** Files that differ between what a host runs and the target, by host; read only when a hook asks. */
async function changedPaths(
  run: Run,
  ats: readonly Bare[],
): Promise<ReadonlyMap<string, readonly string[] | undefined>> {
  const asks = (point: HookPoint): boolean => run.environment.hooks[point].some(({ when }) => looksAtFiles(when))
  if (!HOOK_POINTS.some(asks)) return new Map()
  const told = new Map<string, readonly string[]>()
  const paths = ats.map(async (at): Promise<[string, readonly string[] | undefined]> => {
    if (at.plan.action === 'none') return [at.host.name, undefined]
    const [before, after] = await Promise.all([manifestBefore(at), manifestAfter(at)])
    if (!before || !after) return [at.host.name, undefined]
    const key = `${before.digest} ${after.digest}`
    const found = told.get(key) ?? differing(before.manifest, after.manifest)
    told.set(key, found)
    return [at.host.name, found]
  })
  return new Map(await Promise.all(paths))
}

interface Known {
  readonly digest: string
  readonly manifest: Pick<Manifest, 'entries'>
}

/** Nothing before a first release; undefined when what stands there is not ship's. */
async function manifestBefore(at: Bare): Promise<Known | undefined> {
  const version = previousOf(at.plan)
  // A rollback that a dead run began does not say where it came from.
  if (version === at.run.plan.target) return undefined
  return version === '' ? { digest: '', manifest: { entries: [] } } : knownManifest(at, version)
}

async function manifestAfter(at: Bare): Promise<Known | undefined> {
  const { manifest, plan } = at.run
  return manifest ? { digest: plan.digest, manifest } : knownManifest(at, plan.target)
}

async function knownManifest({ run, host, state, signal }: Bare, version: string): Promise<Known | undefined> {
  const record = state.releases.find((r) => r.version === version)
  const manifest = record && (await manifestOf(record, run.fleet.session(host.name), signal))
  return record && manifest && { digest: record.digest, manifest }
}

function differing(before: Pick<Manifest, 'entries'>, after: Pick<Manifest, 'entries'>): string[] {
  const { added, changed, removed } = diffManifests(before, after)
  return [...added, ...changed, ...removed].filter(({ type }) => type !== 'dir').map(({ path }) => path)
}

/** The target's record as it is while live: an existing one continues, a new one begins. */
function recordOf({ run, plan, state }: Bare, crossing: string | undefined): ReleaseRecord {
  const { io } = run
  const known = state.releases.find((r) => r.version === run.plan.target)
  const now = new Date().toISOString()
  if (known && plan.action === 'resume') return { ...known, state: 'live' }
  const seq = Math.max(0, ...state.releases.map((r) => r.seq)) + 1
  const { target: version } = run.plan
  const noReturn: NoReturn | undefined =
    crossing === undefined ? passedBefore(liveRecord(state)) : { hook: crossing, version, seq }
  return {
    schema: 1,
    version,
    digest: run.plan.digest,
    pinned: known?.pinned ?? false,
    shared: known?.shared ?? plan.links,
    stagedAt: known?.stagedAt ?? now,
    state: 'live',
    seq,
    previous: plan.back,
    noReturn,
    by: io.by,
    run: io.run,
    url: io.url,
    commit: run.commit,
    deb: run.deb ?? known?.deb,
    liveAt: now,
  }
}

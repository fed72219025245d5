/** Puts the release on the host, complete, checked and durable, where nothing sees it yet. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { messageOf, ShipError, throwIfAborted } from '../../errors.ts'
import type { Base } from '../../formats/delta.ts'
import type { PackedContent, PackedPayload } from '../../formats/payload.ts'
import type { Drift, HostState } from '../../host/session.ts'
import { WORTH_KEEPING } from '../../host/payload.ts'
import { size } from '../../size.ts'
import { basesOn } from '../bases.ts'
import { liveRecord, type Observed } from '../observe.ts'
import { newestFirst } from '../retention.ts'
import { sessionOf, type At, type Run, type Step } from '../step.ts'

/** A host whose connection is cut this often in one run is given up. */
const MAX_CUTS = 3
const SPARE_BYTES = 16 * 1024 * 1024

export const stage: Step = {
  name: 'stage',
  skip: ({ plan }) =>
    plan.action === 'none' ? plan.why : plan.action === 'resume' ? 'already on this host' : undefined,
  async run(at) {
    const { plan, signal } = at
    if (plan.action === 'reuse') {
      const drift = (await at.run.looked?.get(at.host.name)) ?? (await lookAt(at))
      if (drift.length === 0) return 'already there, checked'
      const [first] = drift
      const what = first ? `"${first.path}" is ${first.problem}` : ''
      // A rollback has nothing to send: it must not go to a release that is not what was verified.
      if (at.run.plan.kind === 'rollback') throw tampered(at, what, drift.length)
      const message = `version ${at.run.plan.target} was changed on the host since it was staged (${what}); staging it anew`
      at.run.io.emit({ event: 'warning', host: at.host.name, message })
      await sessionOf(at).discard(at.run.plan.target, at.lease, { signal })
    }
    return send(at)
  },
}

function lookAt({
  run,
  host,
  state,
  signal,
}: Pick<At, 'run' | 'host' | 'state' | 'signal'>): Promise<readonly Drift[]> {
  const { target } = run.plan
  const { shared = [] } = state.releases.find((r) => r.version === target) ?? {}
  const depth = run.environment.verify ?? 'sample'
  return run.fleet.session(host.name).drift({ version: target, shared }, { signal, depth })
}

/**
 * Looks at the target of a run on all hosts that have it. It changes nothing there, so it need not wait for the lock, and what changes
 * until then shows in what the lock is answered with. A look that fails is taken again by the step.
 */
export function lookAhead(run: Run, observed: readonly Observed[]): NonNullable<Run['looked']> {
  const having = run.plan.hosts.filter(({ action }) => action === 'reuse')
  return new Map(
    having.flatMap(({ host }) => {
      const found = run.fleet.hosts.find(({ name }) => name === host)
      const state = observed.find((one) => one.host === host)?.state
      if (!found || !state) return []
      return [[host, lookAt({ run, host: found, state, signal: run.io.signal }).catch(() => undefined)]]
    }),
  )
}

/**
 * Finds what to pack against for the hosts that lack the target, and has it packed, before they are locked: what that rests on is looked at
 * again under the lock. Where it cannot be found, the step does it again.
 */
export function basesAhead(run: Run, observed: readonly Observed[], prepare: Prepare): NonNullable<Run['bases']> {
  const lacking = run.plan.hosts.filter(({ action }) => action === 'stage')
  return new Map(
    lacking.flatMap(({ host }) => {
      const state = observed.find((one) => one.host === host)?.state
      if (!state) return []
      const found = async (): Promise<readonly Base[]> => {
        // The lock goes first.
        await nextTurn()
        const bases = await basesFor(run, state, { session: run.fleet.session(host), signal: run.io.signal })
        prepare(state.tools, bases)
        return bases
      }
      return [[host, found().catch(() => undefined)]]
    }),
  )
}

/** What the hosts that lack the target may copy as soon as they are locked: the release that is live there, when most of it stays. */
export function copiesAhead(
  { plan, environment }: Pick<Run, 'plan' | 'environment'>,
  observed: readonly Observed[],
  payload: PackedPayload | undefined,
): NonNullable<Run['copies']> {
  const { base, keepsMost, tree } = payload ?? {}
  if (base === undefined || tree === undefined || keepsMost !== true) return new Map()
  const lacking = plan.hosts.filter(({ action }) => action === 'stage')
  return new Map(
    lacking.flatMap(({ host }) => {
      const state = observed.find((one) => one.host === host)?.state
      const isBase = state && state.tools.copy !== false && liveRecord(state)?.version === base
      return isBase ? [[host, { base, tree, reuse: environment.reuse }]] : []
    }),
  )
}

type Prepare = (...args: Parameters<Run['pack']>) => void

async function basesFor(run: Run, state: HostState, ask: Parameters<typeof basesOn>[2]): Promise<readonly Base[]> {
  return state.tools.copy === false ? [] : basesOn(run.manifest ?? { entries: [] }, state, ask)
}

/** Sends what the host lacks. When its own releases turn out not to be what they were, all of it is sent. */
async function send(at: At): Promise<string> {
  const { tools } = at.state
  const ask = { session: sessionOf(at), signal: at.signal }
  const bases = (await at.run.bases?.get(at.host.name)) ?? (await basesFor(at.run, at.state, ask))
  if (at.host.transport === 'rsync' && tools.rsync !== true) {
    const text = 'rsync is not on both sides, so files that changed are sent whole'
    at.run.io.emit({ event: 'log', step: 'stage', host: at.host.name, text })
  }
  const packed = at.run.pack(tools, bases)
  // What rsync brings lies there twice for a moment.
  const isTight = packed.near && at.state.disk.freeBytes < packed.treeBytes + packed.near.sizeBytes + SPARE_BYTES
  const payload = isTight === true ? at.run.pack({ ...tools, rsync: false }, bases) : packed
  try {
    return await sendPayload(at, payload)
  } catch (error) {
    if (payload.near && error instanceof ShipError && error.step === 'rsync') {
      const message = `files that changed are sent whole, because ${error.message}`
      at.run.io.emit({ event: 'warning', host: at.host.name, message })
      return sendPayload(at, at.run.pack({ ...tools, rsync: false }, bases))
    }
    if (payload.base === undefined || !(error instanceof ShipError) || error.reason !== 'refused') throw error
    const message = `release ${payload.base} on the host is not what it was, so all of ${at.run.plan.target} is sent (${error.message})`
    at.run.io.emit({ event: 'warning', host: at.host.name, message })
    return sendPayload(at, at.run.pack(at.state.tools, []))
  }
}

/** Sends, and goes on where it was when the connection is cut. */
async function sendPayload(at: At, payload: PackedPayload): Promise<string> {
  const relayed = await byRelay(at, payload)
  let partial = relayed ? new Map([[relayed.id, relayed.sizeBytes]]) : at.state.partial
  let pushed = 0
  const onPushed = (bytes: number): void => void (pushed += bytes)
  for (let cuts = 0; ; cuts++) {
    try {
      await sendRest(at, payload, partial, onPushed)
      const { sizeBytes, id } = await payload.content
      const rest = payload.base === undefined ? '' : `, the rest from ${payload.base}`
      const byRsync = payload.near === undefined ? '' : ` (${size(pushed)} of it by rsync)`
      const way = relayed ? ` by way of ${at.run.relay?.name ?? ''}` : ''
      return `${size(sizeBytes - (at.state.partial.get(id) ?? 0) + pushed)} sent${way}${byRsync}${rest}`
    } catch (error) {
      const isCut = error instanceof ShipError && error.reason === 'unreachable'
      if (!isCut || cuts === MAX_CUTS || at.signal.aborted) throw error
      partial = await afterCut(at, payload, cuts, error)
    }
  }
}

/** What the relay put on the host, all of it. Where it cannot, it is sent from here. */
async function byRelay({ run, host, state, signal }: At, payload: PackedPayload): Promise<PackedContent | undefined> {
  if (!run.relay || payload.near) return undefined
  const content = await payload.content
  const { id, sizeBytes } = content
  if (sizeBytes < WORTH_KEEPING || state.partial.get(id) === sizeBytes) return undefined
  try {
    await run.relay.bring(host, content, signal)
    return content
  } catch (error) {
    throwIfAborted(signal)
    const message = `sent from here, not by way of the relay: ${messageOf(error)}`
    run.io.emit({ event: 'warning', host: host.name, message })
    return undefined
  }
}

/** Connects again and says what the host has of payloads. What still runs there of the old connection can change nothing. */
async function afterCut(
  at: At,
  payload: PackedPayload,
  cuts: number,
  error: ShipError,
): Promise<ReadonlyMap<string, number>> {
  const { run, host, signal, lease } = at
  await sleep(1000 * 2 ** cuts, undefined, { signal }).catch(() => throwIfAborted(signal))
  const session = await run.fleet.reconnect(host.name, signal).catch(() => {
    throw error
  })
  const { partial } = await session.fence(lease, { signal })
  const { id, sizeBytes } = await payload.content
  const message = `the connection was cut; sending goes on at ${size(partial.get(id) ?? 0)} of ${size(sizeBytes)}`
  run.io.emit({ event: 'warning', host: host.name, message })
  return partial
}

async function sendRest(
  at: At,
  payload: PackedPayload,
  partial: ReadonlyMap<string, number>,
  onPushed: (bytes: number) => void,
): Promise<void> {
  const { run, host, signal } = at
  const emitProgress = (done: number, total: number): void =>
    run.io.emit({
      event: 'step.progress',
      step: 'stage',
      host: host.name,
      progress: { done, total, unit: 'bytes' },
    })
  await sessionOf(at).stage(
    payload,
    {
      version: run.plan.target,
      record: { ...at.record, state: 'staged', seq: 0, liveAt: undefined },
      sharedDirs: run.environment.shared.dirs,
      sharedFiles: at.plan.links.filter((link) => !run.environment.shared.dirs.includes(link)),
      treeBytes: payload.treeBytes,
      freeBytes: at.state.disk.freeBytes,
      entries: payload.entries,
      tree: payload.tree,
      reuse: run.environment.reuse,
      checksDigest: payload.checksDigest,
      verify: run.environment.verify,
    },
    at.lease,
    { signal, partial, onProgress: emitProgress, onPushed },
  )
}

function tampered(at: At, what: string, count: number): ShipError {
  const { target } = at.run.plan
  const { name } = at.run.environment
  const others = at.state.releases.filter((r) => r.state === 'verified' && r.version !== target)
  const [other] = others.filter((r) => r.version !== liveRecord(at.state)?.version).toSorted(newestFirst)
  return new ShipError('refused', `version ${target} was changed on the host since it was verified`, {
    details: [count > 1 ? `${what}, and ${count - 1} more` : what],
    next: [
      `see all: ship verify ${target} -e ${name}`,
      other === undefined
        ? 'or release a new version'
        : `or go back further: ship rollback ${other.version} -e ${name}`,
    ],
  })
}

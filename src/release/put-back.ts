/**
 * The way back: after a failure every host that was switched points at its old release again, in reverse order, and that release
 * must pass its gate. What a host runs is read from the host, for nobody knows how far a switch got when its connection broke.
 */
import { messageOf, ShipError } from '../errors.ts'
import type { HostOutcome } from '../events.ts'
import { inStep } from '../io.ts'
import type { HostSession } from '../host/session.ts'
import { passGate } from './gate.ts'
import { hooksFor, runHooks } from './hooks.ts'
import { currentTarget, liveRecord } from './observe.ts'
import { factsOf, gateHost, targetLink, versionIn, type At } from './step.ts'
import { gatesAt } from './steps/gate.ts'
import { historyLine } from './steps/mark.ts'

/** Longest time for connecting again and for each question on the way back; gates and hooks have their own limits. */
const PATIENCE_MS = 120_000

export type PutBack = Pick<HostOutcome, 'outcome' | 'after' | 'note'>

/**
 * Puts one host back. Never rejects: what could not be done is the outcome `stranded`, its note says why and what runs there now.
 * A host that turns out not to have been switched is `not-switched` and left alone.
 */
export async function putBack(at: At): Promise<PutBack> {
  const { io } = at.run
  let result: PutBack = { outcome: 'stranded', after: undefined }
  try {
    await inStep(io.emit, { step: 'put-back', host: at.host.name }, async () => {
      result = await attempt(at, (seen) => (result = seen))
      return result.outcome === 'not-switched' ? 'was not switched' : `${result.after ?? 'nothing'} is live again`
    })
  } catch (error) {
    result = { ...result, outcome: 'stranded', note: messageOf(error) }
  }
  await onFailure(at)
  return result
}

async function attempt(at: At, seen: (now: PutBack) => void): Promise<PutBack> {
  const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE_MS + longest(at)), at.lease.signal])
  const session = await at.run.fleet.reconnect(at.host.name, signal)
  // A switch that was cut off may still be under way there: from here on it cannot succeed, so what is read now stays true.
  const state = await session.fence(at.lease, { signal })
  const now = currentTarget(state.current)
  const { back } = at.plan
  const version = liveRecord(state)?.version
  seen({ outcome: 'stranded', after: version ?? now ?? undefined })
  const target = targetLink(at.run)
  if (now === at.plan.from && now !== target)
    return { outcome: 'not-switched', after: at.plan.fromVersion ?? now ?? undefined }
  if (now !== target && now !== back) {
    throw new ShipError(
      'refused',
      `"current" points at ${now ?? 'nothing'}, which is neither ${target} nor ${back ?? 'nothing'}`,
    )
  }
  if (now !== back) await session.switchTo(back, at.lease, { signal, expected: target })
  const after = back === null ? undefined : versionIn(back)
  seen({ outcome: 'stranded', after })
  await markFailed(at, session, signal)
  if (back !== null) await confirmHealthy(at, session, signal)
  return { outcome: 'put-back', after }
}

/** The old release gets the hooks of a switch, to reload it, and must answer as the new one should have. */
async function confirmHealthy(at: At, session: HostSession, signal: AbortSignal): Promise<void> {
  const { environment, io } = at.run
  const facts = factsOf(at, `${at.host.deployTo}/current`, 'put-back')
  const hooks = environment.hooks.afterSwitch
  await runHooks('afterSwitch', hooksFor(hooks, at.host, environment.hosts), session, { facts, io, signal })
  await passGate(gatesAt(at), gateHost(at, facts), signal)
}

/** A rollback's target stays verified: it was, and going back to it may work another day. */
async function markFailed(at: At, session: HostSession, signal: AbortSignal): Promise<void> {
  const records = at.run.plan.kind === 'release' ? [{ ...at.record, state: 'failed' as const }] : []
  const line = { ...historyLine(at, 'failed'), action: 'put-back' as const }
  const { problem } = await session.mark(records, line, at.lease, { signal })
  if (problem !== undefined) {
    at.run.io.emit({ event: 'warning', host: at.host.name, message: `the journal could not be written: ${problem}` })
  }
}

/** The owner's hooks for a failure; theirs is a warning, for the first error is the one that counts. */
async function onFailure(at: At): Promise<void> {
  const { environment, io, fleet } = at.run
  const hooks = hooksFor(environment.hooks.onFailure, at.host, environment.hosts)
  if (hooks.length === 0) return
  const signal = AbortSignal.timeout(PATIENCE_MS + hooks.reduce((sum, h) => sum + h.timeoutMs, 0))
  try {
    const session = await fleet.reconnect(at.host.name, signal)
    const facts = factsOf(at, at.host.deployTo, 'put-back')
    await runHooks('onFailure', hooks, session, { facts, io, signal })
  } catch (error) {
    io.emit({ event: 'warning', host: at.host.name, message: messageOf(error) })
  }
}

/** Sum of the limits that hooks and gates have by themselves, so that the common limit never cuts them short. */
function longest(at: At): number {
  const { hooks, health } = at.run.environment
  const gates = Math.max(0, ...health.map((g) => g.deadlineMs + g.timeoutMs))
  return hooks.afterSwitch.reduce((sum, h) => sum + h.timeoutMs, 0) + gates
}

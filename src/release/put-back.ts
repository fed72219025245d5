/**
 * The way back: after a failure every host that was switched points at its old release again, in reverse order, and that release
 * must pass its gate. What a host runs is read from the host, for nobody knows how far a switch got when its connection broke.
 */
import { messageOf, ShipError } from '../errors.ts'
import type { HostOutcome } from '../events.ts'
import { inStep } from '../io.ts'
import type { HostSession, NoReturn, ReleaseRecord } from '../host/session.ts'
import { passGate } from './gate.ts'
import { hookEnv, runHooks } from './hooks.ts'
import { whyNoReturn } from './no-return.ts'
import { describeDrains } from './pools.ts'
import { currentTarget, liveRecord } from './observe.ts'
import { reached, settled, type Settled } from './settle.ts'
import { factsOf, gateHost, targetLink, versionIn, type At } from './step.ts'
import { gatesAt } from './steps/gate.ts'
import { historyLine } from './steps/mark.ts'

/** Longest time for connecting again and for each question on the way back; gates and hooks have their own limits. */
const PATIENCE_MS = 120_000
const UNLOCK_MS = 15_000

export type PutBack = Pick<HostOutcome, 'outcome' | 'after' | 'note'>

/** Why a host stays as it is: a point of no return lies behind it. One that is through its gate serves all the same. */
export interface Stay {
  readonly passed: NoReturn
  readonly isHealthy: boolean
}

/**
 * Puts one host back. Never rejects: what could not be done is the outcome `stranded`, its note says why and what runs there now.
 * A host that turns out not to have been switched is `not-switched` and left alone; one that was is left as it is with `stay`.
 */
export async function putBack(at: At, stay?: Stay): Promise<PutBack> {
  const { io } = at.run
  let result: PutBack = { outcome: 'stranded', after: undefined }
  try {
    await inStep(io.emit, { step: 'put-back', host: at.host.name }, async () => {
      result = await overAnyLink(at, () => attempt(at, stay, (seen) => (result = seen)))
      if (result.outcome === 'stranded') return result.note
      return result.outcome === 'not-switched' ? 'was not switched' : `${result.after ?? 'nothing'} is live again`
    })
  } catch (error) {
    const why = withLastWord(error)
    result = { ...result, outcome: 'stranded', note: stays(at, why) ?? why }
  }
  return result
}

/**
 * A host that hangs looks connected until its first question on the way back; a new connection may reach it all the same. Going back
 * begins with what the host runs by then, so it can begin again.
 */
async function overAnyLink<T>(at: At, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isLost = error instanceof ShipError && error.reason === 'unreachable'
    if (!isLost || at.run.fleet.session(at.host.name).connected || at.lease.signal.aborted) throw error
    return work()
  }
}

async function attempt(at: At, stay: Stay | undefined, seen: (now: PutBack) => void): Promise<PutBack> {
  const patience = AbortSignal.timeout(PATIENCE_MS + longest(at))
  const signal = AbortSignal.any([patience, at.lease.signal])
  const session = await reached(at, patience)
  const found = await settled(at, session, { signal, patience })
  if (found.lease === at.lease) return goBack(at, stay, { session, found, signal, seen })
  const again = { ...at, lease: found.lease }
  try {
    const held = AbortSignal.any([patience, found.lease.signal])
    return await goBack(again, stay, { session, found, signal: held, seen })
  } finally {
    await session.unlock(found.lease, { signal: AbortSignal.timeout(UNLOCK_MS) }).catch(() => undefined)
  }
}

interface Place {
  readonly session: HostSession
  readonly found: Settled
  readonly signal: AbortSignal
  readonly seen: (now: PutBack) => void
}

async function goBack(at: At, stay: Stay | undefined, { session, found, signal, seen }: Place): Promise<PutBack> {
  const { state, byItself } = found
  const now = currentTarget(state.current)
  const { back } = at.plan
  const version = liveRecord(state)?.version
  seen({ outcome: 'stranded', after: version ?? now ?? undefined })
  const target = targetLink(at.run)
  if (byItself && now === back) return whenBack(at, byItself, signal)
  if (now === at.plan.from && now !== target) {
    // It may have been taken out of its balancers already. A run that took the lock over sees to that by itself.
    if (!at.lease.signal.aborted) await backIn(at, signal)
    return { outcome: 'not-switched', after: at.plan.fromVersion ?? now ?? undefined }
  }
  if (now !== target && now !== back) {
    throw new ShipError(
      'refused',
      `"current" points at ${now ?? 'nothing'}, which is neither ${target} nor ${back ?? 'nothing'}`,
    )
  }
  if (stay && now === target) {
    await writeFailure(at, session, [], { signal, note: `left as it is: ${whyNoReturn(stay.passed)}` })
    const note = 'left as it is, behind a point of no return'
    if (!stay.isHealthy) throw new ShipError('stranded', note)
    await backIn(at, signal)
    return { outcome: 'stranded', after: at.run.plan.target, note }
  }
  await takeOut(at, signal)
  if (now !== back) await session.switchTo(back, at.lease, { signal, expected: target })
  const after = back === null ? undefined : versionIn(back)
  seen({ outcome: 'stranded', after })
  await markFailed(at, session, signal)
  if (back === null) return { outcome: 'put-back', after, note: stays(at, 'there is nothing to run on it') }
  await confirmHealthy(at, session, signal)
  await backIn(at, signal)
  return { outcome: 'put-back', after }
}

/** A host that put itself back ran its hooks and wrote down what it did; it must answer as well, and gets its requests again. */
async function whenBack(at: At, { isWell }: NonNullable<Settled['byItself']>, signal: AbortSignal): Promise<PutBack> {
  const after = versionIn(at.plan.back) || undefined
  const note = 'put itself back'
  if (!isWell) throw new ShipError('stranded', `${note}, and a hook of its way back failed`)
  if (after === undefined) return { outcome: 'put-back', after, note: stays(at, note) ?? note }
  const facts = factsOf(at, `${at.host.deployTo}/current`, 'put-back')
  await passGate(gatesAt(at), gateHost(at, facts), signal)
  await backIn(at, signal)
  return { outcome: 'put-back', after, note }
}

/** Out of its balancers while it goes back; when that does not work, going back is still the better end. */
async function takeOut(at: At, signal: AbortSignal): Promise<void> {
  try {
    await at.drains.out(at.host, { env: drainEnv(at), signal, evenLast: true })
  } catch (error) {
    const message = `goes back without being drained: ${messageOf(error)}`
    at.run.io.emit({ event: 'warning', host: at.host.name, message })
  }
}

/** A host that is well but gets no requests is not back. */
async function backIn(at: At, signal: AbortSignal): Promise<void> {
  await at.drains.in(at.host, { env: drainEnv(at), signal })
}

function drainEnv(at: At): Record<string, string> {
  return hookEnv(factsOf(at, at.host.deployTo, 'put-back'), at.run.io)
}

/** A hook's exit code says little; the last line that it printed may say why. */
function withLastWord(error: unknown): string {
  const last = error instanceof ShipError && error.message.includes('hook "') ? error.details.at(-1) : undefined
  return last === undefined ? messageOf(error) : `${messageOf(error)}: ${last}`
}

/** What to say of a host that was drained and is not put back into its balancers. */
function stays(at: At, why: string): string | undefined {
  const places = describeDrains(at.run.environment.drains, at.host.name)
  return places.length === 0 ? undefined : `${why}; it stays drained: ${places.join(', ')}`
}

/** The old release gets the hooks of a switch, to reload it, and must answer as the new one should have. */
async function confirmHealthy(at: At, session: HostSession, signal: AbortSignal): Promise<void> {
  const { io } = at.run
  const facts = factsOf(at, `${at.host.deployTo}/current`, 'put-back')
  const { cwd } = facts
  const place = { host: at.host.name, cwd, env: hookEnv(facts, io), runner: () => session.run, io, signal }
  await runHooks('afterSwitch', at.hooks.on('afterSwitch', at.host.name), place)
  await passGate(gatesAt(at), gateHost(at, facts), signal)
}

/** A rollback's target stays verified: it was, and going back to it may work another day. */
async function markFailed(at: At, session: HostSession, signal: AbortSignal): Promise<void> {
  const records = at.run.plan.kind === 'release' ? [{ ...at.record, state: 'failed' as const }] : []
  await writeFailure(at, session, records, { signal })
}

async function writeFailure(
  at: At,
  session: HostSession,
  records: readonly ReleaseRecord[],
  { signal, note }: { readonly signal: AbortSignal; readonly note?: string },
): Promise<void> {
  const line = historyLine(at, 'failed', note)
  const told = note === undefined ? { ...line, action: 'put-back' as const } : line
  const { problem } = await session.mark(records, told, at.lease, { signal })
  if (problem !== undefined) {
    at.run.io.emit({ event: 'warning', host: at.host.name, message: `the journal could not be written: ${problem}` })
  }
}

/** Sum of the limits that hooks and gates have by themselves, so that the common limit never cuts them short. */
function longest(at: At): number {
  const { hooks, health, drains, confirmMs = 0 } = at.run.environment
  const gates = Math.max(0, ...health.map((g) => g.deadlineMs + g.timeoutMs + g.holdMs))
  const drained = drains.reduce((sum, d) => sum + 4 * d.waitMs, 0)
  // An installation that was cut off is waited for, and then the one back.
  const installs = 2 * (at.host.deb?.switchMs ?? 0)
  return hooks.afterSwitch.reduce((sum, h) => sum + h.timeoutMs, 0) + gates + drained + installs + confirmMs
}

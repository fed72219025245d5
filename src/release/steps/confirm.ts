/**
 * The case that the release broke the way to the host: a guard there goes back by itself unless ship reaches the host anew. It is started
 * before the switch; while hooks and gates run it hears of ship over the connection that started it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, ShipError, throwIfAborted } from '../../errors.ts'
import type { WayBack } from '../../host/way-back.ts'
import { hookEnv } from '../hooks.ts'
import { factsOf, sessionOf, targetLink, versionIn, type At, type Step } from '../step.ts'
import { noReturnOf } from '../way-back.ts'
import { historyLine } from './mark.ts'

const TRY_AGAIN_MS = 500
const ARM_MS = 60_000

export const arm: Step = {
  name: 'arm',
  skip: notGuarded,
  async run(at) {
    const wayBack = wayBackOf(at)
    await sessionOf(at).arm(wayBack, at.lease, { signal: AbortSignal.any([at.signal, AbortSignal.timeout(ARM_MS)]) })
    return `back to ${versionIn(wayBack.back) || 'nothing'} after ${wayBack.afterMs / 1000} s of silence`
  },
}

export const confirm: Step = {
  name: 'confirm',
  skip: notGuarded,
  async run(at) {
    const { confirmMs = 0 } = at.run.environment
    const until = performance.now() + confirmMs
    for (;;) {
      const late = AbortSignal.timeout(Math.max(1, Math.ceil(until - performance.now())))
      try {
        await at.run.fleet.renew(at.host.name, at.lease, AbortSignal.any([at.signal, late]))
        return 'reached over a new connection'
      } catch (error) {
        throwIfAborted(at.signal)
        if (error instanceof ShipError && error.reason === 'locked') throw tooLate(error)
        if (!(error instanceof ShipError) && !late.aborted) throw error
        if (until - performance.now() < TRY_AGAIN_MS) throw cannot(error, confirmMs)
      }
      await sleep(TRY_AGAIN_MS, undefined, { signal: at.signal }).catch(() => throwIfAborted(at.signal))
    }
  },
}

/** A dead run's switch is gone on with over a new connection already. Behind a point of no return a host stays as it is. */
function notGuarded(at: At): string | undefined {
  if (at.run.environment.confirmMs === undefined || at.plan.action === 'none') return ''
  if (at.plan.action === 'resume') return 'reached over a new connection already'
  return noReturnOf(at) === undefined ? undefined : 'behind a point of no return nothing is put back'
}

function tooLate(cause: ShipError): ShipError {
  return new ShipError('not-switched', 'the host heard nothing for too long and puts itself back', { cause })
}

function cannot(cause: unknown, confirmMs: number): ShipError {
  const why = cause instanceof ShipError && cause.reason !== 'unreachable' ? `: ${cause.message}` : ''
  return new ShipError(
    'not-switched',
    `the host took no new connection for ${confirmMs / 1000} s after its switch${why}`,
    {
      details: [messageOf(cause)],
      cause,
    },
  )
}

/** What the host does by itself: what ship would do to put it back. */
function wayBackOf(at: At): WayBack {
  const { environment, io, plan } = at.run
  const { back } = at.plan
  const { confirmMs = 0 } = environment
  const env = hookEnv(factsOf(at, `${at.host.deployTo}/current`, 'put-back'), io)
  const hooks = back === null ? [] : (at.hooksBack?.on('afterSwitch', at.host.name) ?? [])
  const line = (note: string): WayBack['history'] => ({ ...historyLine(at, 'failed', note), action: 'put-back' })
  const silent = `heard nothing for ${confirmMs / 1000} s and put itself back`
  return {
    afterMs: confirmMs,
    target: targetLink(at.run),
    back,
    // A rollback's target stays verified: it was.
    record: plan.kind === 'release' ? { ...at.record, state: 'failed' } : undefined,
    history: line(silent),
    historyBadly: line(`${silent}; a hook failed`),
    hooks: hooks.map((hook) => ({ argv: hook.argv, env: { ...env, ...hook.env }, timeoutMs: hook.timeoutMs })),
  }
}

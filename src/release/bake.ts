/** What happens between two waves: a bake, in which the release has to stay healthy, or a mere pause. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ShipError, throwIfAborted } from '../errors.ts'
import { forHosts } from '../fleet/fleet.ts'
import { allOrThrow } from '../fleet/results.ts'
import { inStep } from '../io.ts'
import { askOnce } from './gate.ts'
import { factsOf, gateHost, type At } from './step.ts'
import { gatesAt } from './steps/gate.ts'

/**
 * For `bakeMs` the health checks of these hosts are asked again and again, all hosts in each round. Rejects with the first round in
 * which a host is not well, those hosts being in `failed` then. The last round comes when the time is over, so a release that falls ill
 * at the end is seen too.
 */
export async function bake(ats: readonly At[], bakeMs: number, failed: Set<string>): Promise<void> {
  const [first] = ats
  if (!first || bakeMs === 0) return
  const signal = AbortSignal.any(ats.map((at) => at.signal))
  const asked = ats.filter((at) => gatesAt(at).length > 0)
  const everyMs = Math.min(...asked.flatMap(gatesAt).map((gate) => gate.intervalMs))
  const until = performance.now() + bakeMs
  await inStep(first.run.io.emit, { step: 'bake' }, async () => {
    if (asked.length === 0) {
      await rest(bakeMs, signal)
      return `${bakeMs / 1000} s without health checks`
    }
    let rounds = 0
    for (let isLast = false; !isLast;) {
      const leftMs = until - performance.now()
      isLast = leftMs <= 0
      await round(asked, signal, failed)
      rounds++
      await rest(isLast ? 0 : Math.min(everyMs, Math.max(0, until - performance.now())), signal)
    }
    return `healthy for ${bakeMs / 1000} s, asked ${rounds} times`
  })
}

/** Nothing but a wait. */
export async function pause(ats: readonly At[], pauseMs: number): Promise<void> {
  const [first] = ats
  if (!first || pauseMs === 0) return
  const signal = AbortSignal.any(ats.map((at) => at.signal))
  await inStep(first.run.io.emit, { step: 'pause' }, async () => {
    await rest(pauseMs, signal)
    return `${pauseMs / 1000} s`
  })
}

async function round(ats: readonly At[], signal: AbortSignal, failed: Set<string>): Promise<void> {
  const results = await forHosts(
    ats.map((at) => at.host),
    async (host) => {
      const at = ats.find((one) => one.host === host)
      if (!at) return
      const facts = factsOf(at, `${host.deployTo}/current`)
      const { ok, said } = await askOnce(gatesAt(at), gateHost(at, facts), signal)
      if (!ok) throw new ShipError('not-switched', `not healthy any more: ${said}`, { host: host.name, step: 'bake' })
    },
  )
  throwIfAborted(signal)
  for (const { ok, host } of results) if (!ok) failed.add(host.name)
  allOrThrow(results)
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => throwIfAborted(signal))
}

/** Which hosts switch together, and what must hold before the next ones do. Pure. */
import { roundedUp } from '../config/amount.ts'
import type { Strategy } from '../config/environment.ts'
import type { HostName } from '../names.ts'

/** What follows a wave. Times are 0 where there is nothing to wait for. */
export interface WaveRule {
  /** For so long the health checks of all that were switched so far must hold. */
  readonly bakeMs: number
  readonly pauseMs: number
  /** Whether `maxFailed` counts for its hosts. Not for a trial: what fails there would fail everywhere. */
  readonly mayFail: boolean
}

interface Wave extends WaveRule {
  readonly hosts: readonly HostName[]
}

const PLAIN: WaveRule = { bakeMs: 0, pauseMs: 0, mayFail: true }

/** Waves in order; every host stands in exactly one, and none is empty. Shares are of these hosts and rounded up. */
export function waves(hosts: readonly HostName[], strategy: Strategy): Wave[] {
  if (hosts.length === 0) return []
  const total = hosts.length
  if (strategy.type === 'rolling') {
    const size = roundedUp(strategy.batch, total)
    const marks = Array.from({ length: Math.ceil(total / size) }, (_, wave) => (wave + 1) * size)
    return cut(hosts, marks, { ...PLAIN, pauseMs: strategy.pauseMs })
  }
  if (strategy.type === 'canary') {
    const first = roundedUp(strategy.count, total)
    const trial = { hosts: hosts.slice(0, first), bakeMs: strategy.bakeMs, pauseMs: 0, mayFail: false }
    return [trial, ...waves(hosts.slice(first), strategy.next)]
  }
  if (strategy.type === 'waves') {
    const marks = [...strategy.marks.map((mark) => roundedUp(mark, total)), total]
    const { bakeMs, pauseMs } = strategy
    const all = cut(hosts, marks, { bakeMs, pauseMs, mayFail: true })
    return all.map((wave, index) => (index === 0 && all.length > 1 ? { ...wave, mayFail: false } : wave))
  }
  return [{ ...PLAIN, hosts }]
}

/** Groups that end at these marks; a mark that is passed already makes none. Nothing is waited for after the last one. */
function cut(hosts: readonly HostName[], marks: readonly number[], rule: WaveRule): Wave[] {
  const ends = marks.filter((mark, index) => marks.slice(0, index).every((earlier) => earlier < mark))
  return ends.map((end, index) => {
    const isLast = index === ends.length - 1
    const times = isLast ? { bakeMs: 0, pauseMs: 0 } : {}
    return { ...rule, ...times, hosts: hosts.slice(ends[index - 1] ?? 0, end) }
  })
}

/** In which order hosts switch, and what has to hold between: the option, and what it means. */
import { z } from 'zod'
import { duration, parseShare } from '../units.ts'
import { amountOf, someHosts, type Amount } from './amount.ts'

/** The order of hosts that come after a trial, or of all. */
export type Rest =
  | { readonly type: 'all' }
  /** `pauseMs` is waited between two batches. */
  | { readonly type: 'rolling'; readonly batch: Amount; readonly pauseMs: number }

export type Strategy =
  | Rest
  /** Some hosts first; for `bakeMs` their health checks must hold before the others follow. */
  | { readonly type: 'canary'; readonly count: Amount; readonly bakeMs: number; readonly next: Rest }
  /** Each mark says how many hosts of all are through when its wave is. */
  | { readonly type: 'waves'; readonly marks: readonly Amount[]; readonly bakeMs: number; readonly pauseMs: number }

const BAKE = '5m'
const BAKE_MS = 300_000

const all = z.strictObject({ type: z.literal('all') })
const rolling = z.strictObject({
  type: z.literal('rolling'),
  batch: someHosts.default(1).describe('Hosts that switch together: a number, or a share like "25%"'),
  pause: duration.prefault('0s').describe('Wait between batches'),
})
const rest = z.union([
  z.enum(['all', 'rolling'], { error: 'is no order; use "all" or "rolling"' }),
  z.discriminatedUnion('type', [all, rolling]),
])
const canary = z.strictObject({
  type: z.literal('canary'),
  count: someHosts.default(1).describe('Hosts that go first: a number, or a share like "10%"'),
  bake: duration.prefault(BAKE).describe('How long their health checks must hold before the others follow'),
  rest: rest.default('all').describe('How the others follow'),
})
const marks = z
  .array(someHosts)
  .min(1, 'names no wave')
  .refine(isGrowing, 'each entry says how many hosts are through after its wave, so they must grow')
  .describe('How many hosts of all are through after each wave: [1, "10%", "50%", "100%"]')
const waves = z.strictObject({
  type: z.literal('waves'),
  waves: marks,
  bake: duration.prefault('0s').describe('How long health checks must hold after each wave but the last'),
  pause: duration.prefault('0s').describe('Wait between waves'),
})

export const strategy = z
  .union([
    z.enum(['all', 'rolling', 'canary'], {
      error: 'is not a strategy; use "all", "rolling", "canary" or waves like [1, "10%", "100%"]',
    }),
    marks,
    z.discriminatedUnion('type', [all, rolling, canary, waves]),
  ])
  .describe('In which order hosts switch')

/** What the configuration says, in one form. */
export function strategyOf(written: z.output<typeof strategy> | undefined): Strategy {
  if (written === undefined || written === 'all' || written === 'rolling') return restOf(written ?? 'all')
  if (written === 'canary') return { type: 'canary', count: { hosts: 1 }, bakeMs: BAKE_MS, next: { type: 'all' } }
  if (Array.isArray(written)) return { type: 'waves', marks: written.map(amountOf), bakeMs: 0, pauseMs: 0 }
  if (written.type === 'canary') {
    const { count, bake, rest: others } = written
    return { type: 'canary', count: amountOf(count), bakeMs: bake, next: restOf(others) }
  }
  if (written.type === 'waves') {
    return { type: 'waves', marks: written.waves.map(amountOf), bakeMs: written.bake, pauseMs: written.pause }
  }
  return restOf(written)
}

function restOf(written: z.output<typeof rest>): Rest {
  if (written === 'rolling') return { type: 'rolling', batch: { hosts: 1 }, pauseMs: 0 }
  if (written === 'all' || written.type === 'all') return { type: 'all' }
  return { type: 'rolling', batch: amountOf(written.batch), pauseMs: written.pause }
}

/** Numbers among numbers and shares among shares; which of a number and a share is more depends on the fleet. */
function isGrowing(written: readonly (number | string)[]): boolean {
  const numbers = written.filter((mark) => typeof mark === 'number')
  const shares = written.flatMap((mark) => (typeof mark === 'string' ? (parseShare(mark) ?? []) : []))
  return [numbers, shares].every((list) => list.every((mark, i) => i === 0 || mark > (list[i - 1] ?? 0)))
}

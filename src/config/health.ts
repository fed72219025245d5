/** Health checks: the kind is named by its key (`http`, `tcp`, `exec`), its own options come from the gate's file, timing is common. */
import { z } from 'zod'
import { gates } from '../gates/index.ts'
import { duration } from '../units.ts'
import type { GateSpec } from './environment.ts'
import { nearest } from './nearest.ts'

/** Keys that every kind has. */
export const timing = z.strictObject({
  role: z.string().optional().describe('Ask hosts with this role only'),
  interval: duration.prefault('1s').describe('Between two questions'),
  timeout: duration.prefault('5s').describe('For one answer'),
  deadline: duration.prefault('30s').describe('For the check as a whole'),
  successes: z.int().min(1).default(1).describe('Good answers in a row that are wanted'),
})

export const healthCheck = z
  .record(z.string(), z.unknown(), {
    error: 'a check is an object, for example { "http": "http://127.0.0.1:8080/healthz" }',
  })
  .transform((value, context): GateSpec => {
    const kinds = gates.map((g) => g.key)
    const gate = gates.find((g) => g.key in value)
    if (!gate) {
      context.issues.push({ code: 'custom', input: value, path: [], message: unknownKind(Object.keys(value), kinds) })
      return z.NEVER
    }
    const common = new Set(Object.keys(timing.shape))
    const pick = (wanted: boolean) =>
      Object.fromEntries(Object.entries(value).filter(([key]) => common.has(key) === wanted))
    const times = timing.safeParse(pick(true))
    const options = gate.options.safeParse(pick(false))
    for (const result of [times, options]) {
      for (const issue of result.error?.issues ?? [])
        context.issues.push({ ...issue, input: value } as (typeof context.issues)[number])
    }
    if (!times.success || !options.success) return z.NEVER
    const { role, interval, timeout, deadline, successes } = times.data
    return {
      kind: gate.key,
      options: options.data,
      role,
      intervalMs: interval,
      timeoutMs: timeout,
      deadlineMs: deadline,
      successes,
    }
  })
  .meta({ id: 'health-check', description: 'A question that a healthy release answers well' })

function unknownKind(keys: readonly string[], kinds: readonly string[]): string {
  if (keys.includes('systemd')) return '"systemd" is not available in this version of ship'
  const known = `a check has one of ${kinds.map((k) => `"${k}"`).join(', ')}`
  const near = keys.map((key) => nearest(key, kinds)).find((k) => k !== undefined)
  return near === undefined ? known : `${known}; did you mean "${near}"?`
}

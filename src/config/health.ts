/** Health checks: the kind is named by its key (`http`, `tcp`, `exec`, `systemd`), its own options come from the gate's file, timing is common. */
import { z } from 'zod'
import { gateByKey, gates } from '../gates/index.ts'
import type { Host } from '../transport/transport.ts'
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
  hold: duration.prefault('0s').describe('How long the answers must stay good'),
  from: z
    .enum(['host', 'client'], { error: 'use "host" or "client"' })
    .default('host')
    .describe('Where to ask: on the host, or on this machine'),
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
    const how = { jitless: true, reportInput: true }
    const times = timing.safeParse(pick(true), how)
    const options = gate.options.safeParse(pick(false), how)
    const known = [...common, ...Object.keys(gate.options instanceof z.ZodObject ? gate.options.shape : {})]
    for (const issue of [...(times.error?.issues ?? []), ...(options.error?.issues ?? [])]) {
      if (issue.code !== 'unrecognized_keys') context.issues.push(issue as (typeof context.issues)[number])
      else
        for (const key of issue.keys)
          context.issues.push({ code: 'custom', input: value, path: [key], message: unknownKey(key, known, kinds) })
    }
    if (!times.success || !options.success) return z.NEVER
    const { role, interval, timeout, deadline, successes, hold, from } = times.data
    if (from === 'client' && gate.key === 'systemd') {
      const message = 'units are asked on their host; leave "from" out'
      context.issues.push({ code: 'custom', input: value, path: ['from'], message })
      return z.NEVER
    }
    return {
      kind: gate.key,
      options: options.data,
      role,
      intervalMs: interval,
      timeoutMs: timeout,
      deadlineMs: deadline,
      successes,
      holdMs: hold,
      from,
    }
  })
  .meta({ id: 'health-check', description: 'A question that a healthy release answers well' })

/** Checks as they are asked: files that they name are read, placeholders held against the hosts. Rejects with reason `config`. */
export async function checksOf(
  checks: readonly GateSpec[],
  hosts: readonly Host[],
  projectDir: string,
): Promise<GateSpec[]> {
  return Promise.all(
    checks.map(async (check) => {
      const asked = hosts.filter((host) => check.role === undefined || host.roles.includes(check.role))
      const scope = { projectDir, hosts: asked.map((host) => ({ name: host.name, names: namesOf(host) })) }
      const options = await gateByKey(check.kind).prepare?.(check.options, scope)
      return options === undefined ? check : { ...check, options }
    }),
  )
}

/** What placeholders in a check's address stand for on a host. A label of the host wins over what ship knows of it. */
export function namesOf({ name, address, labels }: Host): Readonly<Record<string, string>> {
  return { host: name, address, ...labels }
}

function unknownKey(key: string, known: readonly string[], kinds: readonly string[]): string {
  if (kinds.includes(key)) return 'is a check of its own: write one object for each'
  const near = nearest(key, known)
  return near === undefined ? `unknown key (known: ${known.join(', ')})` : `unknown key; did you mean "${near}"?`
}

function unknownKind(keys: readonly string[], kinds: readonly string[]): string {
  const known = `a check has one of ${kinds.map((k) => `"${k}"`).join(', ')}`
  const near = keys.map((key) => nearest(key, kinds)).find((k) => k !== undefined)
  return near === undefined ? known : `${known}; did you mean "${near}"?`
}

/** Drains: `type` names the kind, whose own options come from its file; where it acts, the server's name, role and time are common. */
import { z } from 'zod'
import { drains } from '../drain/index.ts'
import { duration } from '../units.ts'
import { nearest } from './nearest.ts'
import type { HostEntry } from './host-entry.ts'

/** A drain as it was written, its options checked. `on` is a list exactly when the kind acts on balancers. */
export interface DrainConfig {
  readonly type: string
  readonly options: unknown
  readonly on: 'host' | 'client' | readonly HostEntry[]
  readonly server: string | undefined
  readonly role: string | undefined
  readonly wait: number
  readonly allowEmpty: boolean
}

/** Keys that every kind has; `entry` is the schema of a host. */
export function drainCommon(entry: z.ZodType<HostEntry>) {
  return z.strictObject({
    type: z.string().describe(`Kind: ${drains.map((d) => d.type).join(', ')}`),
    on: z
      .union([z.enum(['host', 'client']), z.array(entry).min(1, 'names no host')])
      .optional()
      .describe('Load balancers, written as hosts are; for a command also "host" (the one released to) or "client"'),
    server: z
      .string()
      .min(1)
      .optional()
      .describe('What the balancer calls a host: "{address}:8080", "{host}", "{LABEL}" for a label of the host'),
    role: z.string().optional().describe('Drain hosts with this role only'),
    wait: duration.prefault('30s').describe('Longest wait for requests under way, and for a server to come up again'),
    allowEmpty: z.boolean().default(false).describe('Also when no other server of the pool is left'),
  })
}

/** One drain or a list of them. The entry comes as a function, for the schema of hosts stands below this one's use. */
export function drainSchema(entry: () => z.ZodType<HostEntry>) {
  const one = z
    .record(z.string(), z.unknown(), { error: 'a drain is an object, for example { "type": "nginx", ... }' })
    .transform((value, context): DrainConfig => {
      const kind = drains.find((d) => d.type === value['type'])
      const issue = (message: string, ...path: string[]): never => {
        context.issues.push({ code: 'custom', input: value, path, message })
        return z.NEVER
      }
      if (!kind) return issue(unknownType(value['type']), 'type')
      const common = drainCommon(entry())
      const keys = new Set(Object.keys(common.shape))
      const pick = (wanted: boolean) =>
        Object.fromEntries(Object.entries(value).filter(([k]) => keys.has(k) === wanted))
      const [shared, own] = [common.safeParse(pick(true)), kind.options.safeParse(pick(false))]
      for (const { error } of [shared, own]) {
        for (const found of error?.issues ?? [])
          context.issues.push({ ...found, input: value } as (typeof context.issues)[number])
      }
      if (!shared.success || !own.success) return z.NEVER
      const { on, server, role, wait, allowEmpty } = shared.data
      if (kind.onBalancers && !Array.isArray(on)) return issue(`"${kind.type}" needs the balancers: on: ["lb1"]`, 'on')
      if (kind.onBalancers && server === undefined)
        return issue(
          'says what the balancer calls a host, and is missing; write "{address}:8080" or "{host}"',
          'server',
        )
      return { type: kind.type, options: own.data, on: on ?? 'host', server, role, wait, allowEmpty }
    })
    .meta({ id: 'drain', description: 'How a host is taken out of a load balancer and put back' })
  return z
    .union([one, z.array(one)])
    .transform((drain): readonly DrainConfig[] => (Array.isArray(drain) ? drain : [drain]))
}

function unknownType(type: unknown): string {
  const types = drains.map((d) => d.type)
  const near = typeof type === 'string' ? nearest(type, types) : undefined
  const known = `is one of ${types.map((t) => `"${t}"`).join(', ')}`
  return near === undefined ? known : `${known}; did you mean "${near}"?`
}

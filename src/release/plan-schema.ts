/** The form of a plan in a file. What is read there is checked: nothing is executed that ship did not write itself. */
import { z } from 'zod'
import { parseAppName, parseHostName, relPathProblem } from '../names.ts'
import { isVersion } from '../version.ts'
import type { Plan } from './plan.ts'

const count = z.int().min(0)
const text = z.string().max(10_000)
const version = z.string().refine(isVersion, 'is no version')
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'is no digest')
const hook = z.strictObject({ point: text, title: text })

/** A name that its parser takes. */
function named<T>(parse: (name: string) => T): z.ZodPipe<z.ZodString, z.ZodTransform<T, string>> {
  return text.transform((name, context) => {
    try {
      return parse(name)
    } catch {
      context.issues.push({ code: 'custom', message: 'is no name', input: name })
      return z.NEVER
    }
  })
}

const host = named(parseHostName)

const hostPlan = z.strictObject({
  host,
  action: z.enum(['stage', 'reuse', 'resume', 'none']),
  why: text,
  from: text.nullable(),
  fromVersion: version.optional(),
  back: text.nullable(),
  changes: z.strictObject({ added: count, changed: count, removed: count, bytes: count }).optional(),
  treeBytes: count,
  links: z.array(text.refine((path) => relPathProblem(path) === undefined, 'is no path in a release')),
  hooks: z.array(hook),
  gates: z.array(text),
  drains: z.array(text),
  prune: z.array(version),
  lock: text.optional(),
})

export const planSchema = z
  .strictObject({
    schema: z.literal(1),
    kind: z.enum(['release', 'rollback']),
    app: named(parseAppName),
    environment: text,
    target: version,
    digest,
    observed: digest,
    hosts: z.array(hostPlan),
    local: z.array(hook),
    waves: z.array(z.array(host)),
    waveRules: z.array(z.strictObject({ bakeMs: z.number().min(0), pauseMs: z.number().min(0), mayFail: z.boolean() })),
    behind: z.array(
      z.strictObject({ host, kind: z.enum(['unreachable', 'failed']), why: text, runs: text.optional() }),
    ),
    allowances: z.strictObject({ unreachable: count, failed: count }),
  })
  .transform((plan): Plan => plan as unknown as Plan)

/** JSON Schema of the configuration for editors, from the same source as the checks. */
import { z } from 'zod'
import { drains } from '../drain/index.ts'
import { gates } from '../gates/index.ts'
import { drainCommon } from './drain.ts'
import { timing } from './health.ts'
import { hostEntry } from './host-entry.ts'
import { configSchema } from './schema.ts'

/** Draft 2020-12; functions, which JSON cannot hold, are left out. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      if (z.globalRegistry.get(zodSchema)?.id === 'health-check') Object.assign(jsonSchema, healthSchema())
      if (z.globalRegistry.get(zodSchema)?.id === 'drain') Object.assign(jsonSchema, drainBranches())
      // Keys that start with "x-" are free everywhere.
      if (jsonSchema.type === 'object' && jsonSchema.additionalProperties === false)
        jsonSchema.patternProperties = { '^x-': {} }
    },
  })
  return { $id: 'slipway/ship.config', title: 'ship.config', ...schema }
}

/** One branch per kind, each with the common timing. */
function healthSchema(): Record<string, unknown> {
  const common = properties(timing)
  const anyOf = gates.map((gate) => {
    const own = properties(gate.options)
    return { type: 'object', properties: { ...own, ...common }, required: [gate.key], additionalProperties: false }
  })
  return { type: undefined, additionalProperties: undefined, propertyNames: undefined, anyOf }
}

/** One branch per kind, each with the common keys. */
function drainBranches(): Record<string, unknown> {
  const common = properties(drainCommon(hostEntry))
  const anyOf = drains.map(({ type, options, onBalancers }) => {
    const all = { ...properties(options), ...common, type: { const: type } }
    const required = ['type', ...requiredOf(options), ...(onBalancers ? ['on', 'server'] : [])]
    return { type: 'object', properties: all, required, additionalProperties: false }
  })
  return { type: undefined, additionalProperties: undefined, propertyNames: undefined, anyOf }
}

function requiredOf(schema: z.ZodType): readonly string[] {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }).required ?? []
}

function properties(schema: z.ZodType): Record<string, unknown> {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }).properties ?? {}
}

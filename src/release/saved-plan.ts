/**
 * A plan in a file, to be executed later and elsewhere: what was planned, what was asked for, and a seal of the settings that count. The
 * file holds no value of the configuration but what a plan shows: settings are digests that cost time to guess at.
 */
import { randomBytes, scrypt, type ScryptOptions } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Environment } from '../config/environment.ts'
import { messageOf, ShipError } from '../errors.ts'
import { parseForeignJson, problemOf, readForeign } from '../foreign.ts'
import { ownVersion } from '../own-version.ts'
import type { Plan } from './plan.ts'
import { planSchema } from './plan-schema.ts'

const MAX_BYTES = 64 * 1024 * 1024
const MAX_VALUES = 2_000_000
/** A few milliseconds for each setting: nothing to wait for, and too much to try many passwords. */
const COST: ScryptOptions = { N: 4096, r: 8, p: 1 }

const name = z.string().min(1).max(1000)
const asked = z.strictObject({
  hosts: z.array(name),
  roles: z.array(name),
  strategy: name.optional(),
  maxFailed: name.optional(),
  maxUnreachable: name.optional(),
  /** Flags that let something pass. */
  on: z.array(z.enum(['allowDowngrade', 'force', 'duringFreeze', 'anyBranch', 'skipSoak'])),
})

const savedSchema = z.strictObject({
  schema: z.literal(1),
  ship: name,
  savedAt: z.iso.datetime(),
  by: name,
  asked,
  /** Digest of every setting of the environment. */
  settings: z.strictObject({
    salt: z.string().regex(/^[0-9a-f]{32}$/),
    digests: z.record(name, z.string().regex(/^[0-9a-f]{64}$/)),
  }),
  plan: planSchema,
})

/** What was asked for besides the bundle, in the words of the command line. */
export type Asked = z.output<typeof asked>
export type SavedPlan = z.output<typeof savedSchema>

/** Writes a plan whole or not at all. Rejects with reason `usage` when it cannot be written there. */
export async function savePlan(
  file: string,
  { plan, environment, asked: words, by }: { plan: Plan; environment: Environment; asked: Asked; by: string },
): Promise<void> {
  const salt = randomBytes(16).toString('hex')
  const settings = { salt, digests: await digestsOf(environment, salt) }
  const saved = { schema: 1, ship: ownVersion(), savedAt: new Date().toISOString(), by, asked: words, settings, plan }
  const temp = `${file}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(temp, `${JSON.stringify(saved, null, 2)}\n`, { flag: 'wx' })
    await rename(temp, file)
  } catch (cause) {
    await rm(temp, { force: true })
    throw new ShipError('usage', `the plan could not be written to "${file}": ${messageOf(cause)}`, { cause })
  }
}

/** Reads a plan. Rejects with reason `usage` when there is no such file, and with `refused` when it is none of ship's, by what is wrong. */
export async function readPlan(file: string): Promise<SavedPlan> {
  const bytes = await readForeign(file, MAX_BYTES)
  if (!bytes)
    throw new ShipError('usage', `there is no plan "${file}"`, { next: [`make one: ship plan --out ${file}`] })
  const value = parseForeignJson(bytes, 'the plan', MAX_VALUES)
  const schema = typeof value === 'object' && value !== null && 'schema' in value ? value.schema : undefined
  if (schema !== undefined && schema !== 1) {
    throw new ShipError(
      'refused',
      `the plan has schema ${JSON.stringify(schema)?.slice(0, 50)}, this version of ship reads 1`,
    )
  }
  const parsed = savedSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new ShipError('refused', `"${file}" is no plan of ship: ${problemOf(parsed.error)}`, {
    state: 'nothing was changed on any host',
    next: [`make one: ship plan --out ${file}`],
  })
}

/** Settings that are not what they were when the plan was made. */
export async function settingsDrift({ settings }: SavedPlan, environment: Environment): Promise<string[]> {
  const now = await digestsOf(environment, settings.salt)
  const keys = [...new Set([...Object.keys(settings.digests), ...Object.keys(now)])].toSorted()
  return keys.filter((key) => settings.digests[key] !== now[key])
}

async function digestsOf(environment: Environment, salt: string): Promise<Record<string, string>> {
  const { projectDir, ...settings } = environment
  const entries = Object.entries(settings).flatMap(([key, value]) => {
    const text = canonical(value, projectDir)
    return text === undefined ? [] : [derive(text, `${salt}${key}`).then((digest): [string, string] => [key, digest])]
  })
  return Object.fromEntries(await Promise.all(entries))
}

function derive(text: string, salt: string): Promise<string> {
  return new Promise((resolve, reject) => {
    scrypt(text, salt, 32, COST, (error, key) => (error ? reject(error) : resolve(key.toString('hex'))))
  })
}

/** The same text for the same settings, wherever the project lies. A function is its source. */
function canonical(value: unknown, projectDir: string): string | undefined {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'function') return `function ${String(inner)}`
    if (inner instanceof Map) return [...inner]
    if (typeof inner === 'string' && inner.startsWith(`${projectDir}/`))
      return `./${inner.slice(projectDir.length + 1)}`
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/**
 * The whole configuration, once: types, checks, JSON Schema and help come from here. Keys that belong to later versions are known
 * by name and refused with a sentence; keys that start with `x-` are taken out before (see load.ts).
 */
import { z } from 'zod'
import { FORMAT_NAMES } from '../formats/index.ts'
import type { Recipe } from '../recipe.ts'
import { TRANSPORT_NAMES } from '../transport/index.ts'
import { duration, parseShare } from '../units.ts'
import { healthCheck } from './health.ts'

const words = z.array(z.string().min(1))
const path = z.string().min(1)

/** A key of the contract whose work is not here yet: refused by name, never as a typo. */
const later = (what: string) =>
  z
    .unknown()
    .optional()
    .refine((value) => value === undefined, `${what} is not available in this version of ship`)
    .meta({ description: 'Not available in this version' })

const hook = z
  .union([
    z.string().min(1),
    words.min(1),
    z.strictObject({
      run: z.union([z.string().min(1), words.min(1)]).describe('A shell command, or a program and its arguments'),
      once: z.boolean().default(false).describe('Run on one host only: the first of its role'),
      role: z.string().optional().describe('Run on hosts with this role only'),
      timeout: duration.prefault('5m').describe('End it after this time'),
      env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
    }),
  ])
  .describe('A command run on the hosts')

const hooks = z.strictObject({
  beforeStage: z.array(hook).default([]).describe('In deployTo, before anything is sent'),
  beforeSwitch: z.array(hook).default([]).describe('In the new release, when it is staged on every host: migrations'),
  afterSwitch: z.array(hook).default([]).describe('In current: reload or restart the app'),
  afterVerify: z.array(hook).default([]).describe('When the release is healthy everywhere'),
  onFailure: z.array(hook).default([]).describe('After a host was put back'),
})

const batch = z
  .union([z.int().min(1), z.string().refine((text) => parseShare(text) !== undefined, 'is not a share; write "25%"')])
  .describe('Hosts that switch together: a number, or a share like "25%"')

const strategy = z
  .union([
    z.enum(['all', 'rolling'], { error: 'is not a strategy; use "all" or "rolling"' }),
    z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('all') }),
      z.strictObject({
        type: z.literal('rolling'),
        batch: batch.default(1),
        pause: duration.prefault('0s').describe('Wait between batches'),
      }),
    ]),
  ])
  .describe('In which order hosts switch')

const shared = z.strictObject({
  dirs: words.default([]).describe('Folders that outlive releases, linked into each'),
  files: words.default([]).describe('Files that outlive releases; they must exist on the hosts'),
  optionalFiles: words.default([]).describe('Files that are linked when they exist'),
})

/** Everything a release may set; `release` gives defaults, an environment may override each. */
const releaseShape = {
  deployTo: z
    .string()
    .startsWith('/', 'must be an absolute path')
    .optional()
    .describe('Folder on the hosts; default /opt/<name>'),
  keep: z.int().min(1).optional().describe('How many verified releases to keep; default 5'),
  transport: z
    .enum(['auto', ...TRANSPORT_NAMES], {
      error: (i) =>
        i.input === 'rsync'
          ? '"rsync" is not available in this version of ship'
          : `use ${['auto', ...TRANSPORT_NAMES].join(', ')}`,
    })
    .optional()
    .describe('How to reach the hosts'),
  shared: shared.optional(),
  strategy: strategy.optional(),
  hooks: hooks.optional(),
  health: z.array(healthCheck).optional().describe('Checks that a release must pass after its switch'),
  knownHosts: path.optional().describe("File of host keys, relative to the project, used instead of the user's"),
  confirm: later('"confirm"'),
  sign: later('"sign"'),
}

const hostObject = z.strictObject({
  host: z.string().min(1).describe('Name, address or alias of ~/.ssh/config; ranges like web[01:03] are expanded'),
  local: path.optional().describe('Instead of ssh: this folder of this machine is the host'),
  user: z.string().min(1).optional(),
  port: z.int().min(1).max(65_535).optional(),
  identityFile: path.optional(),
  knownHosts: path.optional(),
  hostKey: z
    .union([z.string(), words])
    .optional()
    .describe('Pinned host keys: known_hosts key text or "SHA256:..." fingerprints'),
  proxyJump: z.string().min(1).optional(),
  roles: words.default([]),
  labels: z.record(z.string(), z.string()).default({}),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
  deployTo: z.string().startsWith('/', 'must be an absolute path').optional(),
  transport: z.enum(['auto', ...TRANSPORT_NAMES]).optional(),
})

/** One entry of `hosts`. */
export const hostEntry = z.union([z.string().min(1), hostObject]).describe('"user@host:port", or an object')

type HostsFunction = () => unknown
const hosts = z
  .union([z.array(hostEntry).min(1, 'names no host'), z.custom<HostsFunction>((value) => typeof value === 'function')])
  .describe('The hosts, or a function that returns them')

const environment = z.strictObject({ hosts, ...releaseShape }).describe('Where a release goes')

const build = z.strictObject({
  from: path.default('.').describe('Source folder'),
  recipe: z
    .union([
      z.string().min(1),
      z.custom<Recipe>((value) => typeof value === 'object' && value !== null && 'build' in value),
    ])
    .default('files')
    .describe("files, static-site, node-app, or one of the project's recipes/"),
  include: words.default(['**']).describe('Patterns of paths to take'),
  exclude: words.default([]).describe('Patterns of paths to leave out'),
  allow: words.default([]).describe('Paths that the guard against keys and junk lets through'),
  layout: z
    .enum(['plain'], {
      error: (i) => (i.input === 'omnibus' ? '"omnibus" is not available in this version of ship' : 'use "plain"'),
    })
    .default('plain'),
  formats: z
    .array(
      z.enum(FORMAT_NAMES, {
        error: (i) =>
          i.input === 'deb'
            ? '"deb" is not available in this version of ship'
            : `use ${FORMAT_NAMES.map((name) => `"${name}"`).join(', ')}`,
      }),
    )
    .min(1)
    .default(['tar.gz'])
    .describe('Archive formats to write'),
})

export const configSchema = z
  .strictObject({
    $schema: z.string().optional(),
    name: z.string().describe('Name of the app'),
    version: z
      .union([z.string().min(1), z.custom<() => unknown>((value) => typeof value === 'function')])
      .default('package.json')
      .describe('"package.json", "git", a version, or a function'),
    build: build.prefault({}),
    release: z.strictObject(releaseShape).prefault({}).describe('Defaults of every environment'),
    environments: z
      .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'is not a name for an environment'), environment)
      .default({}),
    deb: later('"deb"'),
    tasks: later('"tasks"'),
  })
  .describe('Configuration of ship')

/** What a user writes. */
export type UserConfig = z.input<typeof configSchema>
/** The same, checked, defaults filled in. */
export type Config = z.output<typeof configSchema>
export type EnvironmentConfig = Config['environments'][string]
export type HookConfig = z.output<typeof hook>
export type HostEntry = z.output<typeof hostEntry>

/** Types a configuration; returns it as it is. */
export function defineConfig(config: UserConfig): UserConfig {
  return config
}

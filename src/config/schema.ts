/**
 * The whole configuration, once: types, checks, JSON Schema and help come from here. Keys that start with `x-` are taken out before
 * (see load.ts).
 */
import { z } from 'zod'
import { FORMAT_NAMES } from '../formats/index.ts'
import type { Recipe } from '../recipe.ts'
import { TRANSPORT_NAMES } from '../transport/index.ts'
import { rate } from '../units.ts'
import { anyHosts } from './amount.ts'
import { deb } from './deb.ts'
import { drainSchema } from './drain.ts'
import { guardShape, soakProblems } from './guards.ts'
import { healthCheck } from './health.ts'
import { hooks } from './hooks.ts'
import { hostEntry } from './host-entry.ts'
import { inheritanceProblems, inherited } from './inheritance.ts'
import { install } from './install.ts'
import { logs } from './logs.ts'
import { notify } from './notify.ts'
import { strategy } from './strategy.ts'
import { systemLibraries, targets } from './targets.ts'
import { tasks } from './tasks.ts'
import { versionText } from './version.ts'
import { APP_NAME_RULE, isAppName } from '../names.ts'

const words = z.array(z.string().min(1))
const path = z.string().min(1)
const FORMATS = [...FORMAT_NAMES, 'deb'] as const

const shared = z.strictObject({
  dirs: words.default([]).describe('Folders that outlive releases, linked into each'),
  files: words.default([]).describe('Files that outlive releases; they must exist on the hosts'),
  optionalFiles: words.default([]).describe('Files that are linked when they exist'),
})

/** Everything a release may set; `release` gives defaults, an environment may override each. */
const absolute = z.string().startsWith('/', 'must be an absolute path')

const releaseShape = {
  deployTo: absolute.optional().describe('Folder on the hosts; default /opt/<name>'),
  keep: z.int().min(1).optional().describe('How many verified releases to keep; default 5'),
  transport: z
    .enum(['auto', ...TRANSPORT_NAMES], { error: `use ${['auto', ...TRANSPORT_NAMES].join(', ')}` })
    .optional()
    .describe('How to reach the hosts'),
  format: z
    .enum(['archive', 'deb'], { error: 'use "archive" or "deb"' })
    .optional()
    .describe('What is released: an archive that is unpacked (default), or a .deb that apt-get installs'),
  install: install.optional(),
  shared: shared.optional().describe('What outlives releases, linked into each'),
  limit: rate.optional().describe('Most that is sent a second, to all hosts together'),
  reuse: z
    .enum(['copy', 'hardlink'], { error: 'use "copy" or "hardlink"' })
    .optional()
    .describe('Files that a host has: "copy" them (default), or "hardlink", quicker and shared by both releases'),
  verify: z
    .enum(['full', 'sample'], { error: 'use "full" or "sample"' })
    .optional()
    .describe(
      'How a release that is on a host already is checked: "full" hashes all of it; "sample" (default) what changed since it was checked, and up to 16 MiB where hosts give files only',
    ),
  strategy: strategy.optional(),
  maxUnreachable: anyHosts
    .optional()
    .describe(
      'So many hosts may not be reached; they are left out, and are behind then: a number, or a share like "10%"',
    ),
  maxFailed: anyHosts
    .optional()
    .describe('So many hosts may fail by themselves; they are put back, and are behind then: a number, or a share'),
  hooks: hooks.optional().describe('Commands at points of a release'),
  health: z.array(healthCheck).optional().describe('Checks that a release must pass after its switch'),
  logs,
  notify,
  returnAnyway: z
    .boolean()
    .optional()
    .describe('Put hosts back by themselves even when a hook passed the point of no return; default false'),
  drain: drainSchema(() => hostEntry)
    .optional()
    .describe('How a host is taken out of its load balancers while it is switched'),
  relay: z
    .lazy(() => hostEntry)
    .optional()
    .describe('A host to which payloads are sent once, and whose own ssh brings them to the others'),
  relaySshConfig: z
    .string()
    .startsWith('/')
    .optional()
    .describe('Configuration of ssh there; default: that of its user'),
  knownHosts: path.optional().describe("File of host keys, relative to the project, used instead of the user's"),
  ...guardShape,
  sign: z
    .enum(['required', 'optional'], { error: 'use "required" or "optional"' })
    .optional()
    .describe('Whether a bundle must be signed by one of "signers"; default optional'),
}

type HostsFunction = () => unknown
const hosts = z
  .union([z.array(hostEntry).min(1, 'names no host'), z.custom<HostsFunction>((value) => typeof value === 'function')])
  .describe('The hosts, or a function that returns them')

const environment = z
  .strictObject({
    extends: z.string().optional().describe('Another environment, whose values count where none is written here'),
    hosts: hosts.optional(),
    production: z
      .boolean()
      .optional()
      .describe(
        'Ask before it is changed, and want --yes where nobody can be asked; default: ask when it is called "production"',
      ),
    ...releaseShape,
  })
  .describe('Where a release goes')

const build = z.strictObject({
  from: path.default('.').describe('Source folder'),
  recipe: z
    .union([
      z.string().min(1),
      z.custom<Recipe>((value) => typeof value === 'object' && value !== null && 'build' in value),
    ])
    .default('files')
    .describe("files, static-site, node-app, python-app, binary, procfile, or one of the project's recipes/"),
  include: words.default(['**']).describe('Patterns of paths to take'),
  exclude: words.default([]).describe('Patterns of paths to leave out'),
  allow: words.default([]).describe('Paths that the guard against keys and junk, and the library check, let through'),
  targets,
  systemLibraries,
  dirty: z
    .enum(['refuse', 'warn', 'allow'], { error: 'use "refuse", "warn" or "allow"' })
    .default('warn')
    .describe('When the sources differ from their commit'),
  layout: z
    .enum(['plain', 'omnibus'], { error: 'use "plain" or "omnibus"' })
    .default('plain')
    .describe('"omnibus": the app in app/, its runtime and libraries in embedded/, programs in bin/'),
  components: z
    .record(z.string(), z.string().min(1))
    .default({})
    .describe('Versions of components, instead of the recipes\' own choice: { "node": "22" }'),
  bin: z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/, 'is not a name for a program'), path)
    .default({})
    .describe('Programs in bin/, and the file of the app that each runs: { "shop": "server.js" }'),
  cache: z
    .union([
      z.literal(false),
      z.strictObject({
        dir: path.optional().describe('Folder for kept parts, which several machines may share'),
        url: z.url().optional().describe('HTTP address that takes GET and PUT; SHIP_CACHE_TOKEN is its bearer token'),
        push: z.boolean().default(true).describe('Whether parts built here are sent to the url'),
      }),
    ])
    .prefault({})
    .describe('Where results of recipes are kept for the next build; false: nowhere'),
  formats: z
    .array(z.enum(FORMATS, { error: `use ${FORMATS.map((name) => `"${name}"`).join(', ')}` }))
    .min(1)
    .default(['tar.gz'])
    .describe('Archive formats to write, and "deb"'),
  sign: z
    .strictObject({
      key: path.describe('A private key, or a public one whose private half is in the ssh-agent; ~/ is your home'),
      namespace: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9@._-]*$/, 'is not a name space; use letters, digits and "@._-"')
        .default('file')
        .describe('What the signature is for, as ssh-keygen -n'),
    })
    .optional()
    .describe('Sign SHA256SUMS with an SSH key'),
})

export const configSchema = z
  .strictObject({
    $schema: z.string().optional().describe('Address of the JSON Schema, for editors'),
    name: z.string().refine(isAppName, `is not a name for an app; ${APP_NAME_RULE}`).describe('Name of the app'),
    version: z
      .union([versionText, z.custom<() => unknown>((value) => typeof value === 'function')])
      .default('package.json')
      .describe('"package.json", "git" (tags v1.4.2), "git:shop-v" (tags shop-v1.4.2), a version, or a function'),
    changelog: z
      .union([z.boolean(), path], { error: 'use true (CHANGELOG.md), false, or the path of a file' })
      .default(false)
      .describe('A changelog as of keepachangelog.com, whose newest section must be that of the built version'),
    build: build.prefault({}).describe('How a bundle is made'),
    release: z.strictObject(releaseShape).prefault({}).describe('Defaults of every environment'),
    environments: z
      .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'is not a name for an environment'), environment)
      .default({})
      .describe('Where releases go, by name'),
    signers: path
      .optional()
      .describe('File of the keys whose signatures count, as ssh-keygen reads it (allowed_signers)'),
    deb: deb.prefault({}),
    tasks: tasks.describe('What "ship run" runs'),
  })
  .superRefine((config, context) => {
    const all = config.environments
    const soaks = soakProblems(Object.keys(all), (name) => inherited(all, name)?.soak ?? config.release.soak)
    for (const { path: at, message } of [...inheritanceProblems(all), ...soaks])
      context.addIssue({ code: 'custom', path: [...at], message })
    if (config.signers !== undefined) return
    const message = 'needs "signers", a file of the keys whose signatures count'
    const { release, environments } = config
    if (release.sign === 'required') context.addIssue({ code: 'custom', path: ['release', 'sign'], message })
    for (const [name, { sign }] of Object.entries(environments)) {
      if (sign === 'required') context.addIssue({ code: 'custom', path: ['environments', name, 'sign'], message })
    }
  })
  .describe('Configuration of ship')

/** What a user writes. */
export type UserConfig = z.input<typeof configSchema>
/** The same, checked, defaults filled in. */
export type Config = z.output<typeof configSchema>
export type EnvironmentConfig = Config['environments'][string]

/** Types a configuration; returns it as it is. */
export function defineConfig(config: UserConfig): UserConfig {
  return config
}

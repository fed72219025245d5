/** Config + the name of an environment -> what a release needs: defaults merged, hosts expanded, one or some of them chosen. */
import { ShipError } from '../errors.ts'
import { parseRelPath, type AppName } from '../names.ts'
import type { Host } from '../transport/transport.ts'
import { parseShare } from '../units.ts'
import { expandHosts } from './inventory.ts'
import type { Project } from './load.ts'
import { nearest } from './nearest.ts'
import type { Config, EnvironmentConfig, HookConfig } from './schema.ts'

/** A hook after parsing: `run` is an argument list; a string of the config became `['sh', '-c', text]`. */
export interface Hook {
  /** As the user wrote it, for output. */
  readonly title: string
  readonly argv: readonly string[]
  /** Runs on exactly one host (the first of its role in fleet order). */
  readonly once: boolean
  /** Only hosts with this role; undefined: all. */
  readonly role: string | undefined
  readonly timeoutMs: number
  readonly env: Readonly<Record<string, string>>
}

const HOOK_POINTS = ['beforeStage', 'beforeSwitch', 'afterSwitch', 'afterVerify', 'onFailure'] as const
export type HookPoint = (typeof HOOK_POINTS)[number]

/** A gate after parsing: the kind's own options, and the timing common to all kinds. */
export interface GateSpec {
  readonly kind: string
  readonly options: unknown
  readonly role: string | undefined
  readonly intervalMs: number
  /** For one probe. */
  readonly timeoutMs: number
  /** For the gate as a whole. */
  readonly deadlineMs: number
  /** Good answers in a row that are wanted. */
  readonly successes: number
}

export type Strategy =
  | { readonly type: 'all' }
  | {
      readonly type: 'rolling'
      readonly batch: { readonly hosts: number } | { readonly share: number }
      readonly pauseMs: number
    }

export interface Environment {
  readonly name: string
  readonly app: AppName
  readonly hosts: readonly Host[]
  readonly keep: number
  readonly shared: {
    readonly dirs: readonly string[]
    readonly files: readonly string[]
    readonly optionalFiles: readonly string[]
  }
  readonly hooks: Readonly<Record<HookPoint, readonly Hook[]>>
  readonly health: readonly GateSpec[]
  readonly strategy: Strategy
  /** Absolute folder of the project: where ship.config lies. */
  readonly projectDir: string
}

/** Which environment and which of its hosts; `hosts` may hold `*`. */
export interface Selection {
  readonly name?: string | undefined
  readonly hosts?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
}

const KEEP = 5
const HOOK_TIMEOUT_MS = 300_000

/** Rejects with reason `usage` (which environment, which hosts) or `config` (hosts, paths). */
export async function environmentOf(project: Project, selection: Selection = {}): Promise<Environment> {
  const { config } = project
  const name = chooseEnvironment(config, selection.name)
  const own = config.environments[name]
  if (!own) throw new TypeError(`no environment "${name}"`)
  const merged = { ...config.release, ...withoutUndefined(own) }
  const hosts = await expandHosts(own.hosts, {
    deployTo: merged.deployTo ?? `/opt/${project.name}`,
    transport: merged.transport ?? 'auto',
    knownHosts: merged.knownHosts === undefined ? undefined : `${project.dir}/${merged.knownHosts}`,
    projectDir: project.dir,
  })
  return {
    name,
    app: project.name,
    hosts: chooseHosts(hosts, selection, name),
    keep: merged.keep ?? KEEP,
    shared: sharedPaths(merged.shared),
    hooks: hooksOf(merged.hooks),
    health: merged.health ?? [],
    strategy: strategyOf(merged.strategy),
    projectDir: project.dir,
  }
}

function chooseEnvironment(config: Config, wanted: string | undefined): string {
  const names = Object.keys(config.environments)
  const [only] = names
  if (wanted !== undefined) {
    if (names.includes(wanted)) return wanted
    const near = nearest(wanted, names)
    const hint = near === undefined ? '' : `; did you mean "${near}"?`
    throw new ShipError('usage', `there is no environment "${wanted}"${hint}`, {
      next: [`known: ${names.join(', ') || 'none'}`],
    })
  }
  if (only === undefined)
    throw new ShipError('config', 'the configuration has no environments', {
      next: ['add "environments" with the hosts to release to'],
    })
  if (names.length > 1) throw new ShipError('usage', 'which environment?', { next: names.map((n) => `-e ${n}`) })
  return only
}

function chooseHosts(
  hosts: readonly Host[],
  { hosts: names = [], roles = [] }: Selection,
  environment: string,
): Host[] {
  const patterns = names.map((name) => ({
    name,
    test: new RegExp(`^${name.split('*').map(escapePattern).join('.*')}$`),
  }))
  const unknown = patterns.find(({ test }) => !hosts.some((h) => test.test(h.name)))
  if (unknown) {
    const near = nearest(
      unknown.name,
      hosts.map((h) => h.name),
    )
    const hint = near === undefined ? '' : `; did you mean "${near}"?`
    throw new ShipError('usage', `no host of "${environment}" is called "${unknown.name}"${hint}`, {
      next: [`known: ${hosts.map((h) => h.name).join(', ')}`],
    })
  }
  const chosen = hosts
    .filter((h) => patterns.length === 0 || patterns.some(({ test }) => test.test(h.name)))
    .filter((h) => roles.length === 0 || h.roles.some((role) => roles.includes(role)))
  if (chosen.length > 0) return chosen
  const known = [...new Set(hosts.flatMap((h) => h.roles))]
  throw new ShipError('usage', `no host of "${environment}" has a role of ${roles.join(', ')}`, {
    next: [`known roles: ${known.join(', ') || 'none'}`],
  })
}

function sharedPaths(shared: EnvironmentConfig['shared']): Environment['shared'] {
  const { dirs = [], files = [], optionalFiles = [] } = shared ?? {}
  const all = [...dirs, ...files, ...optionalFiles].map((path) => parseRelPath(path.replace(/\/$/, '')))
  for (const [index, path] of all.entries()) {
    if (all.indexOf(path) !== index) throw new ShipError('config', `shared path "${path}" is listed twice`)
    const above = all.find((other) => path.startsWith(`${other}/`))
    if (above !== undefined) throw new ShipError('config', `shared path "${path}" lies in shared path "${above}"`)
  }
  return {
    dirs: all.slice(0, dirs.length),
    files: all.slice(dirs.length, dirs.length + files.length),
    optionalFiles: all.slice(dirs.length + files.length),
  }
}

function hooksOf(hooks: EnvironmentConfig['hooks']): Environment['hooks'] {
  const at = (point: HookPoint): Hook[] => (hooks?.[point] ?? []).map(hookOf)
  return {
    beforeStage: at('beforeStage'),
    beforeSwitch: at('beforeSwitch'),
    afterSwitch: at('afterSwitch'),
    afterVerify: at('afterVerify'),
    onFailure: at('onFailure'),
  }
}

function hookOf(hook: HookConfig): Hook {
  const object =
    typeof hook === 'string' || Array.isArray(hook)
      ? { run: hook, once: false, role: undefined, timeout: HOOK_TIMEOUT_MS, env: {} }
      : hook
  const { run, once, role, timeout, env } = object
  const argv = typeof run === 'string' ? ['sh', '-c', run] : run
  return { title: typeof run === 'string' ? run : run.join(' '), argv, once, role, timeoutMs: timeout, env }
}

function strategyOf(strategy: EnvironmentConfig['strategy']): Strategy {
  if (strategy === undefined || strategy === 'all') return { type: 'all' }
  if (strategy === 'rolling') return { type: 'rolling', batch: { hosts: 1 }, pauseMs: 0 }
  if (strategy.type === 'all') return { type: 'all' }
  const { batch, pause } = strategy
  return {
    type: 'rolling',
    batch: typeof batch === 'number' ? { hosts: batch } : { share: parseShare(batch) ?? 1 },
    pauseMs: pause,
  }
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as Partial<T>
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

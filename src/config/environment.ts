/** Config + the name of an environment -> what a release needs: defaults merged, hosts expanded, one or some of them chosen. */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { ShipError } from '../errors.ts'
import { parseRelPath, type AppName } from '../names.ts'
import type { Host } from '../transport/transport.ts'
import { amountOf, type Amount } from './amount.ts'
import { balancersOf, type DrainSpec } from './balancers.ts'
import { chooseEnvironment, chooseHosts, type Selection } from './choose.ts'
import { guardsOf, type Guards } from './guards.ts'
import { checksOf } from './health.ts'
import { debTarget } from './install.ts'
import { hooksOf, type Hook, type HookPoint } from './hooks.ts'
import { idleParts } from './idle.ts'
import { inherited, withoutUndefined } from './inheritance.ts'
import { expandHosts, type HostDefaults } from './inventory.ts'
import type { Project } from './load.ts'
import { logsOf, type LogSource } from './logs.ts'
import { notifyOf, type Notify } from './notify.ts'
import type { EnvironmentConfig } from './schema.ts'
import { strategyOf, type Strategy } from './strategy.ts'

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
  /** For so long the answers must stay good. */
  readonly holdMs: number
  /** Where the question is asked: on the host, or on this machine. */
  readonly from: 'host' | 'client'
}

export type { Strategy } from './strategy.ts'

export interface Environment {
  readonly name: string
  readonly app: AppName
  readonly hosts: readonly Host[]
  readonly keep: number
  /** What is released: an archive that is unpacked (default), or a package that is installed. */
  readonly format?: 'archive' | 'deb' | undefined
  readonly shared: {
    readonly dirs: readonly string[]
    readonly files: readonly string[]
    readonly optionalFiles: readonly string[]
  }
  readonly hooks: Readonly<Record<HookPoint, readonly Hook[]>>
  readonly health: readonly GateSpec[]
  /** What is looked into when a release fails. */
  readonly logs: readonly LogSource[]
  /** Hosts are put back by themselves even behind a point of no return. */
  readonly returnAnyway: boolean
  readonly strategy: Strategy
  /** So many hosts may not be reached, and so many may fail by themselves, and the run is done all the same. */
  readonly maxUnreachable: Amount
  readonly maxFailed: Amount
  /** Where payloads are sent once, and the configuration of its ssh. */
  readonly relay?: { readonly host: Host; readonly sshConfig: string | undefined } | undefined
  /** Load balancers that a host is taken out of while it is switched. */
  readonly drains: readonly DrainSpec[]
  /** Bytes a second to all hosts together; undefined: as fast as it goes. */
  readonly limit: number | undefined
  /** How files of earlier releases get into the next one. */
  readonly reuse: 'copy' | 'hardlink'
  /** How much is read back from hosts that cannot hash; default `sample`. */
  readonly verify?: 'full' | 'sample' | undefined
  /** What must hold before a release. */
  readonly guards?: Guards | undefined
  /** For so long a host waits to be reached anew after its switch, then it puts itself back; undefined: it does not wait. */
  readonly confirmMs?: number | undefined
  /** Who is told how a run ended. */
  readonly notify?: Notify | undefined
  /** Whether it is asked about before it is changed; undefined: by its name. */
  readonly production?: boolean | undefined
  /** What of it can have no effect, in words. */
  readonly idle?: readonly string[] | undefined
  /** Absolute folder of the project: where ship.config lies. */
  readonly projectDir: string
}

const KEEP = 5

/** Rejects with reason `usage` (which environment, which hosts) or `config` (hosts, paths). */
export async function environmentOf(project: Project, selection: Selection = {}): Promise<Environment> {
  const name = chooseEnvironment(project.config, selection.name)
  const merged = mergedOf(project, name)
  const defaults = defaultsOf(project, merged)
  const hosts = await hostsOf(project, name)
  const hooks = hooksOf(merged.hooks)
  const health = await checksOf(merged.health ?? [], hosts, project.dir)
  return {
    name,
    app: project.name,
    hosts: chooseHosts(hosts, selection, name),
    keep: merged.keep ?? KEEP,
    format: merged.format,
    shared: sharedPaths(merged.shared),
    hooks,
    health,
    idle: idleParts({ hooks, health }, hosts, name),
    logs: logsOf(merged.logs),
    returnAnyway: merged.returnAnyway ?? false,
    strategy: strategyOf(merged.strategy),
    maxUnreachable: amountOf(merged.maxUnreachable ?? 0),
    maxFailed: amountOf(merged.maxFailed ?? 0),
    relay: await relayOf(merged, defaults),
    drains: await balancersOf(merged.drain ?? [], hosts, defaults),
    limit: merged.limit,
    reuse: merged.reuse ?? 'copy',
    verify: merged.verify,
    guards: guardsOf(merged, (other) => hostsOf(project, other)),
    confirmMs: merged.confirm === false ? undefined : merged.confirm,
    notify: notifyOf(merged.notify),
    production: merged.production,
    projectDir: project.dir,
  }
}

/** What holds for an environment: its own values, those it inherits, and the defaults of all. */
function mergedOf({ config }: Project, name: string): EnvironmentConfig {
  return { ...config.release, ...withoutUndefined(inherited(config.environments, name) ?? {}) }
}

function defaultsOf(project: Project, merged: EnvironmentConfig): HostDefaults {
  const { name, dir } = project
  const deb = debTarget(project, merged)
  return {
    deployTo: merged.deployTo ?? `/opt/${deb?.package ?? name}`,
    deb,
    transport: merged.transport ?? 'auto',
    knownHosts: merged.knownHosts === undefined ? undefined : `${dir}/${merged.knownHosts}`,
    projectDir: dir,
  }
}

/** All hosts of an environment. Rejects with reason `config`. */
async function hostsOf(project: Project, name: string): Promise<Host[]> {
  const merged = mergedOf(project, name)
  if (!merged.hosts) throw new TypeError(`no environment "${name}" with hosts`)
  const defaults = defaultsOf(project, merged)
  try {
    return await expandHosts(merged.hosts, defaults)
  } catch (error) {
    if (!(error instanceof ShipError) || error.reason !== 'config') throw error
    const { placed } = await import('./explain.ts')
    const source = { file: basename(project.file), text: readFileSync(project.file, 'utf8') }
    throw placed(error, source, ['environments', name])
  }
}

async function relayOf(
  { relay, relaySshConfig }: EnvironmentConfig,
  defaults: HostDefaults,
): Promise<Environment['relay']> {
  if (relay === undefined) return undefined
  const [host, ...more] = await expandHosts([relay], defaults)
  if (!host || more.length > 0) throw new ShipError('config', 'release.relay names more than one host')
  return { host, sshConfig: relaySshConfig }
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

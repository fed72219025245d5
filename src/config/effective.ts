/** The configuration as it applies, each value with where it comes from. Values of `env` are masked: they may be secrets. */
import { basename } from 'node:path'
import { publicAddress } from '../public-url.ts'
import type { Host } from '../transport/transport.ts'
import { asWritten } from './as-written.ts'
import { environmentOf } from './environment.ts'
import { inherited, originOf, withoutUndefined } from './inheritance.ts'
import type { Project } from './load.ts'

/** One value: its path, what it is, and where it was written. */
interface Setting {
  readonly path: string
  readonly value: unknown
  /** `merged`: of a host, when ranges are expanded and defaults filled in. */
  readonly origin: 'default' | 'file' | 'environment' | 'merged'
  /** Where in the file an inherited value stands: "release", "environments.staging". */
  readonly from?: string
}

/** What is shown for people: "release.keep = 5  (default)". */
interface Effective {
  readonly data: readonly Setting[]
  readonly lines: readonly string[]
}

/**
 * All values; for one environment with what it inherits and with each of its hosts. What is the same on all hosts is one line. Rejects
 * with reason `usage` or `config`.
 */
export async function effectiveConfig(project: Project, environment?: string): Promise<Effective> {
  if (environment === undefined) {
    const all = settingsOf(project.config, [], project.written)
    return { data: all, lines: linesOf(all, project) }
  }
  const { hosts, name } = await environmentOf(project, { name: environment })
  const { environments: _, release: __, ...rest } = project.config
  const own = [...settingsOf(rest, [], project.written), ...mergedSettings(project, name)]
  const ofHosts = hosts.map((host) => ({ name: host.name, settings: hostSettings(host) }))
  const data = [...own, ...ofHosts.flatMap(({ settings }) => settings)]
  return { data, lines: linesOf([...own, ...sameOnce(ofHosts)], project) }
}

function linesOf(settings: readonly Setting[], project: Project): string[] {
  const width = Math.max(0, ...settings.map((s) => s.path.length))
  const file = basename(project.file)
  return settings.map(({ path, value, origin, from }) => {
    const where = origin === 'default' || origin === 'merged' ? origin : from === undefined ? file : `${file}: ${from}`
    return `${path.padEnd(width)} = ${JSON.stringify(value)}  (${where})`
  })
}

function settingsOf(values: unknown, above: readonly string[], written: unknown): Setting[] {
  return leaves(values, above).flatMap((leaf): Setting[] => {
    const told = asWritten(leaf)
    if (!told) return []
    const origin = has(written, leaf.path) ? (leaf.path[0] === 'environments' ? 'environment' : 'file') : 'default'
    return [{ path: told.path.join('.'), value: shownAt(told.path, shown(told.value)), origin }]
  })
}

/** Of an address only its password is masked. */
function shownAt(path: readonly string[], value: unknown): unknown {
  return isSecret(path, value) && !isEmpty(value) ? '***' : withoutPassword(value)
}

/** Nothing has no secret: masked, it would look as if there were one. */
function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

/** A header may be a token, and the address of a webhook lets whoever has it speak. */
function isSecret(path: readonly string[], value: unknown): boolean {
  const isWebhook = path.at(-1) === 'webhook' && /^https?:/.test(String(value))
  return path.includes('env') || path.includes('headers') || isWebhook
}

function withoutPassword(value: unknown): unknown {
  return typeof value === 'string' ? publicAddress(value) : value
}

/** Values of an environment: its own, those of what it extends, and the defaults under `release`. */
function mergedSettings({ config, written }: Project, name: string): Setting[] {
  const { environments, release } = config
  const all = { ...withoutUndefined(release), ...withoutUndefined(inherited(environments, name) ?? {}) }
  return Object.entries(all).flatMap(([key, value]) => {
    const source = originOf(environments, name, key as 'keep')
    const place = source === undefined ? ['release'] : ['environments', source]
    return settingsOf({ [key]: value }, place, written).map((setting): Setting => {
      const path = `environments.${name}${setting.path.slice(place.join('.').length)}`
      return setting.origin === 'default' ? { ...setting, path } : { ...setting, path, from: place.join('.') }
    })
  })
}

function hostSettings({ name, ...host }: Host): Setting[] {
  return leaves(host, ['hosts', name]).map(({ path, value }) => {
    return {
      path: path.join('.'),
      value: path[2] === 'env' && !isEmpty(value) ? '***' : withoutPassword(value),
      origin: 'merged',
    }
  })
}

/** Settings of hosts, those that all of them share as one: "hosts.*.deployTo". */
function sameOnce(hosts: readonly { readonly name: string; readonly settings: readonly Setting[] }[]): Setting[] {
  if (hosts.length < 2) return hosts.flatMap(({ settings }) => settings)
  const keyOf = (name: string, { path, value }: Setting): string =>
    JSON.stringify([path.slice(`hosts.${name}.`.length), value])
  const seen = hosts.flatMap(({ name, settings }) => settings.map((setting) => keyOf(name, setting)))
  const counts = Map.groupBy(seen, (key) => key)
  const isCommon = (key: string): boolean => counts.get(key)?.length === hosts.length
  const common = (hosts[0]?.settings ?? []).flatMap((setting) => {
    const name = hosts[0]?.name ?? ''
    if (!isCommon(keyOf(name, setting))) return []
    return [{ ...setting, path: `hosts.*${setting.path.slice(`hosts.${name}`.length)}` }]
  })
  const others = hosts.flatMap(({ name, settings }) => settings.filter((setting) => !isCommon(keyOf(name, setting))))
  return [...common, ...others]
}

interface Leaf {
  readonly path: readonly string[]
  readonly value: unknown
}

function leaves(value: unknown, path: readonly string[]): Leaf[] {
  if (value === undefined) return []
  const plain = typeof value === 'object' && value !== null && !('build' in value && typeof value.build === 'function')
  if (!plain || Object.keys(value).length === 0) return [{ path, value }]
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]))
}

function shown(value: unknown): unknown {
  if (typeof value === 'function') return '(function)'
  if (typeof value === 'object' && value !== null && 'name' in value) return `(recipe ${String(value.name)})`
  return value
}

/** Whether the user wrote a value at this path; what a transform made of a written value counts as written. */
function has(written: unknown, path: readonly string[]): boolean {
  let value = written
  for (const [index, key] of path.entries()) {
    if (typeof value !== 'object' || value === null) return value !== undefined
    // A health check is read into another shape: its times are told as milliseconds, its own keys as options.
    if (path[index - 2] === 'health')
      return key === 'kind' || key === 'options' ? hasOption(value, path) : timeOf(key) in value
    // A drain is always a list inside, with its kind's own keys as options.
    if (path[index - 1] === 'drain' && !Array.isArray(value) && key === '0') continue
    if (key === 'options' && path.includes('drain')) continue
    if (!(key in value)) return false
    value = (value as Record<string, unknown>)[key]
  }
  return true
}

function hasOption(check: object, path: readonly string[]): boolean {
  const name = path[path.indexOf('options') + 1]
  return !path.includes('options') || (name !== undefined && name in check)
}

function timeOf(key: string): string {
  return key.replace(/Ms$/, '')
}

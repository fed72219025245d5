/** The configuration as it applies, each value with where it comes from. Values of `env` are masked: they may be secrets. */
import { basename } from 'node:path'
import { ShipError } from '../errors.ts'
import type { Project } from './load.ts'

/** One value: its path, what it is, and where it was written. */
export interface Setting {
  readonly path: string
  readonly value: unknown
  readonly origin: 'default' | 'file' | 'environment'
}

/** All values, for one environment or for all. `lines` are the same for people: "release.keep = 5  (default)". */
export function effectiveConfig(
  project: Project,
  environment?: string,
): { readonly data: readonly Setting[]; readonly lines: readonly string[] } {
  const { environments, ...rest } = project.config
  if (environment !== undefined && !(environment in environments)) {
    throw new ShipError('usage', `there is no environment "${environment}"`, {
      next: [`known: ${Object.keys(environments).join(', ') || 'none'}`],
    })
  }
  const chosen = environment === undefined ? environments : { [environment]: environments[environment] }
  const settings = leaves({ ...rest, environments: chosen }, []).map(({ path, value }): Setting => {
    const written = has(project.written, path)
    const origin = written ? (path[0] === 'environments' ? 'environment' : 'file') : 'default'
    return { path: path.join('.'), value: path.includes('env') ? '***' : shown(value), origin }
  })
  const width = Math.max(0, ...settings.map((s) => s.path.length))
  const file = basename(project.file)
  const lines = settings.map(
    (s) => `${s.path.padEnd(width)} = ${JSON.stringify(s.value)}  (${s.origin === 'default' ? 'default' : file})`,
  )
  return { data: settings, lines }
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

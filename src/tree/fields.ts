/** Foreign JSON, read field by field: each value is what it must be, or is refused (reason `refused`) by name. */
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'

/** Longest text of a field that has no limit of its own. */
export const MAX_TEXT = 512

export function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new ShipError('refused', `${where} is not an object`)
}

export function allow(value: Readonly<Record<string, unknown>>, keys: readonly string[], where: string): void {
  const unknown = Object.keys(value).find((key) => !keys.includes(key))
  if (unknown !== undefined) throw new ShipError('refused', `${where} has an unknown key "${escapeControls(unknown)}"`)
}

export function text(value: unknown, what: string, { where = 'the manifest', max = MAX_TEXT } = {}): string {
  if (typeof value === 'string' && value.length <= max && value.isWellFormed()) return value
  throw new ShipError('refused', `${where} has ${shown(value)} as ${what}`)
}

export function number(value: unknown, what: string, where = 'the manifest'): number {
  if (typeof value === 'number') return value
  throw new ShipError('refused', `${where} has ${shown(value)} as ${what}`)
}

export function list(value: unknown, what: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new ShipError('refused', `the manifest has ${shown(value)} as ${what}`)
  if (value.length > max) throw new ShipError('refused', `the manifest has more than ${max} ${what}`)
  return value
}

/** Foreign text, short and harmless enough to print. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const short = typeof value === 'string' ? value.slice(0, 80) : value
  return escapeControls((JSON.stringify(short) ?? 'nothing').slice(0, 80))
}

export function inOrder(value: object, keys: readonly string[]): Record<string, unknown> {
  const fields = value as Readonly<Record<string, unknown>>
  return Object.fromEntries(keys.map((key) => [key, fields[key]]))
}

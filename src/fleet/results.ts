/** Results of many hosts. Pure: what went wrong on several hosts becomes one error that names them all. */
import { ShipError, type ErrorParts, type Reason } from '../errors.ts'
import { compareNames } from '../names.ts'
import type { Host } from '../transport/transport.ts'

export type HostResult<T> =
  | { readonly host: Host; readonly ok: true; readonly value: T }
  | { readonly host: Host; readonly ok: false; readonly error: unknown }

/** What went wrong on a host. */
export interface HostFailure {
  readonly host: Host
  readonly error: unknown
}

/** A host that was not reached. */
export interface Missing {
  readonly host: Host
  readonly error: ShipError
}

/**
 * The values of the hosts that were reached, when no more than `mayMiss` were not. A refused login or host key is no missing host:
 * that may be an attack or a mistake, and is an error as everything else is. So is a fleet of which no host was reached.
 */
export function reachedOrThrow<T>(
  results: readonly HostResult<T>[],
  mayMiss: number,
  parts: ErrorParts = {},
): { readonly values: readonly T[]; readonly missing: readonly Missing[] } {
  const failed = results.filter((r) => !r.ok)
  const missing = failed.flatMap(({ host, error }) =>
    error instanceof ShipError && error.reason === 'unreachable' ? [{ host, error }] : [],
  )
  const isAllowed = missing.length === failed.length && failed.length <= mayMiss && failed.length < results.length
  if (isAllowed) return { values: results.flatMap((r) => (r.ok ? [r.value] : [])), missing }
  return { values: allOrThrow(results, parts), missing: [] }
}

/** The values, when every host succeeded; else one error for all that failed. */
export function allOrThrow<T>(results: readonly HostResult<T>[], parts: ErrorParts = {}): T[] {
  const failed = results.filter((r) => !r.ok)
  if (failed.length > 0) throw mergedError(failed, results.length, parts)
  return results.flatMap((r) => (r.ok ? [r.value] : []))
}

/**
 * One error for the failures of several hosts. Equal causes are told once with the hosts they concern. The reason is that of the
 * first failure that is no mere consequence; defects come before everything.
 */
export function mergedError(failed: readonly HostFailure[], total: number, parts: ErrorParts = {}): unknown {
  const defect = failed.find((f) => !(f.error instanceof ShipError))
  if (defect) return defect.error
  const errors = failed
    .flatMap((f) => (f.error instanceof ShipError ? [{ host: f.host, error: f.error }] : []))
    .toSorted((a, b) => compareNames(a.host.name, b.host.name))
  const first = errors[0]
  if (!first) return new ShipError('usage', 'no host failed')
  if (errors.length === 1) return first.error.at({ host: first.host.name, ...parts })
  const causes = new Map<string, { error: ShipError; hosts: string[] }>()
  for (const { host, error } of errors) {
    const known = causes.get(error.message)
    if (known) known.hosts.push(host.name)
    else causes.set(error.message, { error, hosts: [host.name] })
  }
  const details = [...causes.values()].flatMap(({ error, hosts }) => [
    `${hosts.join(', ')}: ${error.message}`,
    ...error.details.map((d) => `  ${d}`),
  ])
  const only = causes.size === 1 ? first.error : undefined
  return new ShipError(
    reasonOf(errors.map((e) => e.error.reason)),
    only ? only.message : `${errors.length} of ${total} hosts failed`,
    {
      ...parts,
      host: only ? errors.map((e) => e.host.name).join(', ') : undefined,
      step: errors.every(({ error }) => error.step === first.error.step) ? (first.error.step ?? parts.step) : undefined,
      state: parts.state ?? first.error.state,
      details: only ? ownDetails(errors) : details,
      next: [...new Set(errors.flatMap((e) => e.error.next))].slice(0, 5),
      cause: first.error,
    },
  )
}

/** Details of errors with one message: once when all say the same, else of each host. */
function ownDetails(errors: readonly { readonly host: Host; readonly error: ShipError }[]): readonly string[] {
  const said = Map.groupBy(errors, ({ error }) => error.details.join('\n'))
  if (said.size === 1) return errors[0]?.error.details ?? []
  return [...said.values()].flatMap((same) => {
    const hosts = same.map(({ host }) => host.name).join(', ')
    return (same[0]?.error.details ?? []).map((line) => `${hosts}: ${line}`)
  })
}

function reasonOf(reasons: readonly Reason[]): Reason {
  const order: readonly Reason[] = ['sigint', 'sigterm', 'stranded', 'refused', 'locked', 'not-switched']
  return order.find((r) => reasons.includes(r)) ?? reasons[0] ?? 'usage'
}

/** Answers that hold one part per host: hosts that could not be asked are told below the table, equal errors once. */
import { ShipError } from '../errors.ts'
import type { ErrorReport } from '../events.ts'
import { mergedReports, reportLines } from '../ui/error.ts'
import type { View } from '../ui/renderer.ts'
import { inEnvironment } from './next-command.ts'

interface PerHost {
  readonly host: string
  readonly error?: ErrorReport | undefined
}

/** The hosts with their errors' next commands as they have to be typed for this environment. */
export function withCommands<T extends PerHost>(hosts: readonly T[], environment: string): readonly T[] {
  return hosts.map((host) => {
    const { error } = host
    return error?.next ? { ...host, error: { ...error, next: inEnvironment(error.next, environment) } } : host
  })
}

/** The errors of hosts as lines under an answer. */
export function unreachedLines(hosts: readonly PerHost[], view: View): readonly string[] {
  const errors = hosts.flatMap(({ host, error }) => (error ? [{ host, error }] : []))
  return mergedReports(errors).flatMap((report) => reportLines(report, view.style, view.width))
}

/** The error of a command that could ask no host at all, or undefined; a host more or less is part of the answer. */
export function noneReached(hosts: readonly PerHost[]): ShipError | undefined {
  const [first] = hosts
  if (!first?.error || hosts.some((h) => !h.error)) return undefined
  // The answer has told already what each host said; what to do about it stands here too, for whoever sees only the errors.
  const { reason, next } = first.error
  const message = hosts.length === 1 ? 'the host could not be asked' : `none of ${hosts.length} hosts could be asked`
  return new ShipError(reason === 'defect' ? 'unreachable' : reason, message, { next })
}

/** Answers that hold one part per host: hosts that could not be asked are told below the table, equal errors once. */
import { ShipError } from '../errors.ts'
import type { ErrorReport } from '../events.ts'
import { mergedReports, reportLines } from '../ui/error.ts'
import type { View } from '../ui/renderer.ts'

interface PerHost {
  readonly host: string
  readonly error?: ErrorReport | undefined
}

/** The errors of hosts as lines under an answer. */
export function unreachedLines(hosts: readonly PerHost[], view: View): readonly string[] {
  const errors = hosts.flatMap(({ host, error }) => (error ? [{ host, error }] : []))
  return mergedReports(errors).flatMap((report) => reportLines(report, view.style))
}

/** The error of a command that could ask no host at all, or undefined; a host more or less is part of the answer. */
export function noneReached(hosts: readonly PerHost[]): ShipError | undefined {
  const [first] = hosts
  if (!first?.error || hosts.some((h) => !h.error)) return undefined
  const { reason, details, next } = first.error
  const message = hosts.length === 1 ? 'the host could not be asked' : `none of ${hosts.length} hosts could be asked`
  return new ShipError(reason === 'defect' ? 'unreachable' : reason, message, {
    details: hosts.length === 1 ? details : [],
    next,
  })
}

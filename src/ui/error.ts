/**
 * An error as people read it: what failed, where, why, what state things are in, what to type next. The only place that prints
 * errors. Text from hosts and files is data and is escaped.
 */
import { messageOf, ShipError } from '../errors.ts'
import { reportOf, type ErrorReport } from '../events.ts'
import { compareNames, escapeControls } from '../names.ts'
import type { Style } from './style.ts'
import { wrapped, wrappedNext } from './wrap.ts'

/** Lines of a block that stands for many hosts. */
const MAX_NEXT = 6
const REPORT = 'this is a defect of ship: please report it with the command you typed and this message'

export interface ErrorView {
  readonly style: Style
  readonly verbose: boolean
  /** Columns of the terminal; default: as many as it takes. */
  readonly width?: number
}

/** Lines of whatever was thrown. `verbose` adds the stack of a defect and the chain of causes. */
export function errorLines(error: unknown, options: ErrorView): string[] {
  const lines = reportLines(withCause(error), options.style, options.width)
  if (error instanceof ShipError) return lines
  const stack = error instanceof Error && options.verbose ? (error.stack ?? '').split('\n').slice(1) : []
  return [
    ...lines,
    ...stack.map((line) => options.style.dim(`  ${escapeControls(line.trim())}`)),
    `  next:  ${REPORT}${options.verbose ? '' : '; -v shows where'}`,
  ]
}

/** The same for an error that is data already. */
export function reportLines(report: ErrorReport, style: Style, width = Number.POSITIVE_INFINITY): string[] {
  const where = [report.host, report.step].filter((part) => part !== undefined && part !== '')
  const place = where.length > 0 ? `${style.bold(escapeControls(where.join(', ')))}: ` : ''
  const head = `${style.red(report.reason === 'defect' ? 'defect:' : 'error:')} ${place}${indented(report.message)}`
  return [
    ...wrapped(head, width),
    ...(report.details ?? []).flatMap((line) => wrapped(`  ${indented(line)}`, width)),
    ...(report.state === undefined ? [] : wrapped(`  ${style.dim('state:')} ${indented(report.state)}`, width, 7)),
    ...nextLines(report.next ?? [], style, width),
  ]
}

/** "next:" and what to type or to do, one below the other. */
function nextLines(next: readonly string[], style: Style, width: number): string[] {
  const lines = next.flatMap((text) => wrappedNext(escapeControls(text), width - 9))
  return lines.map((line, i) => `  ${i === 0 ? style.dim('next: ') : '      '} ${style.cyan(line)}`)
}

/** Errors of many hosts, told once for all hosts that have the same one. */
export function mergedReports(
  errors: readonly { readonly host: string; readonly error: ErrorReport }[],
): readonly ErrorReport[] {
  const merged = new Map<
    string,
    { readonly hosts: string[]; readonly next: Set<string>; readonly error: ErrorReport }
  >()
  for (const { host, error } of errors) {
    const key = JSON.stringify([error.reason, error.step, error.message, error.details])
    const known = merged.get(key)
    const entry = known ?? { hosts: [], next: new Set(), error }
    entry.hosts.push(host)
    for (const line of error.next ?? []) entry.next.add(line)
    merged.set(key, entry)
  }
  return [...merged.values()].map(({ hosts, next, error }) => ({
    ...error,
    host: hosts.toSorted(compareNames).join(', '),
    // What to type may differ by the host's name.
    ...(next.size === 0 ? {} : { next: [...next].slice(0, MAX_NEXT) }),
  }))
}

/** A report with the causes that the message does not tell already, as first details. */
function withCause(error: unknown): ErrorReport {
  const report = reportOf(error)
  const told = [report.message, ...(report.details ?? [])].join('\n')
  const causes: string[] = []
  let cause = error instanceof Error ? error.cause : undefined
  for (let depth = 0; cause !== undefined && depth < 5; depth += 1) {
    const message = messageOf(cause)
    if (message !== '' && !told.includes(message) && !causes.includes(message)) causes.push(message)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  if (causes.length === 0) return report
  return { ...report, details: [...causes.map((text) => `cause: ${text}`), ...(report.details ?? [])] }
}

function indented(text: string): string {
  return escapeControls(text, 'newlines').replaceAll('\n', '\n    ')
}

/**
 * An error as people read it: what failed, where, why, what state things are in, what to type next. The only place that prints
 * errors. Text from hosts and files is data and is escaped.
 */
import { messageOf, ShipError } from '../errors.ts'
import { reportOf, type ErrorReport } from '../events.ts'
import { escapeControls } from '../names.ts'
import type { Style } from './style.ts'

const REPORT = 'this is a defect of ship: please report it with the command you typed and this message'

/** Lines of whatever was thrown. `verbose` adds the stack of a defect and the chain of causes. */
export function errorLines(error: unknown, options: { readonly style: Style; readonly verbose: boolean }): string[] {
  const lines = reportLines(withCause(error), options.style)
  if (error instanceof ShipError) return lines
  const stack = error instanceof Error && options.verbose ? (error.stack ?? '').split('\n').slice(1) : []
  return [
    ...lines,
    ...stack.map((line) => options.style.dim(`  ${escapeControls(line.trim())}`)),
    `  next:  ${REPORT}${options.verbose ? '' : '; -v shows where'}`,
  ]
}

/** The same for an error that is data already. */
export function reportLines(report: ErrorReport, style: Style): string[] {
  const where = [report.host, report.step].filter((part) => part !== undefined && part !== '')
  const place = where.length > 0 ? `${style.bold(escapeControls(where.join(', ')))}: ` : ''
  const next = report.next ?? []
  return [
    `${style.red(report.reason === 'defect' ? 'defect:' : 'error:')} ${place}${indented(report.message)}`,
    ...(report.details ?? []).map((line) => `  ${indented(line)}`),
    ...(report.state === undefined ? [] : [`  ${style.dim('state:')} ${indented(report.state)}`]),
    ...next.map((line, i) => `  ${i === 0 ? style.dim('next: ') : '      '} ${style.cyan(escapeControls(line))}`),
  ]
}

/** Errors of many hosts, told once for all hosts that have the same one. */
export function mergedReports(
  errors: readonly { readonly host: string; readonly error: ErrorReport }[],
): readonly ErrorReport[] {
  const merged = new Map<string, { readonly hosts: string[]; readonly error: ErrorReport }>()
  for (const { host, error } of errors) {
    const key = JSON.stringify([error.reason, error.step, error.message, error.details])
    const known = merged.get(key)
    if (known) known.hosts.push(host)
    else merged.set(key, { hosts: [host], error })
  }
  return [...merged.values()].map(({ hosts, error }) => ({ ...error, host: hosts.join(', ') }))
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

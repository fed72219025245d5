/** The answer of a release or a rollback: what every host runs now, and one closing line. */
import type { HostOutcome } from '../events.ts'
import type { RunReport } from '../release/release.ts'
import { count, duration } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import type { Style } from '../ui/style.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Answer } from './command.ts'

const PAINT = {
  released: 'green',
  unchanged: 'dim',
  'put-back': 'yellow',
  'not-switched': 'yellow',
  stranded: 'red',
  unreachable: 'red',
} as const satisfies Record<HostOutcome['outcome'], keyof Style>

const COLUMNS = [
  { title: 'HOST' },
  { title: 'BEFORE' },
  { title: 'NOW' },
  { title: 'RESULT' },
  { title: 'TIME', align: 'right' },
  { title: 'NOTE', shrink: true },
] as const

export function reportAnswer(report: RunReport): Answer {
  const { plan, hosts, error, durationMs } = report
  return {
    data: { plan, hosts, durationMs },
    hosts,
    error,
    text: (view) => reportLines(report, view),
  }
}

function reportLines(report: RunReport, view: View): readonly string[] {
  const rows = report.hosts.map((h): Cell[] => [
    h.host,
    h.before ?? 'nothing',
    h.after ?? 'nothing',
    { text: resultOf(h, report), paint: PAINT[h.outcome] },
    h.outcome === 'unchanged' ? '' : duration(h.durationMs),
    h.note ?? '',
  ])
  const closing = report.error ? [] : [view.style.bold(closingLine(report))]
  return [...table(COLUMNS, rows, view), ...closing]
}

function resultOf(host: HostOutcome, { plan }: RunReport): string {
  if (host.outcome === 'released') return plan.kind === 'rollback' ? 'rolled back' : 'released'
  return host.outcome.replace('-', ' ')
}

function closingLine({ plan, hosts, durationMs }: RunReport): string {
  const what = `${plan.app} ${plan.target}`
  if (hosts.every((h) => h.outcome === 'unchanged')) {
    return `${what} is already live on ${count(hosts.length, 'host')}: nothing to do`
  }
  return `${what} is live on ${count(hosts.length, 'host')}, verified in ${duration(durationMs)}`
}

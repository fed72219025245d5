/** The answer of a release or a rollback: what every host runs now, and one closing line. */
import type { HostOutcome } from '../events.ts'
import type { RunReport } from '../release/release.ts'
import { count, duration } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import type { Style } from '../ui/style.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Answer } from './command.ts'
import { hostRows } from './host-rows.ts'

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
  { title: 'GATE', shrink: true },
  { title: 'NOTE', shrink: true },
] as const

export function reportAnswer(report: RunReport): Answer {
  const { plan, hosts, behind, error, durationMs } = report
  return {
    data: { plan, hosts, behind, durationMs },
    hosts,
    error,
    next: nextOf(report),
    text: (view) => reportLines(report, view),
  }
}

function reportLines(report: RunReport, view: View): readonly string[] {
  const rows = hostRows(report.hosts, {
    view,
    row: (h): Cell[] => [
      h.before ?? unknown(h),
      h.after ?? unknown(h),
      { text: resultOf(h, report), paint: PAINT[h.outcome] },
      h.outcome === 'unchanged' || h.durationMs === 0 ? '' : duration(h.durationMs),
      h.gate === 'failed' ? { text: h.gate, paint: 'red' } : (h.gate ?? ''),
      h.note ?? '',
    ],
    same: ({ before, after, outcome, gate, note }) => [before, after, outcome, gate, note],
    // The time that all of them took.
    shown: (equal) => equal.toSorted((a, b) => b.durationMs - a.durationMs)[0],
  })
  const closing = report.error ? [] : [view.style.bold(closingLine(report)), ...behindLines(report, view)]
  return [...table(COLUMNS, rows, view), ...closing]
}

/** A look at it, and the way back that there is now. */
function nextOf({ plan, hosts }: RunReport): readonly string[] {
  const status = `ship status -e ${plan.environment}`
  // A run that goes on where another one died finds its own version live: what it would go back to is known to the hosts alone.
  const before = new Set(hosts.flatMap((h) => (h.outcome === 'released' && h.before !== undefined ? [h.before] : [])))
  if (before.has(plan.target)) return [status]
  if (plan.kind === 'rollback' || before.size !== 1) return [status]
  return [status, `ship rollback -e ${plan.environment}    # back to ${[...before].join()}`]
}

/** Hosts that the run went on without: exit code 0 does not mean that there are none. */
function behindLines({ plan, behind }: RunReport, view: View): readonly string[] {
  if (behind.length === 0) return []
  const { unreachable, failed } = plan.allowances
  const names = behind.map((b) => b.host).join(', ')
  const [are, them] = behind.length === 1 ? ['is', 'it'] : ['are', 'them']
  return [
    `${count(behind.length, 'host')} ${are} behind: ${names} (${failed} may fail, ${unreachable} may be missing)`,
    `bring ${them} level: ship release --catch-up -e ${plan.environment}`,
  ].map((line) => view.style.yellow(line))
}

/** What to say where no release is known: nobody asked a host that was not reached. */
function unknown({ outcome }: HostOutcome): string {
  return outcome === 'unreachable' ? 'unknown' : 'nothing'
}

function resultOf(host: HostOutcome, { plan }: RunReport): string {
  if (host.outcome === 'released') return plan.kind === 'rollback' ? 'rolled back' : 'released'
  return host.outcome.replace('-', ' ')
}

/** "in 3 s": whether that means more than a switch depends on whether anything was asked. */
export function inTime({ plan, durationMs }: Pick<RunReport, 'plan' | 'durationMs'>): string {
  return plan.hosts.every(({ gates }) => gates.length === 0)
    ? `in ${duration(durationMs)}, without a health check`
    : `verified in ${duration(durationMs)}`
}

function closingLine(report: RunReport): string {
  const { plan, hosts, behind } = report
  const what = `${plan.app} ${plan.target}`
  const on = hosts.length - behind.length
  const where = behind.length === 0 ? count(on, 'host') : `${on} of ${count(hosts.length, 'host')}`
  if (plan.hosts.every((p) => p.action === 'none')) return `${what} is already live on ${where}: nothing to do`
  return `${what} is live on ${where}, ${inTime(report)}`
}

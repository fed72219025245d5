/** The answer of `exec` and `run`: equal results told once with the hosts that gave them. */
import { ShipError } from '../errors.ts'
import { mergedError } from '../fleet/results.ts'
import { escapeControls } from '../names.ts'
import type { HostAnswer, JobAnswer, JobsResult } from '../tasks/run-jobs.ts'
import { count, duration } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import type { Answer, Context } from './command.ts'

interface Group {
  readonly hosts: readonly string[]
  /** One of them, for all. */
  readonly answer: HostAnswer
  /** Of the slowest. */
  readonly durationMs: number
}

/** Hosts whose results are equal in all but their time, the largest group first. */
function groupsOf(hosts: readonly HostAnswer[]): readonly Group[] {
  const equal = Map.groupBy(hosts, ({ outcome, code, signal, stdout, stderr, note, error }) =>
    JSON.stringify([outcome, code, signal, stdout, stderr, note, error?.message]),
  )
  return [...equal.values()]
    .flatMap((members): Group[] => {
      const [answer] = members
      if (!answer) return []
      return [{ hosts: members.map((m) => m.host), answer, durationMs: Math.max(...members.map((m) => m.durationMs)) }]
    })
    .toSorted((a, b) => b.hosts.length - a.hosts.length)
}

/**
 * On a terminal the output was shown as it came and is not told twice; elsewhere, and with -q, the answer holds it. The error names every
 * host that failed.
 */
export function jobsAnswer(result: JobsResult, data: object, { io, quiet }: Context): Answer {
  const { jobs, failures } = result
  const total = Math.max(...jobs.map((job) => job.hosts.length))
  return {
    data,
    text: (view) => {
      const whole = quiet || view.width === Number.POSITIVE_INFINITY
      return jobs.flatMap((job) => jobLines(job, { view, whole, titled: jobs.length > 1 }))
    },
    error: io.signal.aborted
      ? interrupted(io.signal.reason)
      : failures.length > 0
        ? mergedError(failures, total)
        : undefined,
  }
}

function interrupted(reason: unknown): unknown {
  if (!(reason instanceof ShipError)) return reason
  return reason.at({ state: 'what still ran was ended on every host that could be reached' })
}

interface Style {
  readonly view: View
  readonly whole: boolean
  readonly titled: boolean
}

function jobLines({ step, hosts, skipped }: JobAnswer, { view, whole, titled }: Style): readonly string[] {
  const { style } = view
  const title = titled ? `${style.bold(step)}  ` : ''
  if (skipped !== undefined) return [`${title}${style.yellow(`skipped: ${skipped}`)}`]
  const groups = groupsOf(hosts)
  return groups.flatMap((group) => {
    const { answer } = group
    const names =
      group.hosts.length > 1 && groups.length === 1
        ? `all ${count(group.hosts.length, 'host')}`
        : group.hosts.join(', ')
    const heading = `${title}${style.bold(escapeControls(names))}: ${resultText(group, view)}`
    if (!whole) return [heading]
    const cut = answer.truncated ? [style.yellow('  (more output was dropped)')] : []
    return [
      heading,
      ...outputLines(answer.stdout),
      ...outputLines(answer.stderr).map((line) => style.dim(line)),
      ...cut,
    ]
  })
}

function resultText({ answer, durationMs }: Group, { style }: View): string {
  const { outcome, code, signal, note, error } = answer
  const took = durationMs >= 100 ? ` (${duration(durationMs)})` : ''
  if (outcome === 'skipped') return style.yellow(`skipped: ${escapeControls(note ?? '')}`)
  if (outcome === 'ok') return `${style.green('ok')}${note === undefined ? '' : ` ${escapeControls(note)}`}${took}`
  if (typeof code === 'number' && code !== 0) return `${style.red(`exit code ${code}`)}${took}`
  if (signal !== undefined && error?.reason !== 'unreachable') return `${style.red(`ended by ${signal}`)}${took}`
  return `${style.red('failed:')} ${escapeControls(error?.message ?? '')}${took}`
}

function outputLines(text: string): string[] {
  if (text === '') return []
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `  ${escapeControls(line.replace(/\r$/, '').replaceAll('\t', '  '))}`)
}

/** The summary of a step: what a person sees first who comes to the page of a run. Markdown; all that comes from outside is escaped. */
import { relative } from 'node:path'
import { reportOf } from '../events.ts'
import { count, duration } from '../ui/measure.ts'
import { size } from '../size.ts'
import type { Ending } from '../ui/renderer.ts'
import { styleWith } from '../ui/style.ts'
import { builtBy, hostsOf, releasedBy, resultOf } from './outcome.ts'

export interface SummaryFacts {
  /** The command line, without secrets. */
  readonly line: string
  readonly durationMs: number
  readonly workspace: string
}

const HEADS: Readonly<Record<string, string>> = {
  ok: '✅',
  differs: '⚠️',
  cancelled: '🚫',
  stranded: '🔥',
}

/** What the hosts are like now, as far as the exit code tells. */
const MEANINGS: Readonly<Record<string, string>> = {
  defect: 'a defect of ship itself',
  differs: 'the answer is no',
  invalid: 'the inputs or the configuration are wrong; no host was touched',
  'build-failed': 'the build failed; no host was touched',
  unreachable: 'a host was not reached, or a login or a host key was refused; no host was touched',
  'not-switched': 'failed before anything was switched: every host runs what it ran',
  'put-back': 'failed after a switch: every host was put back and passed its health check',
  stranded: 'failed, and a host was not put back: a person is needed',
  locked: 'another run holds the hosts; nothing was touched',
  refused: 'refused; nothing was changed',
  cancelled: 'cancelled; what was switched was put back, and the hosts are unlocked',
}

export function summaryOf(ending: Ending, facts: SummaryFacts): string {
  const result = resultOf(ending)
  const blocks = [
    `### ${HEADS[result] ?? '❌'} ${headline(ending)}`,
    `<sub>${code(facts.line)} · exit code ${ending.exitCode} (${result}) · ${duration(facts.durationMs)}</sub>`,
    ...(ending.error === undefined ? [] : [errorBlock(ending, MEANINGS[result] ?? '')]),
    ...hostTable(ending),
    ...changeReport(ending),
    ...artifactTable(ending, facts.workspace),
    ...(releasedBy(ending) || builtBy(ending) ? [] : answer(ending)),
  ]
  return `${blocks.join('\n\n')}\n\n`
}

/** For a run that the runner ends before it is done. */
export function unfinishedSummary({ line, durationMs }: SummaryFacts, environment: string | undefined): string {
  const where = environment === undefined ? '' : ` -e ${environment}`
  return [
    '### 🚫 cancelled, and not done yet',
    `<sub>${code(line)} · ${duration(durationMs)}</sub>`,
    `ship was still cleaning up when the runner's patience ended. See what the hosts run: ${code(`ship status${where}`)}. ` +
      'The next run takes over what is left.\n\n',
  ].join('\n\n')
}

function headline(ending: Ending): string {
  const released = releasedBy(ending)
  const built = builtBy(ending)
  if (ending.error !== undefined) {
    const of = released ? ` of ${released.plan.app} ${released.plan.target} to ${released.plan.environment}` : ''
    return escaped(`${ending.command}${of} failed`)
  }
  if (built)
    return `built ${escaped(`${built.name} ${built.version}`)}: ${count(built.files, 'file')}, ${size(built.treeBytes)}`
  if (!released) return escaped(ending.command)
  const { plan, hosts } = released
  const well = hosts.filter((h) => h.outcome === 'released' || h.outcome === 'unchanged')
  const on =
    well.length === hosts.length ? count(hosts.length, 'host') : `${well.length} of ${count(hosts.length, 'host')}`
  return escaped(`${plan.app} ${plan.target} is live on ${on} of ${plan.environment}`)
}

function errorBlock({ error }: Ending, meaning: string): string {
  const { host, step, message, details = [], state, next = [] } = reportOf(error)
  const place = [host, step].filter((part) => part !== undefined && part !== '').join(', ')
  const lines = [
    `**${escaped(place === '' ? message : `${place}: ${message}`)}**`,
    ...details.map(escaped),
    ...(state === undefined ? [meaning] : [escaped(state)]),
  ]
  const steps = next.map((line) => `- next: ${code(line)}`)
  return [lines.map((line) => `> ${line}`).join('<br>\n'), ...(steps.length > 0 ? [steps.join('\n')] : [])].join('\n\n')
}

function hostTable(ending: Ending): readonly string[] {
  const hosts = hostsOf(ending)
  if (hosts.length === 0) return []
  const rows = hosts.map(({ host, before, after, outcome, durationMs, note }) => [
    host,
    before ?? (outcome === 'unreachable' ? 'unknown' : 'nothing'),
    after ?? (outcome === 'unreachable' ? 'unknown' : 'nothing'),
    outcome.replace('-', ' '),
    durationMs === 0 ? '' : duration(durationMs),
    note ?? '',
  ])
  return [table(['Host', 'Before', 'Now', 'Result', 'Time', 'Note'], rows)]
}

/** What the new version changes on the hosts; equal changes are told once. */
function changeReport(ending: Ending): readonly string[] {
  const notes = builtBy(ending)?.notes
  const plans = releasedBy(ending)?.plan.hosts ?? []
  const told = Map.groupBy(
    plans.filter((p) => p.action !== 'none'),
    ({ fromVersion, changes }) => JSON.stringify([fromVersion, changes]),
  )
  const rows = [...told.values()].flatMap((same) => {
    const [first] = same
    if (!first?.changes) return []
    const { added, changed, removed, bytes } = first.changes
    const names = same.map(({ host }) => host).join(', ')
    return [[names, first.fromVersion ?? 'nothing', `+${added} ~${changed} -${removed}`, size(bytes)]]
  })
  return [
    ...(rows.length === 0 ? [] : [`**Changes**\n\n${table(['Hosts', 'From', 'Files', 'New content'], rows)}`]),
    ...(notes === undefined || notes.trim() === ''
      ? []
      : [`<details><summary>Notes</summary>\n\n${fenced(notes)}\n\n</details>`]),
  ]
}

function artifactTable(ending: Ending, workspace: string): readonly string[] {
  const built = builtBy(ending)
  if (!built) return []
  const folder = relative(workspace, built.dist)
  const rows = built.artifacts.map(({ file, sizeBytes, sha256 }) => [`${folder}/${file}`, size(sizeBytes), sha256])
  return [table(['Artifact', 'Size', 'SHA-256'], rows)]
}

/** What other commands print. */
function answer({ text }: Ending): readonly string[] {
  const lines = text?.({ style: styleWith(false), width: 120, now: Date.now() }) ?? []
  return lines.length === 0 ? [] : [fenced(lines.join('\n'))]
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(titles), line(titles.map(() => '---')), ...rows.map((row) => line(row.map(escaped)))].join('\n')
}

/** Text that stands for itself in Markdown, on one line. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\\`*_[\]|~#!@]/g, (sign) => `&#${sign.codePointAt(0) ?? 0};`)
    .replaceAll(/\s*\n\s*/g, ' ')
}

function code(text: string): string {
  return `<code>${escaped(text)}</code>`
}

/** A block whose end the text cannot hold. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}text\n${text}\n${fence}`
}

/** `ship history`: the journals of all hosts as one list; what a run did alike on many hosts is one row. */
import { ShipError } from '../errors.ts'
import { history, type HostHistory } from '../release/status.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Input, RunCommand } from './command.ts'
import { noneReached, unreachedLines, withCommands } from './hosts-answer.ts'
import { chosenEnvironment } from './project.ts'

type Line = HostHistory['lines'][number]

const DEFAULT_LIMIT = 20

const COLUMNS = [
  { title: 'WHEN (UTC)' },
  { title: 'ACTION' },
  { title: 'VERSION' },
  { title: 'FROM' },
  { title: 'RESULT' },
  { title: 'BY', shrink: true },
  { title: 'HOSTS', shrink: true },
  { title: 'NOTE', shrink: true },
] as const

export const run: RunCommand = async (input, context) => {
  const limit = limitOf(input)
  const environment = await chosenEnvironment(input, context)
  const hosts = withCommands(await history(environment, { limit }, context.io), environment.name)
  return {
    data: { environment: environment.name, hosts },
    text: (view) => historyLines(hosts, limit, view),
    error: noneReached(hosts),
  }
}

interface Row {
  readonly line: Line
  readonly hosts: string[]
}

/** Equal lines of one run on many hosts as one row, in the order of time. */
export function historyRows(hosts: readonly HostHistory[]): readonly Row[] {
  const rows = new Map<string, Row>()
  for (const { host, lines } of hosts) {
    for (const line of lines) {
      const key = JSON.stringify([line.run, line.action, line.version, line.from, line.outcome, line.note])
      const known = rows.get(key)
      if (known) known.hosts.push(host)
      else rows.set(key, { line, hosts: [host] })
    }
  }
  return [...rows.values()].toSorted((a, b) => (a.line.at < b.line.at ? -1 : a.line.at > b.line.at ? 1 : 0))
}

function historyLines(hosts: readonly HostHistory[], limit: number, view: View): readonly string[] {
  const reached = hosts.filter((h) => !h.error).length
  const rows = historyRows(hosts)
    .slice(-limit)
    .map(({ line, hosts: on }): Cell[] => [
      line.at.replace('T', ' ').replace(/(\.\d+)?Z$/, ''),
      line.action,
      line.version ?? '',
      line.from ?? '',
      { text: resultOf(line), paint: line.outcome === 'ok' ? 'green' : 'red' },
      line.by,
      on.length === reached ? (on.length === 1 ? (on[0] ?? '') : `all ${on.length}`) : on.join(', '),
      line.note ?? line.url ?? '',
    ])
  const none = rows.length === 0 && reached > 0 ? ['nothing happened yet'] : []
  return [...table(COLUMNS, rows, view), ...none, ...unreachedLines(hosts, view)]
}

/** It is the release that failed, and not the way back. */
export function resultOf({ action, outcome }: Line): string {
  return action === 'put-back' && outcome === 'failed' ? 'failed, put back' : outcome
}

function limitOf(input: Input): number {
  const text = input.text('limit')
  if (text === undefined) return DEFAULT_LIMIT
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100_000) {
    throw new ShipError('usage', `"${text}" is no number of lines`, { next: ['use a number from 1, as in --limit 20'] })
  }
  return limit
}

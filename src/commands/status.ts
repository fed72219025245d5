/** `ship status`: what runs on each host, and whether hosts differ. */
import { ShipError } from '../errors.ts'
import { status, type HostStatus } from '../release/status.ts'
import { ago, count } from '../ui/measure.ts'
import { size } from '../size.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { RunCommand } from './command.ts'
import { inOrder } from './host-rows.ts'
import { noneReached, unreachedLines, withCommands } from './hosts-answer.ts'
import { chosenEnvironment } from './project.ts'

const COLUMNS = [
  { title: 'HOST' },
  { title: 'VERSION' },
  { title: 'STATE' },
  { title: 'SINCE' },
  { title: 'BY', shrink: true },
  { title: 'HEALTH', shrink: true },
  { title: 'FREE', align: 'right' },
  { title: 'LOCK', shrink: true },
] as const

export const run: RunCommand = async (input, context) => {
  const environment = await chosenEnvironment(input, context)
  const hosts = withCommands(await status(environment, context.io), environment.name)
  const problems = problemsOf(hosts, environment.name)
  const no = input.on('exitCode') && problems.length > 0 ? new ShipError('differs', problems.join('; ')) : undefined
  return {
    data: { environment: environment.name, hosts, problems },
    text: (view) => statusLines(hosts, problems, view),
    error: no ?? noneReached(hosts),
  }
}

/** What is not as it should be, as phrases. A pure function, so that `--exit-code` and the text agree. */
export function problemsOf(hosts: readonly HostStatus[], environment: string): readonly string[] {
  const reached = hosts.filter((h) => !h.error)
  const runs = new Set(reached.map((h) => `${h.version ?? ''} ${h.digest ?? ''}`))
  const versions = new Set(reached.map((h) => h.version ?? 'nothing'))
  return [
    ...(versions.size > 1 ? [`hosts run different versions: ${[...versions].join(', ')}`] : []),
    ...(versions.size === 1 && runs.size > 1 ? ['hosts run different bytes under one version'] : []),
    ...behindOf(reached, environment),
    ...told(
      hosts.filter((h) => h.error),
      'could not be asked',
    ),
    ...told(
      reached.filter((h) => h.version === undefined),
      'without a release',
    ),
    ...told(
      reached.filter((h) => h.health === 'failing'),
      'not healthy',
    ),
    ...told(
      reached.filter((h) => h.state !== undefined && h.state !== 'verified'),
      'not on a verified release',
    ),
  ]
}

/** A host with another version than the others was left out of a release, or of a rollback. */
function behindOf(hosts: readonly HostStatus[], environment: string): string[] {
  const found = hosts.filter((h) => h.behind !== undefined)
  const [first] = found
  if (!first) return []
  const names = found.map((h) => h.host).join(', ')
  const level = `ship release --catch-up -e ${environment}`
  return [`${count(found.length, 'host')} behind ${first.behind}: ${names} (bring level: ${level})`]
}

function told(found: readonly HostStatus[], text: string): string[] {
  return found.length === 0 ? [] : [`${count(found.length, 'host')} ${text}`]
}

function statusLines(hosts: readonly HostStatus[], problems: readonly string[], view: View): readonly string[] {
  const rows = inOrder(hosts).map((h): Cell[] => [
    h.host,
    versionCell(h),
    stateCell(h),
    h.since === undefined ? '' : ago(h.since, view.now),
    h.by ?? '',
    healthCell(h),
    h.freeBytes === undefined ? '' : size(h.freeBytes),
    lockText(h),
  ])
  const summary = problems.map((problem) => view.style.yellow(problem))
  return [...table(COLUMNS, rows, view), ...unreachedLines(hosts, view), ...summary]
}

function versionCell({ error, version = 'nothing', behind }: HostStatus): Cell {
  if (error) return { text: 'not reached', paint: 'red' }
  return behind === undefined ? version : { text: `${version} (behind)`, paint: 'yellow' }
}

function stateCell({ state }: HostStatus): Cell {
  if (state === undefined) return ''
  return {
    text: state,
    paint: state === 'verified' ? 'green' : state === 'live' || state === 'staged' ? 'yellow' : 'red',
  }
}

function healthCell({ health, healthSaid, error }: HostStatus): Cell {
  if (error || health === undefined) return ''
  if (health === 'not checked') return { text: health, paint: 'dim' }
  const said = healthSaid === undefined || healthSaid === '' ? '' : `: ${healthSaid}`
  return { text: `${health}${said}`, paint: health === 'ok' ? 'green' : 'red' }
}

function lockText({ lock }: HostStatus): string {
  if (!lock) return ''
  return `${lock.doing} by ${lock.user}${lock.holder === 'gone' ? ' (dead)' : ''}`
}

/**
 * What hosts can tell of a failure, asked before they are put back, for nothing is left of it afterwards: ends of logs, journals and
 * states of units. The error shows the most of it; all of it is kept in a file.
 */
import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../cache-folder.ts'
import type { LogSource } from '../config/logs.ts'
import { messageOf, ShipError } from '../errors.ts'
import { forHosts } from '../fleet/fleet.ts'
import { gateByKey } from '../gates/index.ts'
import type { HostSession } from '../host/session.ts'
import { escapeControls } from '../names.ts'
import type { At } from './step.ts'
import { gatesAt } from './steps/gate.ts'

/** For one host, all its logs together. A bad release is live meanwhile, and a host that hangs must not keep the others from going back. */
const PATIENCE_MS = 10_000
const MAX_LINE = 400
const MAX_SECTION_BYTES = 256 * 1024
/** Lines of logs that the error itself shows. */
const SHOWN_LINES = 40
const KEPT_REPORTS = 50

/** One thing that was looked at, as it was on these hosts. */
interface Section {
  readonly hosts: readonly string[]
  readonly title: string
  readonly lines: readonly string[]
}

/** The error with what the failed hosts tell, and where all of it is kept. Never rejects. */
export async function reported(error: ShipError, failed: readonly At[]): Promise<ShipError> {
  const [first] = failed
  const isOwn = error.reason === 'sigint' || error.reason === 'sigterm' || error.reason === 'locked'
  if (!first || isOwn) return error
  const results = await forHosts(
    failed.map(({ host }) => host),
    async (host) => {
      const at = failed.find((one) => one.host === host)
      return at ? sectionsOf(at) : []
    },
  )
  const sections = merged(results.flatMap((r) => (r.ok ? r.value : [])))
  const file = await keep(first, textOf(error, first, sections)).catch(() => undefined)
  const { reason, message, host, step, state, next, cause } = error
  const details = [
    ...error.details,
    ...shown(sections),
    ...(file === undefined ? [] : [`all that was seen is kept in ${file}`]),
  ]
  return new ShipError(reason, message, { host, step, state, next, cause, details })
}

async function sectionsOf(at: At): Promise<Section[]> {
  const { run, host } = at
  const wanted = [
    ...run.environment.logs.map((log) => logCommand(log, host.deployTo)),
    ...gatesAt(at).flatMap(({ kind, options }) => gateByKey(kind).evidence?.(options) ?? []),
  ]
  if (wanted.length === 0) return []
  const signal = AbortSignal.timeout(PATIENCE_MS)
  try {
    const session = await run.fleet.reconnect(host.name, signal)
    const sections: Section[] = []
    for (const one of wanted)
      sections.push({ hosts: [host.name], title: one.title, lines: await ask(session, one, signal) })
    return sections
  } catch (error) {
    return [{ hosts: [host.name], title: 'logs', lines: [`could not be read: ${messageOf(error)}`] }]
  }
}

interface Command {
  readonly title: string
  readonly argv: readonly string[]
}

/** A file of the release comes before one of that name in shared/; what is not there is said by `tail` itself. */
function logCommand({ file, unit, lines }: LogSource, deployTo: string): Command {
  if (unit !== undefined) {
    const argv = ['journalctl', '--no-pager', '-o', 'short-iso', '-n', String(lines), '-u', unit]
    return { title: `journal of ${unit}`, argv }
  }
  const path = file ?? ''
  const text = 'f=$2; [ -f "$f" ] || f=$3; [ -f "$f" ] || { echo "there is no such file"; exit; }; tail -n "$1" -- "$f"'
  const places = path.startsWith('/') ? [path, path] : [`${deployTo}/current/${path}`, `${deployTo}/shared/${path}`]
  return { title: `last lines of ${path}`, argv: ['sh', '-c', text, 'sh', String(lines), ...places] }
}

async function ask(session: HostSession, { argv }: Command, signal: AbortSignal): Promise<string[]> {
  const options = { env: session.host.env, signal, maxOutputBytes: MAX_SECTION_BYTES }
  const { stdout, stderr, code } = await session.run(argv, options)
  const said = stdout.trim() === '' ? stderr : stdout
  const lines = said
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
  const short = lines.map((line) => line.replaceAll('\t', '    ').slice(0, MAX_LINE))
  return short.length > 0 ? short : [code === 127 ? `there is no ${argv[0] ?? ''}` : 'nothing was said']
}

/** Equal sections of many hosts are told once. */
function merged(sections: readonly Section[]): Section[] {
  const same = Map.groupBy(sections, ({ title, lines }) => JSON.stringify([title, lines]))
  return [...same.values()].flatMap((group) => {
    const [first] = group
    return first ? [{ ...first, hosts: group.flatMap(({ hosts }) => hosts) }] : []
  })
}

function linesOf({ hosts, title, lines }: Section): string[] {
  return [`${hosts.join(', ')}: ${title}:`, ...lines.map((line) => `  ${line}`)]
}

/** As much as a screen takes, of each section its end. */
function shown(sections: readonly Section[]): string[] {
  const share = Math.max(3, Math.floor(SHOWN_LINES / Math.max(1, sections.length)))
  const some = sections.slice(0, Math.ceil(SHOWN_LINES / share))
  const left = sections.length - some.length
  return [
    ...some.flatMap((section) => linesOf({ ...section, lines: section.lines.slice(-share) })),
    ...(left > 0 ? [`and ${left} more like that`] : []),
  ]
}

function textOf(error: ShipError, { run }: At, sections: readonly Section[]): string {
  const { plan, io } = run
  const head = [
    `${plan.kind} of ${plan.app} ${plan.target} to ${plan.environment}, run ${io.run} by ${io.by}, ${new Date().toISOString()}`,
    [error.host, error.step, error.message].filter((part) => part !== undefined).join(': '),
    ...error.details,
  ]
  const all = [...head, ...sections.flatMap((section) => ['', ...linesOf(section)])]
  return `${all.map((line) => escapeControls(line)).join('\n')}\n`
}

/** Logs may hold what is not for everybody: the file is for this user alone. */
async function keep({ run }: At, text: string): Promise<string> {
  const folder = join(cacheFolder(), 'reports')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const { plan, io } = run
  const file = join(folder, `${plan.app}-${plan.environment}-${plan.target}-${io.run}.txt`)
  await writeFile(file, text, { mode: 0o600 })
  await chmod(file, 0o600)
  await removeOld(folder).catch(() => undefined)
  return file
}

async function removeOld(folder: string): Promise<void> {
  const names = await readdir(folder)
  if (names.length <= KEPT_REPORTS) return
  const dated = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })))
  const old = dated.toSorted((a, b) => b.at - a.at).slice(KEPT_REPORTS)
  await Promise.all(old.map(({ name }) => rm(join(folder, name), { force: true })))
}

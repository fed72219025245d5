/**
 * `ship check`: configuration, bundle, this machine and every host, looked at as a release would; all problems at once, each with its
 * cure. Ends with the code that a release would end with.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { reportOf, type ErrorReport } from '../events.ts'
import { checkEnvironment, type EnvironmentCheck, type HostCheck } from '../release/check.ts'
import { guardRelease } from '../release/guards.ts'
import type { ReleaseRequest } from '../release/release.ts'
import { size } from '../size.ts'
import { mergedReports, reportLines } from '../ui/error.ts'
import { count } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Context, Input, RunCommand } from './command.ts'
import { NothingBuilt } from '../build/find.ts'
import { inEnvironment } from './next-command.ts'
import { releaseCommand } from './plan.ts'
import { chosenEnvironment, chosenRelease, openProject } from './project.ts'

const COLUMNS = [
  { title: 'HOST' },
  { title: 'RUNS' },
  { title: 'PLATFORM' },
  { title: 'FREE', align: 'right' },
  { title: 'RESULT' },
  { title: 'NOTE', shrink: true },
] as const

interface Looked {
  readonly environment: Environment
  /** What would be released; undefined when there is nothing that could be. */
  readonly request: ReleaseRequest | undefined
  /** Nothing was built yet, which is no problem: the hosts are looked at before that, too. */
  readonly unbuilt: NothingBuilt | undefined
  /** Of the project: no such bundle, a guard that says no. */
  readonly project: readonly ShipError[]
  readonly found: EnvironmentCheck
}

export const run: RunCommand = async (input, context) => {
  const project = await openProject(context)
  const environment = await chosenEnvironment(input, context, project)
  const { request, problems, unbuilt } = await releaseOf(input, context)
  const found = await checkEnvironment(environment, request && { ...request.bundle, deb: request.deb }, context.io)
  const looked = { environment, request, unbuilt, project: problems, found }
  const error = errorOf(looked)
  return {
    data: {
      environment: environment.name,
      config: project.file,
      bundle: request?.bundle.manifest.version,
      problems: [...problems, ...found.problems].map(reportOf),
      hosts: found.hosts.map((host) => ({ ...host, problems: host.problems.map(reportOf) })),
    },
    text: (view) => checkLines(looked, view),
    error,
    next: unbuilt === undefined ? [releaseCommand(input, environment.name)] : unbuilt.next,
  }
}

/** The bundle that would go, checked as a release checks it, and what forbids a release now. */
async function releaseOf(
  input: Input,
  context: Context,
): Promise<Pick<Looked, 'request' | 'unbuilt'> & { readonly problems: readonly ShipError[] }> {
  const problems: ShipError[] = []
  let unbuilt: NothingBuilt | undefined
  const caught = (error: unknown): undefined => {
    if (!(error instanceof ShipError) || context.io.signal.aborted) throw error
    if (error instanceof NothingBuilt) unbuilt = error
    else problems.push(error)
  }
  const request = await chosenRelease(input, context).catch(caught)
  if (request) {
    const { environment, bundle } = request
    await request.check().catch(caught)
    await guardRelease(environment, bundle, request, { io: context.io, now: new Date() }).catch(caught)
  }
  return { request, problems, unbuilt }
}

function checkLines({ environment, request, unbuilt, project, found }: Looked, view: View): readonly string[] {
  const { style } = view
  const rows = found.hosts.map((host): Cell[] => [
    host.host,
    host.reached ? (host.runs ?? 'nothing') : '',
    host.platform ?? '',
    host.freeBytes === undefined ? '' : size(host.freeBytes),
    resultOf(host),
    host.warnings.join('; '),
  ])
  const ofHosts = found.hosts.flatMap(({ host, problems }) =>
    problems.map((error) => ({ host, error: reported(error, environment) })),
  )
  const reports: readonly ErrorReport[] = [
    ...[...project, ...found.problems].map((error) => reported(error, environment)),
    ...mergedReports(ofHosts),
  ]
  const bundle = request ? `, ${request.bundle.manifest.name} ${request.bundle.manifest.version}` : ''
  const ready = `${environment.name} is ready: ${count(found.hosts.length, 'host')}${bundle}`
  return [
    ...table(COLUMNS, rows, view),
    ...(unbuilt === undefined ? [] : [style.yellow(unbuilt.message)]),
    // Nothing is ever changed here, so that need not be said of each.
    ...reports.flatMap((report) => [
      '',
      ...reportLines({ ...report, state: undefined, step: undefined }, style, view.width),
    ]),
    ...(reports.length > 0 ? [''] : [style.bold(ready)]),
  ]
}

function reported(error: unknown, { name }: Environment): ErrorReport {
  const report = reportOf(error)
  return report.next === undefined ? report : { ...report, next: inEnvironment(report.next, name) }
}

function resultOf({ problems, reached, warnings }: HostCheck): Cell {
  if (!reached) return { text: 'not reached', paint: 'red' }
  if (problems.length > 0) return { text: count(problems.length, 'problem'), paint: 'red' }
  return warnings.length > 0 ? { text: 'ready', paint: 'yellow' } : { text: 'ready', paint: 'green' }
}

/** The reason is that of the first problem, in the order in which a release would meet them. */
function errorOf({ environment, project, found }: Looked): ShipError | undefined {
  const hosts = [...found.hosts.filter((h) => !h.reached), ...found.hosts.filter((h) => h.reached)]
  const all = [...project, ...found.problems, ...hosts.flatMap(({ problems }) => problems)]
  const [first] = all
  if (!first) return undefined
  const affected = found.hosts.filter(({ problems }) => problems.length > 0).length
  const where = affected === 0 ? '' : `, ${affected} of ${count(found.hosts.length, 'host')} concerned`
  return new ShipError(first.reason, `${environment.name} is not ready: ${count(all.length, 'problem')}${where}`, {
    state: 'nothing was changed on any host',
    next: ['each problem has its cure beside it; then run the same command again'],
  })
}

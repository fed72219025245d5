/** `ship logs`: lines of the hosts' logs on stdout as they come, each with its host when there are several. */
import { ShipError } from '../errors.ts'
import type { Event } from '../events.ts'
import { mergedError, type HostFailure } from '../fleet/results.ts'
import { HostError } from '../host-error.ts'
import { escapeControls } from '../names.ts'
import { logsJob } from '../tasks/logs.ts'
import { runJobs } from '../tasks/run-jobs.ts'
import type { Context, Input, RunCommand } from './command.ts'
import { chosenEnvironment } from './project.ts'

const MOST_LINES = 100_000

export const run: RunCommand = async (input, context) => {
  const lines = linesOf(input)
  const environment = await chosenEnvironment(input, context)
  const follow = input.on('follow')
  const wanted = input.args.filter((word) => word !== undefined)
  const job = logsJob(environment, { wanted, lines, follow })
  const { io } = context
  const width = Math.max(...environment.hosts.map(({ name }) => name.length))
  const emit = (event: Event): void => {
    if (event.event !== 'log' || event.step !== job.step) {
      // Where the lines are all that there is to see, a word that a host is through would stand among them.
      if (!event.event.startsWith('step.')) io.emit(event)
      return
    }
    if (context.json) io.emit(event)
    else tell(event, environment.hosts.length > 1 ? width : 0, context)
  }
  const { failures } = await runJobs([job], environment, { ...io, emit })
  // Who follows ends it by Ctrl-C, and that is no failure.
  if (io.signal.aborted) return follow ? {} : { error: io.signal.reason }
  const error = failures.length === 0 ? undefined : mergedError(failures.map(told), environment.hosts.length)
  return { data: { environment: environment.name, hosts: environment.hosts.map(({ name }) => name) }, error }
}

/** The program behind it is ship's own: its exit code tells nobody anything. */
function told({ host, error }: HostFailure): HostFailure {
  if (!(error instanceof HostError) || error.kind !== 'exit') return { host, error }
  const next = ['ship logs NAME: "shop.service", a file of the release or of shared/, or an absolute path']
  return {
    host,
    error: new ShipError(error.reason, 'a log could not be read', { step: 'logs', details: error.details, next }),
  }
}

function tell({ host, text }: Extract<Event, { readonly event: 'log' }>, width: number, context: Context): void {
  context.tell(({ style }) =>
    text.split('\n').map((line) => {
      const safe = escapeControls(line.replace(/\r$/, '').replaceAll('\t', '  '))
      return width === 0 ? safe : `${style.dim(`${(host ?? '').padEnd(width)} |`)} ${safe}`
    }),
  )
}

function linesOf(input: Input): number | undefined {
  const text = input.text('lines')
  if (text === undefined) return undefined
  const lines = /^\d{1,6}$/.test(text) ? Number(text) : -1
  if (lines >= 0 && lines <= MOST_LINES) return lines
  throw new ShipError('usage', `"${text}" is no number of lines`, { next: [`give --lines from 0 to ${MOST_LINES}`] })
}

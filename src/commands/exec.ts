/** `ship exec`: one command on the hosts, now. */
import { ShipError } from '../errors.ts'
import { programOf, type Job } from '../tasks/plan.ts'
import { runJobs } from '../tasks/run-jobs.ts'
import { duration } from '../units.ts'
import type { Input, RunCommand } from './command.ts'
import { jobsAnswer } from './jobs-text.ts'
import { mayTouch, nothingDone } from './production.ts'
import { chosenEnvironment } from './project.ts'

export const run: RunCommand = async (input, context) => {
  const words = input.args.filter((word) => word !== undefined)
  const [first = ''] = words
  const timeoutMs = timeoutOf(input)
  const atOnce = atOnceOf(input)
  const inFolder = input.text('in')
  const environment = await chosenEnvironment(input, context)
  const told = `run "${words.join(' ')}" on`
  if (!(await mayTouch(environment, told, context))) return nothingDone()
  const job: Job = {
    step: 'exec',
    hosts: environment.hosts,
    // One word may be a whole shell command; several are a program and its arguments, each as it was typed.
    work: programOf(words.length === 1 ? first : words, []),
    isLocal: false,
    atOnce,
    stopAtFailure: atOnce === 1,
    timeoutMs,
    cwd: ({ deployTo }) =>
      inFolder === undefined ? `${deployTo}/current` : inFolder.startsWith('/') ? inFolder : `${deployTo}/${inFolder}`,
    folder: inFolder === undefined ? 'may' : 'must',
    env: {},
    secrets: {},
    args: [],
  }
  const result = await runJobs([job], environment, context.io)
  const data = { environment: environment.name, command: words, hosts: result.jobs.flatMap((j) => j.hosts) }
  return jobsAnswer(result, data, context)
}

function timeoutOf(input: Input): number | undefined {
  const text = input.text('timeout')
  if (text === undefined) return undefined
  const parsed = duration.safeParse(text)
  if (parsed.success) return parsed.data
  throw new ShipError('usage', `"${text}" is no duration`, { next: ['write "30s", "5m" or "1h"'] })
}

function atOnceOf(input: Input): number | undefined {
  const text = input.text('atOnce')
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new ShipError('usage', `"${text}" is no number of hosts`)
}

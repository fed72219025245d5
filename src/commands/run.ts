/** `ship run`: a task of the configuration on the hosts; without a task, the list of them. */
import { taskObject, type TaskConfig } from '../config/tasks.ts'
import { taskJobs, taskOrder } from '../tasks/plan.ts'
import { runJobs } from '../tasks/run-jobs.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Answer, RunCommand } from './command.ts'
import { jobsAnswer } from './jobs-text.ts'
import { mayTouch, nothingDone } from './production.ts'
import { chosenEnvironment, openProject } from './project.ts'

export const run: RunCommand = async (input, context) => {
  const project = await openProject(context)
  const { tasks } = project.config
  const [wanted, ...args] = input.args.filter((word) => word !== undefined)
  if (wanted === undefined) return listAnswer(tasks)
  // A name that is none is told before anything is asked about hosts.
  taskOrder(tasks, wanted)
  const environment = await chosenEnvironment(input, context, project)
  const jobs = taskJobs(tasks, wanted, { environment, args, env: context.env })
  if (!(await mayTouch(environment, `run ${wanted} on`, context))) return nothingDone()
  const result = await runJobs(jobs, environment, context.io)
  const told = result.jobs.map(({ step, hosts, skipped }) => ({ task: step, skipped, hosts }))
  return jobsAnswer(result, { environment: environment.name, task: wanted, tasks: told }, context)
}

const COLUMNS = [{ title: 'TASK' }, { title: 'WHAT', shrink: true }, { title: 'WHERE' }, { title: 'NEEDS' }] as const

function listAnswer(tasks: Readonly<Record<string, TaskConfig>>): Answer {
  const all = Object.entries(tasks).map(([name, written]) => {
    const { description, run: work, roles, once, local, needs } = taskObject(written)
    const command = typeof work === 'string' ? work : Array.isArray(work) ? work.join(' ') : ''
    const where = local
      ? 'this machine'
      : `${once ? 'one host' : 'hosts'}${roles.length > 0 ? ` of ${roles.join(', ')}` : ''}`
    return { name, what: description ?? command, where: work === undefined ? '' : where, needs }
  })
  const rows = all.map(({ name, what, where, needs }): Cell[] => [name, what, where, needs.join(', ')])
  return {
    data: { tasks: all },
    text: (view) => (rows.length === 0 ? ['no tasks: add "tasks" to the configuration'] : table(COLUMNS, rows, view)),
  }
}

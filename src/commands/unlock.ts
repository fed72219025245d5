/** `ship unlock`: frees hosts of a run that died. A holder that may be alive is shown; it loses its lock with `--force` only. */
import { ShipError } from '../errors.ts'
import type { Environment } from '../config/environment.ts'
import { unlockHosts, type Unlocked } from '../release/upkeep.ts'
import { errorLines } from '../ui/error.ts'
import { ago, count } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Context, RunCommand } from './command.ts'
import { refuseUnasked } from './production.ts'
import { chosenEnvironment } from './project.ts'

const COLUMNS = [
  { title: 'HOST' },
  { title: 'WAS LOCKED BY', shrink: true },
  { title: 'DOING' },
  { title: 'SINCE' },
  { title: 'RUN' },
] as const

export const run: RunCommand = async (input, context) => {
  const environment = await chosenEnvironment(input, context)
  refuseUnasked(environment, context)
  const hosts = input.on('force')
    ? await forced(environment, context)
    : await unlockHosts(environment, { force: false }, context.io)
  return { data: { environment: environment.name, hosts }, text: (view) => unlockedLines(hosts, view) }
}

/** A person at a terminal sees whose lock it is and types the environment's name before a living run loses it. */
async function forced(environment: Environment, context: Context): Promise<readonly Unlocked[]> {
  if (!context.prompts.interactive || context.yes) return unlockHosts(environment, { force: true }, context.io)
  try {
    return await unlockHosts(environment, { force: false }, context.io)
  } catch (error) {
    if (!(error instanceof ShipError) || error.reason !== 'locked') throw error
    await context.settle()
    context.say(({ style }) => errorLines(error, { style, verbose: context.verbose }))
    const sure = await context.prompts.typeName(
      'the run above loses its lock and cannot switch any more',
      environment.name,
    )
    if (!sure) throw error
    return unlockHosts(environment, { force: true }, context.io)
  }
}

function unlockedLines(hosts: readonly Unlocked[], view: View): readonly string[] {
  const rows = hosts.map(({ host, was }): Cell[] =>
    was ? [host, was.user, was.doing, ago(was.since, view.now), was.run] : [host, 'nobody'],
  )
  const locks = hosts.filter(({ was }) => was).length
  const closing = locks === 0 ? 'no host was locked' : `${count(locks, 'lock')} taken over and given back`
  return [...table(COLUMNS, rows, view), view.style.bold(closing)]
}

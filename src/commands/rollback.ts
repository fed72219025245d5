/** `ship rollback`: to the release verified before the live one, to a named one, or to one picked from a list. */
import { ShipError } from '../errors.ts'
import { planRollback, rollback, rollbackTargets } from '../release/rollback.ts'
import type { Environment } from '../config/environment.ts'
import { ago } from '../ui/measure.ts'
import type { Context, RunCommand } from './command.ts'
import { planAnswer } from './plan.ts'
import { chosenEnvironment } from './project.ts'
import { agreed } from './release.ts'
import { reportAnswer } from './report-text.ts'

export const run: RunCommand = async (input, context) => {
  const [typed] = input.args
  if (typed !== undefined && input.on('pick')) throw new ShipError('usage', 'a version and --pick exclude each other')
  const environment = await chosenEnvironment(input, context)
  const target = input.on('pick') ? await picked(environment, context) : typed
  const request = { environment, target }
  if (input.on('dryRun')) return planAnswer(await planRollback(request, context.io))
  if (context.prompts.interactive && !context.yes) {
    const plan = await planRollback(request, context.io)
    if (!(await agreed(plan, context))) return { data: plan, text: () => ['nothing was done'] }
    return reportAnswer(await rollback({ environment, target: plan.target }, context.io))
  }
  return reportAnswer(await rollback(request, context.io))
}

async function picked(environment: Environment, context: Context): Promise<string> {
  if (!context.prompts.interactive) {
    throw new ShipError('usage', '--pick needs a terminal', {
      next: [
        `name a version: ship rollback VERSION -e ${environment.name}`,
        `see which: ship releases -e ${environment.name}`,
      ],
    })
  }
  const targets = await rollbackTargets(environment, context.io)
  await context.settle()
  if (targets.length === 0) {
    throw new ShipError('refused', 'no release to go back to', {
      state: 'nothing was changed on any host',
      details: ['only releases that passed their gate on every host are offered'],
      next: [`see what is there: ship releases -e ${environment.name}`],
    })
  }
  const now = Date.now()
  const choices = targets.map((t) => ({
    label: `${t.version}  ${t.verifiedAt === undefined ? '' : `verified ${ago(t.verifiedAt, now)} `}by ${t.by}`,
    value: t.version,
  }))
  return context.prompts.pick('go back to which release?', choices, `ship rollback VERSION -e ${environment.name}`)
}

/** `ship rollback`: to the release verified before the live one, to a named one, or to one picked from a list. */
import { ShipError } from '../errors.ts'
import { planRollback, rollback, rollbackTargets } from '../release/rollback.ts'
import type { Environment } from '../config/environment.ts'
import { ago } from '../ui/measure.ts'
import type { Answer, Context, RunCommand } from './command.ts'
import { overhearGates } from './gate-notes.ts'
import { telling } from './notify.ts'
import { nothingDone, refuseUnasked } from './production.ts'
import { planAnswer } from './plan.ts'
import { chosenEnvironment } from './project.ts'
import { agreed } from './release.ts'
import { reportAnswer } from './report-text.ts'

export const run: RunCommand = async (input, context) => {
  const [typed] = input.args
  if (typed !== undefined && input.on('pick')) throw new ShipError('usage', 'a version and --pick exclude each other')
  const environment = await chosenEnvironment(input, context)
  const target = input.on('pick') ? await picked(environment, context) : typed
  const request = { environment, target, force: input.on('force') }
  if (input.on('dryRun')) return planAnswer(await planRollback(request, context.io))
  refuseUnasked(environment, context)
  const gates = overhearGates(context.io)
  const go = async (wanted: string | undefined): Promise<Answer> => {
    const what = `rollback of ${environment.app}${wanted === undefined ? '' : ` to ${wanted}`}`
    const work = (): ReturnType<typeof rollback> => rollback({ ...request, target: wanted }, gates.io)
    return reportAnswer(gates.told(await telling({ environment, what }, context, work)))
  }
  if (context.prompts.interactive && !context.yes) {
    const plan = await planRollback(request, context.io)
    if (!(await agreed(plan, context))) return nothingDone(plan)
    return go(plan.target)
  }
  return go(target)
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

/** `ship plan`: exactly what `release` would do. */
import type { Answer, Input, RunCommand } from './command.ts'
import { planLines } from './plan-text.ts'
import { chosenRelease } from './project.ts'
import { writePlan } from './saved-plan.ts'
import { planRelease } from '../release/release.ts'
import type { Plan } from '../release/plan.ts'

export const run: RunCommand = async (input, context) => {
  const request = await chosenRelease(input, context)
  const plan = await planRelease(request, context.io)
  const file = await writePlan(plan, request, { input, context })
  const { data, text } = planAnswer(plan)
  const saved = file === undefined ? [] : [`saved: ship release --plan ${file}`]
  const next = file === undefined ? [releaseCommand(input, request.environment.name)] : []
  return { data, text: (view) => [...(text?.(view) ?? []), ...saved], next }
}

/** The release that was looked at, as it is typed: without its bundle it would be one of the newest. */
export function releaseCommand(input: Input, environment: string): string {
  const [wanted] = input.args
  const bundle = wanted === undefined ? '' : `${/^[\w./@+-]+$/.test(wanted) ? wanted : `'${wanted}'`} `
  const chosen = (['hosts', 'roles'] as const).flatMap((flag) => {
    const values = input.list(flag)
    return values.length === 0 ? [] : [` --${flag} '${values.join()}'`]
  })
  return `ship release ${bundle}-e ${environment}${chosen.join('')}${input.on('catchUp') ? ' --catch-up' : ''}`
}

/** A plan as the answer of a command. */
export function planAnswer(plan: Plan): Answer {
  return { data: plan, text: (view) => planLines(plan, view) }
}

/** `ship plan`: exactly what `release` would do. */
import type { Answer, RunCommand } from './command.ts'
import { planLines } from './plan-text.ts'
import { chosenRelease } from './project.ts'
import { planRelease } from '../release/release.ts'
import type { Plan } from '../release/plan.ts'

export const run: RunCommand = async (input, context) => {
  const request = await chosenRelease(input, context)
  return planAnswer(await planRelease(request, context.io))
}

/** A plan as the answer of a command. */
export function planAnswer(plan: Plan): Answer {
  return { data: plan, text: (view) => planLines(plan, view) }
}

/** `ship release`: on a terminal it shows the plan and asks; what was shown is what runs, or it is refused. */
import type { Plan } from '../release/plan.ts'
import { planRelease, release } from '../release/release.ts'
import type { Context, RunCommand } from './command.ts'
import { planAnswer } from './plan.ts'
import { headline, planLines } from './plan-text.ts'
import { chosenRelease } from './project.ts'
import { reportAnswer } from './report-text.ts'

export const run: RunCommand = async (input, context) => {
  const request = await chosenRelease(input, context)
  if (input.on('dryRun')) return planAnswer(await planRelease(request, context.io))
  if (context.yes || !context.prompts.interactive) return reportAnswer(await release(request, context.io))
  const plan = await planRelease(request, context.io)
  if (!(await agreed(plan, context))) return { data: plan, text: () => ['nothing was done'] }
  return reportAnswer(await release({ ...request, expectPlan: plan }, context.io))
}

/** Shows a plan and asks. A plan that does nothing needs no answer. */
export async function agreed(plan: Plan, context: Context): Promise<boolean> {
  if (plan.hosts.every((p) => p.action === 'none')) return true
  await context.settle()
  context.say((view) => planLines(plan, view))
  return context.prompts.confirm(`${headline(plan)}?`)
}

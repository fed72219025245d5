/** `ship release`: on a terminal it shows the plan and asks; what was shown is what runs, or it is refused. */
import type { Plan } from '../release/plan.ts'
import { planRelease, release, type ReleaseRequest } from '../release/release.ts'
import type { Environment } from '../config/environment.ts'
import type { Opening } from '../fleet/opening.ts'
import { openAhead } from '../release/probe.ts'
import type { Answer, Context, Input, RunCommand } from './command.ts'
import { overhearGates } from './gate-notes.ts'
import { telling } from './notify.ts'
import { nothingDone, refuseUnasked } from './production.ts'
import { planAnswer } from './plan.ts'
import { headline, planLines } from './plan-text.ts'
import { chosenRelease } from './project.ts'
import { reportAnswer } from './report-text.ts'
import { savedRelease } from './saved-plan.ts'

const AGAIN = 'run the same command again: it makes a new plan'

export const run: RunCommand = async (input, context) => {
  let opening: Opening | undefined
  const saved = input.text('plan')
  try {
    // A bundle takes a while to read, and hosts a while to answer. What is typed wrong is known by then.
    const open = (environment: Environment): void => void (opening = openAhead(environment, context.io))
    const request = await (saved === undefined
      ? chosenRelease(input, context, open)
      : savedRelease(saved, input, context))
    return await releaseOf({ ...request, opening }, input, context)
  } finally {
    await opening?.drop()
  }
}

async function releaseOf(request: ReleaseRequest, input: Input, context: Context): Promise<Answer> {
  if (input.on('dryRun')) return planAnswer(await planRelease(request, context.io))
  // A plan that was saved was looked at then.
  const gates = overhearGates(context.io)
  const go = async (asked: ReleaseRequest): Promise<Answer> => {
    const { name, version } = asked.bundle.manifest
    const doing = { environment: asked.environment, what: `release of ${name} ${version}` }
    return reportAnswer(gates.told(await telling(doing, context, () => release(asked, gates.io))))
  }
  if (input.text('plan') !== undefined) return go(request)
  refuseUnasked(request.environment, context)
  if (context.yes || !context.prompts.interactive) return go(request)
  const plan = await planRelease(request, context.io)
  if (!(await agreed(plan, context))) return nothingDone(plan)
  return go({ ...request, expected: { plan, again: AGAIN } })
}

/** Shows a plan and asks. A plan that does nothing needs no answer. */
export async function agreed(plan: Plan, context: Context): Promise<boolean> {
  if (plan.hosts.every((p) => p.action === 'none')) return true
  await context.settle()
  context.say((view) => planLines(plan, view))
  return context.prompts.confirm(`${headline(plan)}?`)
}

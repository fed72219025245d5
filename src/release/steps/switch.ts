/** Points `current` at the release by one rename, or has its package installed. Whether it happened is never remembered: the undo asks the host. */
import { firstProgram } from './gate.ts'
import { sessionOf, targetLink, type Step } from '../step.ts'

/** Longest time for a switch, with the sync behind it. */
const SWITCH_MS = 120_000

export const switchStep: Step = {
  name: 'switch',
  skip: ({ plan }) => (plan.action === 'none' ? plan.why : plan.action === 'resume' ? 'already switched' : undefined),
  async run(at) {
    await sessionOf(at).switchTo(targetLink(at.run), at.lease, {
      // One rename, or dpkg at work: it is better waited for than taken back, so an interruption counts from the next step on.
      signal: AbortSignal.timeout(at.host.deb?.switchMs ?? SWITCH_MS),
      expected: at.plan.from,
      // A rollback goes to a release that is verified already, and its record stays so.
      record: at.run.plan.kind === 'release' ? at.record : undefined,
      next: await firstProgram(at),
    })
    return `${at.plan.fromVersion ?? at.plan.from ?? 'nothing'} -> ${at.run.plan.target}`
  },
}

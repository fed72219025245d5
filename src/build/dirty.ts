/** What is done when the sources are not what their commit says: refused, told, or let be. */
import { ShipError } from '../errors.ts'
import type { Emit } from '../events.ts'
import type { GitFacts } from './git.ts'

export type DirtPolicy = 'refuse' | 'warn' | 'allow'

const SHOWN = 20

/**
 * Holds the sources against the policy, before anything is built. Rejects (reason `refused`) with the changed paths. Outside of a
 * repository there is nothing to compare with, so nothing is refused.
 */
export function guardDirt(git: GitFacts | undefined, policy: DirtPolicy, emit: Emit): void {
  if (git?.dirty !== true || policy === 'allow') return
  const { length } = git.changes
  const files = length === 1 ? '1 changed file' : `${length} changed files`
  if (policy === 'refuse') {
    throw new ShipError('refused', `the sources differ from commit ${git.commit.slice(0, 9)}: ${files}`, {
      step: 'sources',
      state: 'nothing was built, dist/ is as it was',
      details: changeLines(git),
      next: [
        'commit or stash them, or list them in .gitignore',
        'or build all the same: ship build --allow-dirty, or --snapshot',
      ],
    })
  }
  const [first, ...rest] = git.changes
  const named = first === undefined ? '' : ` (${first.path}${rest.length > 0 ? ', ...' : ''})`
  emit({
    event: 'warning',
    message: `the sources differ from commit ${git.commit.slice(0, 9)}: ${files}${named}; the bundle says so`,
    next: ['see which: git status; to refuse such builds: build.dirty: "refuse"'],
  })
}

function changeLines({ changes }: GitFacts): readonly string[] {
  const lines = changes.slice(0, SHOWN).map(({ what, path }) => `${what.padEnd(7)}  ${path}`)
  return changes.length > SHOWN ? [...lines, `and ${changes.length - SHOWN} more`] : lines
}

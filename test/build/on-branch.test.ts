/** Whether a commit is on a branch, by real repositories. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onBranch } from '../../src/build/on-branch.ts'
import { SIGNAL } from '../support/bundle.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
let clones = ''
const commits = { first: '', main: '', side: '', local: '' }

beforeAll(() => {
  clones = mkdtempSync(join(tmpdir(), 'ship-clones-'))
  project = smallProject()
  const head = (): string => project.git('rev-parse', 'HEAD')
  project.write({ a: '1' })
  project.commit()
  commits.first = head()
  project.write({ a: '2' })
  project.commit()
  commits.main = head()
  project.git('checkout', '-q', '-b', 'feature/x', commits.first)
  project.write({ a: '3' })
  project.commit()
  commits.side = head()
  project.git('checkout', '-q', 'main')
})
afterAll(() => {
  project.dispose()
  rmSync(clones, { recursive: true, force: true })
})

async function asked(folder: string, commit: string, ...branches: string[]): Promise<string> {
  const answer = await onBranch(folder, commit, branches, SIGNAL)
  return answer.ok ? 'yes' : [answer.why, ...answer.next].join('\n')
}

describe('a commit', () => {
  it('is on a branch when the branch has it in its history', async () => {
    expect(await asked(project.dir, commits.main, 'main')).toBe('yes')
    expect(await asked(project.dir, commits.first, 'main')).toBe('yes')
    expect(await asked(project.dir, commits.side, 'main', 'feature/x')).toBe('yes')
    expect(await asked(project.dir, commits.side, 'main')).toBe(`commit ${commits.side.slice(0, 9)} is not on main`)
  })

  it('is not on a branch whose name only looks like it', async () => {
    expect(await asked(project.dir, commits.main, 'mai')).toContain('knows no branch mai')
    expect(await asked(project.dir, commits.side, 'x')).toContain('knows no branch x')
    expect(await asked(project.dir, commits.main, 'm.in')).toContain('knows no branch')
  })

  it('of which the repository does not know, or outside of one, is on none', async () => {
    expect(await asked(project.dir, 'f'.repeat(40), 'main')).toContain('is not in this repository')
    expect(await asked(clones, commits.main, 'main')).toContain('is in no git repository')
  })

  it('that was never pushed is on no branch that a remote has', async () => {
    const clone = join(clones, 'one')
    project.git('clone', '-q', project.dir, clone)
    const inClone = (...args: string[]): string => project.git('-C', clone, ...args)
    inClone('commit', '-q', '--allow-empty', '-m', 'mine')
    commits.local = inClone('rev-parse', 'HEAD')
    expect(await asked(clone, commits.main, 'main')).toBe('yes')
    expect(await asked(clone, commits.local, 'main')).toContain('is not on origin/main\nif it was pushed meanwhile')
    // A checkout of CI: no local branch at all.
    inClone('checkout', '-q', '--detach', commits.main)
    inClone('branch', '-q', '-D', 'main')
    expect(await asked(clone, commits.main, 'main')).toBe('yes')
  })

  it('of a history that is cut short is told with what helps', async () => {
    const clone = join(clones, 'two')
    project.git('clone', '-q', '--depth', '1', `file://${project.dir}`, clone)
    expect(await asked(clone, commits.first, 'main')).toContain(
      'is not in this repository\nthe history is cut short here',
    )
    expect(await asked(clone, commits.main, 'main')).toBe('yes')
  })
})

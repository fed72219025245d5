/** Whether a commit is on a branch, as far as the repository at hand knows. */
import { gitOutput } from './git.ts'

/** `yes`, or why not, as a clause, with what may help. */
export type OnBranch =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: string; readonly next: readonly string[] }

/**
 * Asks the repository of a folder. Where a branch is known from a remote, what the remote has counts: a local branch of that name can hold
 * anything. `branches` are names, of which one suffices.
 */
export async function onBranch(
  folder: string,
  commit: string,
  branches: readonly string[],
  signal: AbortSignal,
): Promise<OnBranch> {
  const git = async (...args: readonly string[]): Promise<string | undefined> =>
    (await gitOutput(folder, args, signal))?.trim()
  const told = branches.join(', ')
  if ((await git('rev-parse', '--git-dir')) === undefined) {
    return { ok: false, why: `"${folder}" is in no git repository, so nobody can tell`, next: [] }
  }
  const refs = (await git('for-each-ref', '--format=%(refname)', 'refs/heads', 'refs/remotes'))?.split('\n') ?? []
  const tips = branches.flatMap((branch) => {
    const remote = refs.filter((ref) => new RegExp(`^refs/remotes/[^/]+/${escape(branch)}$`).test(ref))
    return remote.length > 0 ? remote : refs.filter((ref) => ref === `refs/heads/${branch}`)
  })
  if (tips.length === 0) {
    return { ok: false, why: `the repository knows no branch ${told}`, next: [`git fetch origin ${branches[0] ?? ''}`] }
  }
  for (const tip of tips) {
    if ((await git('merge-base', '--is-ancestor', commit, tip)) !== undefined) return { ok: true }
  }
  const short = commit.slice(0, 9)
  const isKnown = (await git('cat-file', '-e', `${commit}^{commit}`)) !== undefined
  const isCut = (await git('rev-parse', '--is-shallow-repository')) === 'true'
  const next = [
    ...(isCut ? ['the history is cut short here: git fetch --unshallow (in CI: fetch-depth: 0)'] : []),
    ...(tips.some((tip) => tip.startsWith('refs/remotes/')) ? ['if it was pushed meanwhile: git fetch'] : []),
  ]
  const names = tips.map((tip) => tip.replace(/^refs\/(?:heads|remotes)\//, '')).join(', ')
  return {
    ok: false,
    why: isKnown ? `commit ${short} is not on ${names}` : `commit ${short} is not in this repository`,
    next,
  }
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

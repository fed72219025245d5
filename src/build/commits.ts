/** The commits that lie between two releases, as the repository of the project knows them. */
import { runLocal } from '../process.ts'

interface Commit {
  readonly commit: string
  readonly author: string
  readonly subject: string
}

export interface CommitsBetween {
  /** In the new one and not in the old one, the newest first; at most `MOST`. */
  readonly added: readonly Commit[]
  /** How many there are. */
  readonly addedCount: number
  /** In the old one and not in the new one: what is taken back. */
  readonly removedCount: number
}

const MOST = 50
const PATIENCE_MS = 10_000

/** Undefined where there is no repository, or where it does not hold both commits (a shallow clone). */
export async function commitsBetween(
  folder: string,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<CommitsBetween | undefined> {
  const git = async (args: readonly string[]): Promise<string | undefined> => {
    // A repository without git beside it is no reason to tell nothing else.
    const result = await runLocal(['git', '-C', folder, ...args], { signal, timeoutMs: PATIENCE_MS }).catch(
      () => undefined,
    )
    signal.throwIfAborted()
    return result?.code === 0 ? result.stdout : undefined
  }
  const counts = await git(['rev-list', '--left-right', '--count', `${from}...${to}`, '--'])
  const [, removed, added] = /^(\d+)\s+(\d+)/.exec(counts ?? '') ?? []
  if (removed === undefined || added === undefined) return undefined
  const log = await git(['log', `--max-count=${MOST}`, '--format=%h%x00%an%x00%s', `${from}..${to}`, '--'])
  const lines = (log ?? '').split('\n').filter((line) => line !== '')
  const commits = lines.map((line): Commit => {
    const [commit = '', author = '', subject = ''] = line.split('\0')
    return { commit, author, subject }
  })
  return { added: commits, addedCount: Number(added), removedCount: Number(removed) }
}

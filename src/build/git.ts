/** What git says of the sources: commit, time, tags, and a clean copy of another commit. Without git, or outside of it, nothing. */
import { mkdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'

export interface GitFacts {
  /** Top folder of the work tree. */
  readonly top: string
  readonly commit: string
  /** Time of the commit, seconds since 1970. */
  readonly epoch: number
  /** Whether something below the sources differs from the commit. */
  readonly dirty: boolean
}

/** Facts of the folder's repository; undefined where there is none, or no commit yet. `dist` is ship's own output. */
export async function gitFacts(folder: string, dist: string, signal: AbortSignal): Promise<GitFacts | undefined> {
  const top = (await git(folder, ['rev-parse', '--show-toplevel'], signal))?.trim()
  const shown = top === undefined ? undefined : await git(folder, ['show', '-s', '--format=%H %ct', 'HEAD'], signal)
  const [commit, seconds] = shown?.trim().split(' ') ?? []
  if (top === undefined || commit === undefined) return undefined
  const out = relative(folder, dist)
  const paths = out === '' || out.startsWith('..') ? ['.'] : ['.', `:(exclude)${out}`]
  const changed = await git(folder, ['status', '--porcelain', '--untracked-files=normal', '--', ...paths], signal)
  return { top, commit, epoch: Number(seconds), dirty: changed !== '' }
}

/** The nearest version tag (`v1.2.3` or `1.2.3`) before a commit; `distance` 0: the tag is on it. */
export async function describeTag(
  folder: string,
  signal: AbortSignal,
): Promise<{ readonly tag: string; readonly distance: number; readonly commit: string } | undefined> {
  const patterns = ['v[0-9]*.[0-9]*.[0-9]*', '[0-9]*.[0-9]*.[0-9]*'].flatMap((pattern) => ['--match', pattern])
  const text = await git(folder, ['describe', '--tags', '--long', '--abbrev=9', ...patterns], signal)
  const [, tag, distance, commit] = /^(.+)-(\d+)-g([0-9a-f]+)\s*$/.exec(text ?? '') ?? []
  return tag === undefined || commit === undefined ? undefined : { tag, distance: Number(distance), commit }
}

/** A clean copy of a ref's files in `to`, with its commit checked out. Rejects (reason `usage`) when there is no such ref. */
export async function checkout(folder: string, ref: string, to: string, signal: AbortSignal): Promise<void> {
  if (ref.startsWith('-')) throw noRef(ref)
  const top = (await git(folder, ['rev-parse', '--show-toplevel'], signal))?.trim()
  if (top === undefined) throw new ShipError('usage', `--ref needs a git repository; "${folder}" is in none`)
  const commit = (await git(folder, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], signal))?.trim()
  if (commit === undefined) throw noRef(ref)
  await mkdir(to, { recursive: true })
  const failed = async (argv: readonly string[]): Promise<void> => {
    const result = await runLocal(['git', ...argv], { signal })
    if (result.code === 0) return
    throw new ShipError('build', `git could not check out "${ref}"`, { details: result.stderr.trim().split('\n') })
  }
  await failed(['clone', '--quiet', '--shared', '--no-checkout', '--', top, to])
  await failed(['-C', to, '-c', 'advice.detachedHead=false', 'checkout', '--quiet', '--detach', commit])
}

/** Where a folder of the repository lies in a checkout of it. */
export function placeIn(checkoutFolder: string, top: string, folder: string): string {
  return join(checkoutFolder, relative(top, folder))
}

function noRef(ref: string): ShipError {
  return new ShipError('usage', `there is no commit, tag or branch "${ref}"`, {
    next: ['see: git log --oneline, git tag'],
  })
}

/** Output of a git command; undefined when it failed or there is no git. */
async function git(folder: string, args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  try {
    const result = await runLocal(['git', '-C', folder, ...args], { signal, env: { GIT_OPTIONAL_LOCKS: '0' } })
    return result.code === 0 ? result.stdout : undefined
  } catch (error) {
    if (error instanceof ShipError && error.reason === 'build') return undefined
    throw error
  }
}

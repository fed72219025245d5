/** What git says of the sources: commit, time, changes, and a clean copy of another commit. Without git, or outside of it, nothing. */
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
  /** What differs: paths from the top of the work tree, each with what happened to it. A new folder is one line. */
  readonly changes: readonly GitChange[]
}

interface GitChange {
  readonly path: string
  readonly what: 'new' | 'changed' | 'deleted' | 'renamed'
}

/** Facts of the folder's repository; undefined where there is none, or no commit yet. `dist` is ship's own output. */
export async function gitFacts(folder: string, dist: string, signal: AbortSignal): Promise<GitFacts | undefined> {
  const top = (await gitOutput(folder, ['rev-parse', '--show-toplevel'], signal))?.trim()
  const shown =
    top === undefined ? undefined : await gitOutput(folder, ['show', '-s', '--format=%H %ct', 'HEAD'], signal)
  const [commit, seconds] = shown?.trim().split(' ') ?? []
  if (top === undefined || commit === undefined) return undefined
  const out = relative(folder, dist)
  const paths = out === '' || out.startsWith('..') ? ['.'] : ['.', `:(exclude)${out}`]
  const changed = await gitOutput(
    folder,
    ['status', '--porcelain', '-z', '--untracked-files=normal', '--', ...paths],
    signal,
  )
  return { top, commit, epoch: Number(seconds), dirty: changed !== '', changes: parseStatus(changed ?? '') }
}

/** Entries of `git status --porcelain -z`: two letters, a path; a rename or copy is followed by the path it came from. */
function parseStatus(text: string): readonly GitChange[] {
  const fields = text.split('\0')
  const changes: GitChange[] = []
  for (let i = 0; i < fields.length; i++) {
    const [, letters = '', path] = /^(..) (.+)$/s.exec(fields[i] ?? '') ?? []
    if (path === undefined) continue
    const renamed = /[RC]/.test(letters)
    changes.push({ path, what: whatOf(letters) })
    if (renamed) i++
  }
  return changes
}

function whatOf(letters: string): GitChange['what'] {
  if (letters === '??' || letters.includes('A')) return 'new'
  if (/[RC]/.test(letters)) return 'renamed'
  return letters.includes('D') ? 'deleted' : 'changed'
}

/** Where the repository of a folder was cloned from, as its own configuration says: what a user's settings make of it may hold tokens. */
export async function gitRemote(folder: string, signal: AbortSignal): Promise<string | undefined> {
  return (await gitOutput(folder, ['config', '--local', '--get', 'remote.origin.url'], signal))?.trim()
}

/** A clean copy of a ref's files in `to`, with its commit checked out. Rejects (reason `usage`) when there is no such ref. */
export async function checkout(folder: string, ref: string, to: string, signal: AbortSignal): Promise<void> {
  if (ref.startsWith('-')) throw noRef(ref)
  const top = (await gitOutput(folder, ['rev-parse', '--show-toplevel'], signal))?.trim()
  if (top === undefined) throw new ShipError('usage', `--ref needs a git repository; "${folder}" is in none`)
  const commit = (await gitOutput(folder, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], signal))?.trim()
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
export async function gitOutput(
  folder: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const result = await runLocal(['git', '-C', folder, ...args], { signal, env: { GIT_OPTIONAL_LOCKS: '0' } })
    return result.code === 0 ? result.stdout : undefined
  } catch (error) {
    if (error instanceof ShipError && error.reason === 'build') return undefined
    throw error
  }
}

/** `git`: a commit of a repository. Kept as a bare repository, so that the next build asks for what is new only. */
import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'
import { publicRemote } from '../public-url.ts'
import type { Source } from '../recipe.ts'
import type { RunResult } from '../runner.ts'
import { publicAddress } from '../public-url.ts'
import type { SourceContext, SourceKind } from './source.ts'

type GitSource = Extract<Source, { git: string }>

const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/
const REFS = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']
/** Another build that fetches into the same repository holds its locks for a moment. */
const TRIES = 5
const lock = z.object({ commit: z.string().regex(COMMIT) })

export const git: SourceKind<GitSource, z.output<typeof lock>> = {
  key: 'git',
  is: (source): source is GitSource => 'git' in source,
  locked: lock,
  async resolve(source, context) {
    for (const text of [source.git, source.ref])
      if (text.startsWith('-') || text === '') throw new ShipError('config', `"${text}" is no git source`)
    const repository = await openRepository(source, context)
    await repository.update()
    // A branch of the origin, a tag, or a commit.
    for (const name of [`refs/heads/${source.ref}`, `refs/tags/${source.ref}`, source.ref]) {
      const commit = await repository.commitOf(name)
      if (commit !== undefined) return { commit }
    }
    throw new ShipError('build', `"${publicAddress(source.git)}" has no branch, tag or commit "${source.ref}"`)
  },
  fits: ({ ref }, { commit }) => !COMMIT.test(ref) || ref === commit,
  async fetch(source, { commit }, to, context) {
    const repository = await openRepository(source, context)
    await repository.need(commit)
    await mkdir(to, { recursive: true })
    const file = `${to}.tar`
    await repository.must(['archive', '--format=tar', '-o', file, commit])
    const result = await runLocal(['tar', '-xf', file, '--no-same-owner', '-C', to], { signal: context.signal })
    if (result.code !== 0) throw failed(source, result)
    await rm(file)
    await warnOfModules(repository, commit, source, context)
  },
  digest: (locked) => locked.commit,
  version: () => undefined,
  purl: () => undefined,
  materials({ git: remote }, { commit }) {
    const url = publicRemote(remote)
    return [{ uri: url && `${url}@${commit}`, digest: { gitCommit: commit } }]
  },
}

interface Repository {
  update(): Promise<void>
  /** Fetches when the commit is not there. Rejects when it is not to be had. */
  need(commit: string): Promise<void>
  commitOf(name: string): Promise<string | undefined>
  must(argv: readonly string[]): Promise<RunResult>
}

/** What runs in each bare repository now: components are looked up side by side, and git wants one after the other. */
const turns = new Map<string, Promise<unknown>>()

/** The address is given to each fetch rather than kept in the repository: it may hold a password. */
async function openRepository(
  source: GitSource,
  { cache, projectDir, signal, log }: SourceContext,
): Promise<Repository> {
  const from = /^[./]/.test(source.git) ? resolve(projectDir, source.git) : source.git
  const shown = publicAddress(source.git)
  const bare = join(cache, 'git', createHash('sha256').update(publicAddress(from)).digest('hex').slice(0, 32))
  // The caller's settings must not change a byte of what is checked out.
  const settings = [
    'core.autocrlf=false',
    'core.eol=lf',
    'core.attributesFile=/dev/null',
    'tar.umask=0022',
    'gc.auto=0',
    'maintenance.auto=false',
  ]
  const base = ['git', `--git-dir=${bare}`, ...settings.flatMap((setting) => ['-c', setting])]
  const run = (argv: readonly string[]): Promise<RunResult> =>
    runLocal([...base, ...argv], { signal, env: { GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C.UTF-8' } })
  const must = async (argv: readonly string[]): Promise<RunResult> => {
    const result = await run(argv)
    if (result.code !== 0) throw failed(source, result)
    return result
  }
  const fetchRefs = async (refs: readonly string[]): Promise<RunResult> => {
    log(`fetch ${shown}`)
    for (let turn = 1; ; turn++) {
      const result = await run([
        'fetch',
        '--quiet',
        '--prune',
        '--force',
        '--no-tags',
        '--no-write-fetch-head',
        '--',
        from,
        ...refs,
      ])
      if (result.code === 0 || turn === TRIES || !/cannot lock ref|Unable to create .*\.lock/.test(result.stderr))
        return result
    }
  }
  const oneByOne = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = (turns.get(bare) ?? Promise.resolve()).catch(() => undefined).then(work)
    turns.set(bare, mine)
    return mine
  }
  const has = async (commit: string): Promise<boolean> =>
    (await run(['cat-file', '-e', `${commit}^{commit}`])).code === 0
  await mkdir(join(cache, 'git'), { recursive: true })
  await oneByOne(() => must(['init', '--quiet', '--bare']))
  return {
    must,
    update: () =>
      oneByOne(async () => {
        const result = await fetchRefs(REFS)
        if (result.code !== 0) throw failed(source, result)
      }),
    need: (commit) =>
      oneByOne(async () => {
        if (await has(commit)) return
        const all = await fetchRefs(REFS)
        // A branch that moved away leaves its commits without a name; most servers give them when asked.
        if (!(await has(commit))) await fetchRefs([commit])
        if (await has(commit)) return
        if (all.code !== 0) throw failed(source, all)
        throw new ShipError('build', `"${shown}" no longer has the locked commit ${commit}`, {
          next: ['if another commit is meant: ship lock'],
        })
      }),
    async commitOf(name) {
      const found = await run(['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`])
      return found.code === 0 ? found.stdout.trim() : undefined
    },
  }
}

async function warnOfModules(
  repository: Repository,
  commit: string,
  source: GitSource,
  { log }: SourceContext,
): Promise<void> {
  const { stdout } = await repository.must(['ls-tree', '-r', '--format=%(objectmode) %(path)', commit])
  const modules = stdout.split('\n').filter((line) => line.startsWith('160000 '))
  if (modules.length === 0) return
  log(
    `${publicAddress(source.git)} has submodules, which are not fetched: ${modules.map((m) => m.slice(7)).join(', ')}`,
  )
}

function failed(source: GitSource, { stderr }: RunResult): ShipError {
  const lines = stderr.trim().replaceAll(source.git, publicAddress(source.git)).split('\n')
  return new ShipError('build', `"${publicAddress(source.git)}" could not be fetched`, { details: lines.slice(-5) })
}

/**
 * The app that all of them release: verdaccio with its packages from the registry, and source files; three states of it, each with a few
 * changed source files and another version of one dependency, the third with a new time on every file. Also as commits of a git
 * repository, for who deploys from one.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Place } from './place.ts'

const VERDACCIO = '6.10.3'
/** One for each state. */
const AXIOS = ['1.7.7', '1.7.8', '1.7.9'] as const
/** It asks for a dist-tag, which not every registry carries; a version will do. */
const OVERRIDES = { 'node-fetch': '2.7.0' }
const SOURCES = 120
const CHANGED_SOURCES = 3
const FEWEST_FILES = 6000

export interface App {
  /** Folders with states 1, 2 and 3. */
  readonly trees: readonly [string, string, string]
  /** Bare repository, branch main; `serve` lets the branch be at the commit of a tree. */
  readonly repository: string
  serve(tree: string): Promise<void>
  readonly summary: string
}

export async function makeApp(place: Place): Promise<App> {
  const dir = join(place.dir, 'app')
  const trees = [join(dir, '1'), join(dir, '2'), join(dir, '3')] as const
  const [first, second, third] = trees
  mkdirSync(first, { recursive: true })
  const manifest = { name: 'registry', version: '1.0.0', private: true, overrides: OVERRIDES }
  writeFileSync(join(first, 'package.json'), JSON.stringify(manifest, null, 2))
  await install(place, first, [`verdaccio@${VERDACCIO}`, `axios@${AXIOS[0]}`])
  mkdirSync(join(first, 'src'))
  for (let n = 0; n < SOURCES; n++) writeSource(first, n, 1)

  await place.run(['cp', '-a', first, second])
  await install(place, second, [`axios@${AXIOS[1]}`])
  for (let n = 0; n < CHANGED_SOURCES; n++) writeSource(second, n * 7, 2)

  const draft = join(dir, 'draft')
  await place.run(['cp', '-a', second, draft])
  await install(place, draft, [`axios@${AXIOS[2]}`])
  for (let n = 0; n < CHANGED_SOURCES; n++) writeSource(draft, n * 7 + 3, 3)
  // As a clean checkout: every file is new.
  await place.run(['cp', '-RP', '--preserve=mode', draft, third])
  await place.run(['rm', '-r', draft])

  const lists = [await listTree(first), await listTree(second), await listTree(third)] as const
  if (lists[0].size < FEWEST_FILES) throw new Error(`the app has only ${lists[0].size} files`)
  const { repository, commits } = await commitAll(place, trees)
  return {
    trees,
    repository,
    serve: async (tree) => {
      const commit = commits.get(tree) ?? ''
      await place.run(['git', `--git-dir=${repository}`, 'update-ref', 'refs/heads/main', commit])
    },
    summary:
      `verdaccio ${VERDACCIO} with its packages, axios ${AXIOS.join(', then ')}, and ${SOURCES} source files: ${lists[0].size} files and links, ` +
      `${(await bytesOf(first, lists[0])).toFixed(1)} MB; ${differing(lists[0], lists[1])} paths differ in the next release, ` +
      `${differing(lists[1], lists[2])} in the one from a clean checkout`,
  }
}

async function install(place: Place, dir: string, packages: readonly string[]): Promise<void> {
  const options = ['--save-exact', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  await place.run(['npm', 'install', ...options, ...packages], { cwd: dir, asUser: true })
  // Git would neither keep empty folders nor, told so by these files, all bytes as they are.
  await place.run(['find', dir, '-name', '.gitattributes', '-delete'])
  await place.run(['find', dir, '-type', 'd', '-empty', '-delete'])
}

/** Some kilobytes of text that looks like code; another state changes one line of it. */
function writeSource(tree: string, n: number, state: number): void {
  const word = (seed: string): string => createHash('sha256').update(seed).digest('hex').slice(0, 12)
  const lines = Array.from({ length: 20 + ((n * 37) % 80) }, (_, i) => {
    return `export const ${word(`name${n}.${i}`)} = (value) => value.${word(`key${i % 9}`)} ?? '${word(`text${n}.${i}`)}'`
  })
  writeFileSync(join(tree, `src/part${n}.js`), `// state ${state}\n${lines.join('\n')}\n`)
}

/** Path -> whether executable, and content or target: what must be the same on the host. */
export async function listTree(root: string): Promise<Map<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const list = new Map<string, string>()
  for (const entry of entries) {
    const file = join(entry.parentPath, entry.name)
    if (entry.isSymbolicLink()) list.set(relative(root, file), `link ${await readlink(file)}`)
    if (!entry.isFile()) continue
    const [content, { mode }] = await Promise.all([readFile(file), lstat(file)])
    const digest = createHash('sha256').update(content).digest('hex')
    list.set(relative(root, file), `${(mode & 0o100) === 0 ? 'file' : 'program'} ${digest}`)
  }
  return list
}

function differing(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): number {
  return [...new Set([...a.keys(), ...b.keys()])].filter((path) => a.get(path) !== b.get(path)).length
}

async function bytesOf(root: string, list: ReadonlyMap<string, string>): Promise<number> {
  const sizes = await Promise.all([...list.keys()].map(async (path) => (await lstat(join(root, path))).size))
  return sizes.reduce((sum, size) => sum + size, 0) / 1e6
}

async function commitAll(place: Place, trees: readonly string[]) {
  const repository = join(place.dir, 'app', 'registry.git')
  const who = { NAME: 'Bench', EMAIL: 'bench@example.org' }
  const env = Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((as) => Object.entries(who).map(([key, value]) => [`GIT_${as}_${key}`, value])),
  )
  const git = async (...args: readonly string[]): Promise<string> => place.run(['git', ...args], { env })
  await git('init', '-q', '--bare', '-b', 'main', repository)
  const commits = new Map<string, string>()
  for (const tree of trees) {
    const on = [`--git-dir=${repository}`, `--work-tree=${tree}`, '-c', 'core.autocrlf=false']
    await git('-C', tree, ...on, 'add', '-A', '-f', '.')
    await git('-C', tree, ...on, 'commit', '-q', '-m', 'a state of the app')
    commits.set(tree, (await git(`--git-dir=${repository}`, 'rev-parse', 'HEAD')).trim())
  }
  await git(`--git-dir=${repository}`, 'repack', '-q', '-a', '-d')
  return { repository, commits }
}

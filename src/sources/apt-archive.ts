/**
 * Debian's archive as an ordinary user asks it: apt with folders of its own and the sources that the machine is set up for, so that
 * neither root nor the machine's own state is needed. apt checks signatures and digests; what it gave is locked by sha256.
 */
import { hash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'
import type { SourceContext } from './source.ts'

const FRESH_MS = 6 * 3_600_000
const DAY_MS = 24 * 3_600_000
const NAME = /^[a-z0-9][a-z0-9+.-]+$/

export interface Apt {
  /** Runs an apt program with the private folders; rejects (reason `build`) with the end of its output. */
  readonly run: (argv: readonly string[], cwd?: string) => Promise<string>
}

/** One update at a time in this process: components are resolved side by side. */
const updates = new Map<string, Promise<string>>()

/**
 * Lists are brought up to date when they are older than six hours, or with `fresh`. Each update is a folder of its own, given its name
 * when it is whole: builds that run at the same time do not disturb each other.
 */
export async function openApt(context: SourceContext, { fresh = false } = {}): Promise<Apt> {
  const sources = machineSources()
  const home = join(context.cache, 'apt')
  const base = join(home, hash('sha256', JSON.stringify(sources)).slice(0, 16))
  const running =
    (fresh ? undefined : updates.get(base)) ?? upToDate(home, base, sources, fresh ? 0 : FRESH_MS, context)
  updates.set(base, running)
  return aptIn(await running, context.signal)
}

/** Tries with the lists that are there, and once more with new ones: a version may be newer than they are. */
export async function withFreshLists<T>(context: SourceContext, work: (archive: Apt) => Promise<T>): Promise<T> {
  try {
    return await work(await openApt(context))
  } catch (error) {
    if (!(error instanceof ShipError) || error.reason !== 'build') throw error
    return work(await openApt(context, { fresh: true }))
  }
}

type Sources = readonly { readonly file: string; readonly text: string }[]

/** A folder `<base>.<number>` with lists of at most this age. */
async function upToDate(
  home: string,
  base: string,
  sources: Sources,
  age: number,
  context: SourceContext,
): Promise<string> {
  await mkdir(home, { recursive: true })
  const newest = (await generations(home, base)).at(-1)
  if (newest !== undefined && Date.now() - (await stat(join(newest, 'updated'))).mtimeMs < age) return newest
  const temp = await mkdtemp(join(home, '.new-'))
  try {
    for (const folder of ['lists/partial', 'archives/partial', 'sources'])
      await mkdir(join(temp, folder), { recursive: true })
    for (const { file, text } of sources) writeFileSync(join(temp, 'sources', file), text)
    // An empty system: what a package needs is all that it needs.
    writeFileSync(join(temp, 'status'), '')
    context.log('update the lists of packages')
    await aptIn(temp, context.signal).run(['apt-get', 'update', '-q'])
    writeFileSync(join(temp, 'updated'), '')
    const folder = `${base}.${Date.now()}.${process.pid}`
    await rename(temp, folder)
    await sweep(home, folder)
    return folder
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

/** Whole ones, oldest first. */
async function generations(home: string, base: string): Promise<readonly string[]> {
  const names = (await readdir(home)).map((name) => join(home, name)).filter((path) => path.startsWith(`${base}.`))
  return names.filter((path) => existsSync(join(path, 'updated'))).toSorted()
}

/** What nobody reads any more. */
async function sweep(home: string, newest: string): Promise<void> {
  for (const path of (await readdir(home)).map((name) => join(home, name))) {
    const old =
      path !== newest && Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs > DAY_MS
    if (old) await rm(path, { recursive: true, force: true })
  }
}

function aptIn(folder: string, signal: AbortSignal): Apt {
  const options = {
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': folder,
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': join(folder, 'sources'),
    'APT::Sandbox::User': '',
    'APT::Install-Recommends': 'false',
    'Debug::NoLocking': 'true',
  }
  const flags = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  const run: Apt['run'] = async ([program = '', ...rest], cwd) => {
    const env = { LC_ALL: 'C.UTF-8' }
    const result = await runLocal([program, ...flags, ...rest], { cwd, signal, env, maxOutputBytes: 64 * 1024 * 1024 })
    if (result.code === 0) return result.stdout
    throw new ShipError('build', `"${[program, ...rest].join(' ')}" failed`, {
      details: result.stderr.trim().split('\n').slice(-8),
    })
  }
  return { run }
}

/** The machine's sources, with their source packages: `deb` lines get a `deb-src` beside them. */
function machineSources(): Sources {
  const etc = '/etc/apt'
  const parts = existsSync(`${etc}/sources.list.d`) ? readdirSync(`${etc}/sources.list.d`).toSorted() : []
  const files = [
    ...(existsSync(`${etc}/sources.list`) ? ['sources.list'] : []),
    ...parts.map((p) => `sources.list.d/${p}`),
  ]
  return files
    .filter((file) => /\.(?:list|sources)$/.test(file))
    .map((file) => {
      const text = readFileSync(join(etc, file), 'utf8')
      return {
        file: file.replaceAll('/', '-'),
        text: file.endsWith('.list') ? withSourceLines(text) : withSourceType(text),
      }
    })
}

function withSourceLines(text: string): string {
  const lines = text.split('\n').filter((line) => /^\s*deb\s/.test(line))
  return [...lines, ...lines.map((line) => line.replace('deb', 'deb-src'))].map((line) => `${line}\n`).join('')
}

/** Third-party repositories seldom have sources; asking would be an error, so only Debian's and Ubuntu's own are asked. */
function withSourceType(text: string): string {
  return text
    .split(/\n\s*\n/)
    .map((stanza) =>
      /Signed-By:.*\/(?:debian|ubuntu)-archive/.test(stanza)
        ? stanza.replace(/^Types:.*$/m, 'Types: deb deb-src')
        : stanza,
    )
    .join('\n\n')
}

/** Rejects (reason `config`) what is no name of a package. */
export function checkPackageName(name: string): void {
  if (!NAME.test(name)) throw new ShipError('config', `"${name}" is no name of a Debian package`)
}

/** Stanzas of a control file: each a map from field to value; a field with the lines of its continuation. */
export function stanzas(text: string): ReadonlyMap<string, string>[] {
  return text
    .split(/\n\s*\n/)
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const fields = part.split(/\n(?=\S)/).map((field) => {
        const colon = field.indexOf(':')
        return [field.slice(0, colon), field.slice(colon + 1).trim()] as const
      })
      return new Map(fields)
    })
}

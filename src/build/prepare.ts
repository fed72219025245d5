/**
 * Between choosing a version and reading the sources: what `--bump` writes (package.json, its lockfile, the changelog) and what the
 * changelog says of the version. The files are changed first and read by the build afterwards, so what is built is what lies there; a
 * build that fails puts them back.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import type { Project } from '../config/load.ts'
import { messageOf, ShipError } from '../errors.ts'
import { inStep, type Io } from '../io.ts'
import type { Version } from '../version.ts'
import { closeUnreleased, notesFor, releaseDate, type ChangelogFile } from './changelog.ts'
import { applyEdits, type Edit, type Edited } from './edits.ts'
import { gitFacts, type GitFacts } from './git.ts'
import { stringAt } from './json-place.ts'
import { tagPrefixOf, versionFile, type VersionChoice } from './version-source.ts'

export interface PrepareRequest extends VersionChoice {
  readonly project: Project
  readonly ref?: string | undefined
}

export interface Place {
  readonly sources: string
  /** The project's folder, in the checkout with `--ref`. */
  readonly projectDir: string
  readonly git: GitFacts | undefined
  readonly dist: string
}

export interface Prepared {
  /** Facts after the changes. */
  readonly git: GitFacts | undefined
  /** What the changelog says of the version; undefined when the project did not ask for that. */
  readonly notes: string | undefined
  /** Changed files, relative to the project. */
  readonly edited: readonly string[]
  /** Puts the files back, after a build that failed. */
  undo(): Promise<void>
}

const LOCKFILES = ['package-lock.json', 'npm-shrinkwrap.json']

/** Rejects (reason `config`, `usage` or `build`) before any file is changed. */
export async function prepareSources(
  request: PrepareRequest,
  place: Place,
  version: Version,
  io: Io,
): Promise<Prepared> {
  const { projectDir } = place
  const changelog = await readChangelog(request.project, projectDir)
  const date = releaseDate(process.env['SOURCE_DATE_EPOCH'], new Date())
  const edits = request.bump === undefined ? [] : await bumpEdits(request, { ...place, changelog, version, date })
  const names = edits.map((e) => relative(projectDir, e.file))
  if (edits.length > 0 && request.ref !== undefined) {
    throw new ShipError('usage', `--bump writes ${names.join(' and ')}, and --ref builds a commit as it is`, {
      next: ['bump and commit first, or name the version: ship build --ref REF --version VERSION'],
    })
  }
  const closed = edits.find((e) => e.file === changelog?.file)
  const notes = changelog && notesFor(version, { ...changelog, text: closed?.after ?? changelog.text }, date)
  if (edits.length === 0) return { git: place.git, notes, edited: [], undo: () => Promise.resolve() }
  let edited: Edited | undefined
  await inStep(io.emit, { step: 'bump', title: `write ${version}` }, async () => {
    edited = await applyEdits(edits)
    return names.join(', ')
  })
  const undo = (): Promise<void> => putBack(edited, names, projectDir, io)
  try {
    return { git: await gitFacts(place.sources, place.dist, io.signal), notes, edited: names, undo }
  } catch (error) {
    await undo()
    throw error
  }
}

async function putBack(
  edited: Edited | undefined,
  names: readonly string[],
  projectDir: string,
  io: Io,
): Promise<void> {
  await inStep(io.emit, { step: 'put-back', title: 'put the bumped files back' }, async () => {
    const left = (await edited?.undo()) ?? []
    for (const file of left) {
      const message = `${relative(projectDir, file)} was changed by somebody else since, so it was not put back`
      io.emit({ event: 'warning', message, next: ['look at it: git diff'] })
    }
    return left.length === 0 ? names.join(', ') : undefined
  })
}

interface OpenChangelog extends ChangelogFile {
  /** Absolute path. */
  readonly file: string
}

async function readChangelog({ config }: Project, projectDir: string): Promise<OpenChangelog | undefined> {
  const { changelog } = config
  if (changelog === false) return undefined
  const name = changelog === true ? 'CHANGELOG.md' : changelog
  const file = join(projectDir, name)
  const next = ['write it, or take "changelog" out of the configuration']
  return { name, file, text: await readText(file, { name, next }) }
}

/** Text that can be written again without losing a byte. */
async function readText(
  file: string,
  { name, next }: { readonly name: string; readonly next?: readonly string[] | undefined },
): Promise<string> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new ShipError('config', `${name} cannot be read`, {
      cause,
      details: [messageOf(cause)],
      next,
    })
  })
  const text = bytes.toString('utf8')
  if (Buffer.from(text).equals(bytes)) return text
  throw new ShipError('config', `${name} is not UTF-8`, { next: [`iconv -t UTF-8 ${name}`] })
}

interface BumpFacts extends Place {
  readonly changelog: OpenChangelog | undefined
  readonly version: Version
  readonly date: string
}

/** Pre-releases leave the changelog open: their entries belong to the release that follows. */
async function bumpEdits(request: PrepareRequest, facts: BumpFacts): Promise<readonly Edit[]> {
  const { changelog, version, date } = facts
  const { config } = request.project
  const edits = await versionEdits(versionFile(config.version, facts), version, facts.git?.top ?? facts.projectDir)
  if (!changelog || version.includes('-')) return edits
  const after = closeUnreleased(changelog, version, { date, tagPrefix: tagPrefixOf(config.version) ?? 'v' })
  return after === undefined ? edits : [...edits, { file: changelog.file, before: changelog.text, after }]
}

async function versionEdits(file: string | undefined, version: Version, top: string): Promise<readonly Edit[]> {
  if (file === undefined) return []
  const locks = basename(file) === 'package.json' ? lockfilesOf(dirname(file), top) : []
  const all = [
    await withVersion(file, [['version']], version),
    ...(await Promise.all(locks.map((lock) => withVersion(lock, placesIn(lock, dirname(file)), version)))),
  ]
  return all.filter((edit) => edit.before !== edit.after)
}

/** Lockfiles beside a package, or else in the nearest folder above it: a workspace has none of its own. */
function lockfilesOf(folder: string, top: string): readonly string[] {
  const found = LOCKFILES.map((name) => join(folder, name)).filter((lock) => existsSync(lock))
  const above = dirname(folder)
  const isInside = folder !== top && above !== folder && !relative(top, folder).startsWith('..')
  return found.length > 0 || !isInside ? found : lockfilesOf(above, top)
}

/** Where a lockfile tells the version of the package in this folder: npm keeps it twice for the package beside it. */
function placesIn(lock: string, folder: string): readonly (readonly string[])[] {
  const key = relative(dirname(lock), folder).split(sep).join('/')
  return key === '' ? [['version'], ['packages', '', 'version']] : [['packages', key, 'version']]
}

/** The file with the version at every place of these where one stands already. */
async function withVersion(file: string, places: readonly (readonly string[])[], version: Version): Promise<Edit> {
  const before = await readText(file, { name: basename(file) })
  try {
    JSON.parse(before)
  } catch (cause) {
    throw new ShipError('config', `${basename(file)} is not JSON, so --bump cannot write the version there`, { cause })
  }
  // From the end to the start, so that a changed length moves no other place.
  const spans = places.flatMap((path) => stringAt(before, path) ?? []).toSorted((a, b) => b.start - a.start)
  const after = spans.reduce(
    (text, { start, end }) => `${text.slice(0, start)}${JSON.stringify(version)}${text.slice(end)}`,
    before,
  )
  return { file, before, after }
}

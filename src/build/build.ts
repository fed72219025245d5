/** `ship build`: version -> sources -> recipe -> staged tree -> manifest -> archives in `dist/`. One straight function. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import type { Project } from '../config/load.ts'
import { ShipError } from '../errors.ts'
import { formats as known } from '../formats/index.ts'
import type { Format } from '../formats/format.ts'
import { inStep, type Io } from '../io.ts'
import type { Recipe } from '../recipe.ts'
import { guardTree } from '../tree/guard.ts'
import { makeManifest, manifestDigest, type Tree } from '../tree/manifest.ts'
import { walkTree } from '../tree/walk.ts'
import type { Version } from '../version.ts'
import { checkVersion, publish, readBuilds, type Build } from './dist.ts'
import { sourceFilter } from './filter.ts'
import { checkout, gitFacts, placeIn, type GitFacts } from './git.ts'
import { loadRecipe } from './recipes.ts'
import { compareBuilds } from './repro.ts'
import { buildStep } from './step.ts'
import { resolveVersion, type VersionChoice } from './version-source.ts'

export interface BuildRequest extends VersionChoice {
  readonly project: Project
  /** `--ref`: build a clean checkout of this commit, tag or branch. */
  readonly ref?: string | undefined
  /** Names of formats instead of the configured ones. */
  readonly formats?: readonly string[] | undefined
  /** Build twice and compare. */
  readonly checkRepro?: boolean | undefined
}

export interface BuildReport extends Build {
  /** Absolute path of `dist/`. */
  readonly dist: string
  /** `unchanged`: the same bytes were there before. */
  readonly outcome: 'built' | 'unchanged'
  readonly files: number
  readonly treeBytes: number
}

/** Time of sources without a commit: the first that every archive can hold. */
const NO_EPOCH = 315_532_800

/** Absolute path of a project's `dist/`. */
export function distOf(project: Project): string {
  return join(project.dir, 'dist')
}

/** Builds. Rejects with reason `usage` or `config` before anything is done, `build` when it fails, `refused` for other bytes. */
export async function build(request: BuildRequest, io: Io): Promise<BuildReport> {
  const { project } = request
  const dist = distOf(project)
  const formats = chosenFormats(request)
  const recipe = await loadRecipe(project.config.build.recipe, project.dir)
  const scratch = await mkdtemp(join(tmpdir(), 'ship-build-'))
  try {
    const place = await findSources(request, join(scratch, 'checkout'), io)
    const { sources, git } = place
    const epoch = epochOf(process.env['SOURCE_DATE_EPOCH'], git)
    const version = await chosenVersion(request, { ...place, dist }, io)
    const facts = { project, recipe, sources, git, epoch, version, io }
    const tree = await stage({ ...facts, scratch: join(scratch, 'first') })
    const unchanged = await checkVersion(dist, tree)
    if (request.checkRepro === true) {
      await inStep(io.emit, { step: 'repro', title: 'build again and compare' }, async () => {
        // Another folder and another umask: what depends on either is not reproducible.
        const umask = process.umask(0o077)
        try {
          const again = await stage({
            ...facts,
            scratch: join(scratch, 'second'),
            io: { ...io, emit: () => undefined },
          })
          return await compareBuilds(tree, again, formats, scratch, io.signal)
        } finally {
          process.umask(umask)
        }
      })
    }
    const published = await publish(dist, tree, formats, io)
    const files = tree.manifest.entries.filter((e) => e.type === 'file')
    const treeBytes = files.reduce((sum, e) => sum + e.size, 0)
    return { ...published, dist, outcome: unchanged ? 'unchanged' : 'built', files: files.length, treeBytes }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function chosenFormats({ formats, project }: BuildRequest): readonly Format[] {
  const names = formats === undefined || formats.length === 0 ? project.config.build.formats : formats
  return [...new Set(names)].map((name) => {
    const format = known.find((f) => f.name === name)
    if (format) return format
    throw new ShipError('usage', `"${name}" is no format`, { next: [`use ${known.map((f) => f.name).join(', ')}`] })
  })
}

interface Sources {
  readonly sources: string
  /** The project's folder, in the checkout with `--ref`. */
  readonly projectDir: string
  readonly git: GitFacts | undefined
}

async function findSources({ project, ref }: BuildRequest, folder: string, io: Io): Promise<Sources> {
  const here = resolve(project.dir, project.config.build.from)
  if (ref === undefined) {
    if (!existsSync(here))
      throw new ShipError('config', `build.from is "${project.config.build.from}", which does not exist`)
    return { sources: here, projectDir: project.dir, git: await gitFacts(here, distOf(project), io.signal) }
  }
  let found: Sources | undefined
  await inStep(io.emit, { step: 'sources', title: `check out ${ref}` }, async () => {
    const top = (await gitFacts(project.dir, distOf(project), io.signal))?.top ?? project.dir
    await checkout(project.dir, ref, folder, io.signal)
    const sources = placeIn(folder, top, here)
    if (!existsSync(sources)) throw new ShipError('usage', `"${ref}" has no folder "${relative(top, here)}"`)
    const git = await gitFacts(sources, distOf(project), io.signal)
    found = { sources, projectDir: placeIn(folder, top, project.dir), git }
    return git?.commit.slice(0, 9)
  })
  if (!found) throw new Error('a step that ended well has its result')
  return found
}

async function chosenVersion(
  request: BuildRequest,
  place: Sources & { readonly dist: string },
  io: Io,
): Promise<Version> {
  let version: Version | undefined
  await inStep(io.emit, { step: 'version' }, async () => {
    const { name, config } = request.project
    const built = (await readBuilds(place.dist)).filter((b) => b.name === name).map((b) => b.version)
    version = await resolveVersion(request, { configured: config.version, built, signal: io.signal, ...place })
    return version
  })
  if (version === undefined) throw new Error('a step that ended well has its result')
  return version
}

interface StageParts {
  readonly project: Project
  readonly recipe: Recipe
  readonly sources: string
  readonly git: GitFacts | undefined
  readonly epoch: number
  readonly version: Version
  readonly scratch: string
  readonly io: Io
}

/** Runs the recipe into a folder of its own and freezes what it made. */
async function stage(parts: StageParts): Promise<Tree> {
  const { project, recipe, sources, git, epoch, version, scratch, io } = parts
  const { include, exclude, allow } = project.config.build
  const root = join(scratch, 'tree')
  for (const folder of [root, join(scratch, 'home'), join(scratch, 'tmp')]) await mkdir(folder, { recursive: true })
  const filter = sourceFilter({
    app: project.name,
    sources,
    dist: parts.project.dir === sources ? distOf(project) : join(sources, 'dist'),
    include,
    exclude: [...(recipe.exclude ?? []), ...exclude],
  })
  const step = buildStep({ sources, out: root, scratch, epoch, filter, io })
  await inStep(io.emit, { step: 'recipe', title: recipe.name }, () => recipe.build(step))
  let tree: Tree | undefined
  await inStep(io.emit, { step: 'manifest' }, async () => {
    const onProgress = (done: number): void =>
      io.emit({ event: 'step.progress', step: 'manifest', progress: { done, unit: 'files' } })
    const entries = await walkTree(root, { signal: io.signal, onProgress })
    if (entries.length === 0)
      throw new ShipError('build', 'the staged tree is empty', {
        next: ['look at build.from, build.include and build.exclude'],
      })
    guardTree(root, entries, allow)
    const { commit, dirty } = git ?? {}
    const platform = await platformOf(recipe, sources)
    const components = (await recipe.components?.(step)) ?? []
    const manifest = makeManifest({ name: project.name, version, platform, epoch, commit, dirty, components, entries })
    tree = { root, manifest }
    return `${entries.length} entries, ${manifestDigest(manifest).slice(0, 12)}`
  })
  if (!tree) throw new Error('a step that ended well has its result')
  return tree
}

async function platformOf({ platform = 'any' }: Recipe, sources: string): Promise<string> {
  const kind = typeof platform === 'function' ? await platform(sources) : platform
  return kind === 'any' ? 'any' : `${process.platform}-${process.arch}`
}

function epochOf(fromEnv: string | undefined, git: GitFacts | undefined): number {
  if (fromEnv === undefined || fromEnv === '') return git?.epoch ?? NO_EPOCH
  if (/^\d{1,10}$/.test(fromEnv)) return Number(fromEnv)
  throw new ShipError('usage', `SOURCE_DATE_EPOCH is "${fromEnv}", not a number of seconds since 1970`)
}

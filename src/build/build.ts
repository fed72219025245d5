/** `ship build`: version -> sources -> recipe -> staged tree -> manifest -> archives in `dist/`. One straight function. */
import { existsSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import type { Project } from '../config/load.ts'
import { signersOf, signingKey } from '../config/signing.ts'
import { ShipError } from '../errors.ts'
import { formats as known } from '../formats/index.ts'
import type { Format } from '../formats/format.ts'
import { inStep, type Io } from '../io.ts'
import { makeScratch } from '../scratch.ts'
import type { Version } from '../version.ts'
import { materialsOf } from './bill.ts'
import { checkVersion, distOf, publish, readBuilds, type Build } from './dist.ts'
import { guardDirt, type DirtPolicy } from './dirty.ts'
import { checkout, gitFacts, gitRemote, placeIn, type GitFacts } from './git.ts'
import type { HostNeeds } from './linkage.ts'
import { prepareSources, type Prepared } from './prepare.ts'
import { debPackers, planDebs } from './deb.ts'
import { archivePacker } from './packer.ts'
import { compareBuilds, elsewhere } from './repro.ts'
import { lockedSources, recipesOf } from './recipes.ts'
import { stage } from './stage.ts'
import { openSigning } from './sums.ts'
import { removeTree } from './remove-tree.ts'
import { resolveVersion, type VersionChoice } from './version-source.ts'

export interface BuildRequest extends VersionChoice {
  readonly project: Project
  /** `--ref`: build a clean checkout of this commit, tag or branch. */
  readonly ref?: string | undefined
  /** Names of formats instead of the configured ones. */
  readonly formats?: readonly string[] | undefined
  /** Build twice and compare. */
  readonly checkRepro?: boolean | undefined
  /** `--locked`: refuse sources that are not in `ship.lock`. */
  readonly locked?: boolean | undefined
  /** `--allow-dirty`: whatever `build.dirty` says. */
  readonly allowDirty?: boolean | undefined
  /** Frees the terminal before the passphrase of a signing key is asked for; undefined: there is nobody to ask. */
  readonly freeTerminal?: (() => Promise<void>) | undefined
}

export interface BuildReport extends Build {
  /** Absolute path of `dist/`. */
  readonly dist: string
  /** `unchanged`: the same bytes were there before. */
  readonly outcome: 'built' | 'unchanged'
  readonly files: number
  readonly treeBytes: number
  /** What the tree was put together from, dependencies first, the app last. */
  readonly parts: readonly PartReport[]
  /** What the changelog says of this version, when the configuration has `changelog`. */
  readonly notes?: string | undefined
  /** What its programs need of a host; undefined when it has none for this machine. */
  readonly needs?: HostNeeds | undefined
  /** Files that `--bump` changed, relative to the project. */
  readonly edited: readonly string[]
  /** Fingerprint of the key that signed, `SHA256:...`. */
  readonly signedBy?: string | undefined
}

export interface PartReport {
  readonly name: string
  readonly version: string
  /** `kept`: taken from an earlier build with the same inputs. */
  readonly outcome: 'built' | 'kept'
  /** Why it was built: what is different from last time. */
  readonly reasons: readonly string[]
  /** Digest of its inputs. */
  readonly key: string
}

/** Time of sources without a commit: the first that every archive can hold. */
const NO_EPOCH = 315_532_800

/** Builds. Rejects with reason `usage` or `config` before anything is done, `build` when it fails, `refused` for other bytes. */
export async function build(request: BuildRequest, io: Io): Promise<BuildReport> {
  const { project } = request
  const dist = distOf(project)
  const { formats, withDebs } = chosenFormats(request)
  // An unknown recipe is told before anything is looked at.
  await recipesOf(project, resolve(project.dir, project.config.build.from))
  const signing = await openSigning(signingKey(project), signersOf(project), { ...request, signal: io.signal })
  const scratch = await makeScratch('build')
  let prepared: Prepared | undefined
  try {
    const place = { ...(await findSources(request, join(scratch, 'checkout'), io)), dist }
    guardDirt(place.git, dirtPolicy(request), io.emit)
    const epoch = epochOf(process.env['SOURCE_DATE_EPOCH'], place.git)
    const version = await chosenVersion(request, place, io)
    const { sources } = place
    const nodes = await recipesOf(project, sources)
    const lock = await lockedSources(project, nodes, request.locked === true ? 'locked' : 'use', io)
    prepared = await prepareSources(request, place, version, io)
    const { git, notes, edited } = prepared
    const processes = (await nodes.at(-1)?.recipe.processes?.(sources)) ?? []
    const debs = withDebs ? await planDebs({ project, ...place, version, epoch, processes, notes }, io) : []
    const facts = { project, dist, sources, git, epoch, version, nodes, lock, io }
    const { tree, parts, needs } = await stage({ ...facts, scratch: join(scratch, 'first'), useKept: true })
    const builtAt = Date.now()
    const unchanged = await checkVersion(dist, tree)
    const packers = [...formats.map((f) => archivePacker(f, tree.manifest)), ...debPackers(debs, tree)]
    if (request.checkRepro === true) {
      await inStep(io.emit, { step: 'repro', title: 'build again and compare' }, async () => {
        const quiet = { ...io, emit: () => undefined }
        // Another folder, whose path is longer as well.
        const again = { ...facts, scratch: join(scratch, 'the-second-build'), useKept: false, io: quiet }
        const second = await elsewhere(builtAt, io.signal, () => stage(again))
        return compareBuilds(tree, second.tree, packers, scratch, io.signal)
      })
    }
    const remote = await gitRemote(project.dir, io.signal)
    const published = await publish(
      dist,
      tree,
      { packers, recipe: nodes.at(-1)?.recipe.name ?? '', remote, signing, materials: materialsOf(lock.sources) },
      io,
    )
    const files = tree.manifest.entries.filter((e) => e.type === 'file')
    const treeBytes = files.reduce((sum, e) => sum + e.size, 0)
    const made = parts.map(({ name, version: v, outcome, reasons, key }) => ({
      name,
      version: v,
      outcome,
      reasons,
      key,
    }))
    const outcome = unchanged ? 'unchanged' : 'built'
    const signedBy = signing?.fingerprint
    return { ...published, dist, outcome, files: files.length, treeBytes, parts: made, needs, notes, edited, signedBy }
  } catch (error) {
    await prepared?.undo()
    throw error
  } finally {
    await removeTree(scratch)
  }
}

/** A snapshot is for trying things out, and a checkout of a commit is that commit. */
function dirtPolicy({ project, allowDirty, snapshot, ref }: BuildRequest): DirtPolicy {
  return allowDirty === true || snapshot === true || ref !== undefined ? 'allow' : project.config.build.dirty
}

interface Chosen {
  readonly formats: readonly Format[]
  /** Whether packages are made as well. */
  readonly withDebs: boolean
}

function chosenFormats({ formats, project }: BuildRequest): Chosen {
  const names = new Set(formats === undefined || formats.length === 0 ? project.config.build.formats : formats)
  const withDebs = names.delete('deb')
  const found = [...names].map((name) => {
    const format = known.find((f) => f.name === name)
    if (format) return format
    throw new ShipError('usage', `"${name}" is no format`, {
      next: [`use ${[...known.map((f) => f.name), 'deb'].join(', ')}`],
    })
  })
  return { formats: found, withDebs }
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

function epochOf(fromEnv: string | undefined, git: GitFacts | undefined): number {
  if (fromEnv === undefined || fromEnv === '') return git?.epoch ?? NO_EPOCH
  if (/^\d{1,10}$/.test(fromEnv)) return Number(fromEnv)
  throw new ShipError('usage', `SOURCE_DATE_EPOCH is "${fromEnv}", not a number of seconds since 1970`)
}

/** Which built bundle a user means: a file, a version, a range, or the one built last. */
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { isDebFile } from '../deb/open.ts'
import { ShipError } from '../errors.ts'
import { manifestFileName, openBundle, openManifest, type Bundle } from '../formats/bundle.ts'
import { formatOfFile, formats } from '../formats/index.ts'
import { escapeControls } from '../names.ts'
import type { Manifest } from '../tree/manifest.ts'
import { compareVersions, isRange, newestMatch, parseVersion, type Version } from '../version.ts'
import { readBuilds, type Build } from './dist.ts'

export interface BundleQuestion {
  readonly dist: string
  /** Name of the app. */
  readonly app: string
  /** Folder that a relative file name starts from. */
  readonly cwd: string
  /** As typed; undefined: the newest. */
  readonly wanted: string | undefined
  /** Called when a build is found, before its archive is opened. */
  readonly onChosen?: () => void
}

/** Opens the bundle; its content is not read yet. Rejects (reason `usage`) naming what there is instead. */
export async function findBundle({ dist, app, cwd, wanted, onChosen }: BundleQuestion): Promise<Bundle> {
  if (wanted !== undefined && isDebFile(wanted)) {
    throw new ShipError('usage', `"${wanted}" is a package, and an archive is needed`, {
      next: [`give a version, or a file that ends in ${formats.map((f) => `.${f.name}`).join(', ')}`],
    })
  }
  if (wanted !== undefined && (isBundleFile(wanted) || wanted.includes('/'))) {
    const file = resolve(cwd, wanted)
    if (!existsSync(file)) throw new ShipError('usage', `"${wanted}" does not exist`)
    return openBundle(file)
  }
  const build = await chosenBuild({ dist, app, cwd, wanted })
  onChosen?.()
  return openArchive(dist, build)
}

/** Path of a built package; `wanted` as for bundles, or the name of a .deb. Rejects (reason `usage`) naming what there is instead. */
export async function findDeb({ dist, app, cwd, wanted }: BundleQuestion, name: string): Promise<string> {
  if (wanted !== undefined && (isDebFile(wanted) || isBundleFile(wanted) || wanted.includes('/'))) {
    const file = resolve(cwd, wanted)
    if (!isDebFile(wanted)) throw new ShipError('usage', `"${wanted}" is no package, and release.format is "deb"`)
    if (!existsSync(file)) throw new ShipError('usage', `"${wanted}" does not exist`)
    return file
  }
  const build = await chosenBuild({ dist, app, cwd, wanted })
  // Of one version that was packed more than once, the last.
  const found = build.artifacts.findLast((a) => a.kind === 'deb' && a.file.startsWith(`${name}_`))
  if (found && existsSync(join(dist, found.file))) return join(dist, found.file)
  const but = found ? `but ${found.file} is gone from dist/` : `without a package "${name}"`
  throw new ShipError('usage', `${build.name} ${build.version} was built, ${but}`, {
    next: [`ship build --version ${build.version} --format deb`],
  })
}

/** A list that cannot be read is not to be trusted, and nothing of it is taken. */
function listed(dist: string): Promise<readonly Build[]> {
  return readBuilds(dist).catch((error: unknown) => {
    throw error instanceof ShipError ? error.as('refused') : error
  })
}

function openArchive(dist: string, build: Build): Promise<Bundle> {
  const built = build.artifacts.flatMap(({ file, kind }) => (kind === 'deb' ? [file] : []))
  const names = formats.map((f) => f.name)
  const archives = build.artifacts
    .filter((a) => a.kind === 'bundle')
    .toSorted((a, b) => names.indexOf(a.format ?? '') - names.indexOf(b.format ?? ''))
  const there = archives.find((a) => existsSync(join(dist, a.file)))
  if (there) return openBundle(join(dist, there.file))
  const isPackageOnly = archives.length === 0 && built.length > 0
  const but = isPackageOnly ? `as a package only (${built.join(', ')})` : 'but its archive is gone from dist/'
  throw new ShipError('usage', `${build.name} ${build.version} was built, ${but}`, {
    next: [`ship build --version ${build.version}${isPackageOnly ? ' --format tar.zst' : ''}`],
  })
}

/**
 * The bundle that a file of any kind was built with (a package, the SBOM), by the list of builds beside it; undefined when no list knows
 * the file. Rejects (reason `usage`) when the build has no archive there.
 */
export async function bundleOf(file: string): Promise<Bundle | undefined> {
  const dist = dirname(file)
  const build = (await listed(dist)).findLast((b) => b.artifacts.some((a) => a.file === basename(file)))
  return build && openArchive(dist, build)
}

/** No version of the app was ever built here: what comes next is a build, whatever else is asked. */
export class NothingBuilt extends ShipError {}

/** What a bundle holds, by its manifest: its archive may be gone or damaged. Rejects as `findBundle` does, and names the file. */
export async function findManifest(question: BundleQuestion): Promise<Manifest> {
  const { dist, cwd, wanted } = question
  const isFile = wanted !== undefined && (isBundleFile(wanted) || wanted.includes('/'))
  return openManifest(isFile ? resolve(cwd, wanted) : join(dist, manifestFileName(await chosenBuild(question))))
}

/** Whether this names a file of a bundle, rather than a version of the project. */
export function isBundleFile(wanted: string): boolean {
  return formatOfFile(wanted) !== undefined || wanted.endsWith('.manifest.json')
}

async function chosenBuild({ dist, app, cwd, wanted }: BundleQuestion): Promise<Build> {
  const builds = (await listed(dist)).filter((b) => b.name === app)
  return chosen(builds, wanted, { app, cwd })
}

function chosen(
  builds: readonly Build[],
  wanted: string | undefined,
  { app, cwd }: Pick<BundleQuestion, 'app' | 'cwd'>,
): Build {
  // A word that cannot be a version is told first: it may have been meant as a file.
  const exact = wanted === undefined || isRange(wanted) ? undefined : versionOf(wanted, cwd)
  const last = builds.at(-1)
  if (!last)
    throw new NothingBuilt('usage', `${app} was not built yet: dist/ has no bundle of it`, { next: ['ship build'] })
  if (wanted === undefined) return last
  const versions = builds.map((b) => b.version)
  const version = exact ?? newestMatch(versions, wanted)
  const found = builds.find((b) => b.version === version)
  if (found) return found
  throw new ShipError(
    'usage',
    `no built bundle of ${app} ${isRange(wanted) ? `matches "${wanted}"` : `is version ${wanted}`}`,
    {
      details: [`built are: ${newestFirst(versions).join(', ')}`],
      next: [isRange(wanted) ? 'ship build' : `ship build --version ${wanted}`],
    },
  )
}

/** The word may as well have been meant as a file: of one that is there it is said that ship does not build such. */
function versionOf(wanted: string, cwd: string): Version {
  try {
    return parseVersion(wanted)
  } catch (error) {
    if (!(error instanceof ShipError) || !/[a-z]$/i.test(wanted)) throw error
    const shown = escapeControls(wanted.slice(0, 256))
    if (existsSync(resolve(cwd, wanted))) throw new ShipError('usage', `"${shown}" is no archive that ship builds`)
    throw error.as('usage', { details: [`and there is no file "${shown}"`] })
  }
}

function newestFirst(versions: readonly Version[]): readonly string[] {
  const shown = versions.toSorted(compareVersions).toReversed()
  return shown.length > 10 ? [...shown.slice(0, 10), `and ${shown.length - 10} more`] : shown
}

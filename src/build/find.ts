/** Which built bundle a user means: a file, a version, a range, or the one built last. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ShipError } from '../errors.ts'
import { openBundle, type Bundle } from '../formats/bundle.ts'
import { formatOfFile, formats } from '../formats/index.ts'
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
}

/** Opens the bundle; its content is not read yet. Rejects (reason `usage`) naming what there is instead. */
export async function findBundle({ dist, app, cwd, wanted }: BundleQuestion): Promise<Bundle> {
  if (wanted !== undefined && (formatOfFile(wanted) || wanted.includes('/'))) {
    const file = resolve(cwd, wanted)
    if (!existsSync(file)) throw new ShipError('usage', `"${wanted}" does not exist`)
    return openBundle(file)
  }
  const builds = (await readBuilds(dist)).filter((b) => b.name === app)
  const build = chosen(builds, wanted, app)
  const names = formats.map((f) => f.name)
  const archives = build.artifacts
    .filter((a) => a.kind === 'bundle')
    .toSorted((a, b) => names.indexOf(a.format ?? '') - names.indexOf(b.format ?? ''))
  const there = archives.find((a) => existsSync(join(dist, a.file)))
  if (there) return openBundle(join(dist, there.file))
  throw new ShipError('usage', `${app} ${build.version} was built, but its archive is gone from dist/`, {
    next: [`ship build --version ${build.version}`],
  })
}

function chosen(builds: readonly Build[], wanted: string | undefined, app: string): Build {
  const last = builds.at(-1)
  if (!last)
    throw new ShipError('usage', `${app} was not built yet: dist/ has no bundle of it`, { next: ['ship build'] })
  if (wanted === undefined) return last
  const versions = builds.map((b) => b.version)
  const version = isRange(wanted) ? newestMatch(versions, wanted) : parseVersion(wanted)
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

function newestFirst(versions: readonly Version[]): readonly string[] {
  const shown = versions.toSorted(compareVersions).toReversed()
  return shown.length > 10 ? [...shown.slice(0, 10), `and ${shown.length - 10} more`] : shown
}

/** `artifacts.json` against the files it lists: nothing vouches for it, so every word of it is held against what does. */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ShipError } from '../errors.ts'
import { manifestFileName } from '../formats/bundle.ts'
import { formatOfFile } from '../formats/index.ts'
import { SUMS_FILE } from '../formats/sums.ts'
import type { Manifest } from '../tree/manifest.ts'
import { checked, type Beside, type Check } from '../trust/beside.ts'
import { provenanceFileName } from '../trust/provenance.ts'
import { sbomFileName } from '../trust/sbom.ts'
import { LIST_FILE, readBuilds, type Build } from './dist.ts'

type Sums = ReadonlyMap<string, string> | undefined

/** Undefined where there is none: a bundle that was handed on needs no list. */
export async function checkList(beside: Beside): Promise<Check | undefined> {
  if (!existsSync(join(beside.folder, LIST_FILE))) return undefined
  return checked(LIST_FILE, async () => {
    const builds = await readBuilds(beside.folder).catch((error: unknown) => {
      if (!(error instanceof ShipError)) throw error
      throw new ShipError('refused', `${LIST_FILE} cannot be read: ${error.details.join('; ')}`, { cause: error })
    })
    const { name, version } = beside.bundle.manifest
    const found = builds.find((b) => b.name === name && b.version === version)
    const wrong = (why: string) => ({ result: 'wrong', found: `${LIST_FILE} ${why}` }) as const
    if (!found) return wrong(`does not list ${name} ${version}`)
    const sums = await beside.sums().catch(() => undefined)
    const problem =
      headProblem(found, beside) ?? (await filesProblem(found, sums, beside)) ?? othersProblem(builds, sums, beside)
    if (problem !== undefined) return wrong(problem)
    const gone: string[] = []
    for (const { file } of found.artifacts) if ((await beside.digest(file)) === undefined) gone.push(file)
    if (gone.length > 0) return { result: 'missing', found: `listed, but not there: ${gone.join(', ')}` }
    return { result: 'ok', found: `${LIST_FILE} lists ${found.artifacts.length} files as they are` }
  })
}

function headProblem(build: Build, { bundle }: Beside): string | undefined {
  const { platform, commit, dirty } = bundle.manifest
  if (build.digest !== bundle.digest) return `tells another digest than ${manifestFileName(bundle.manifest)} has`
  const isSame = build.platform === platform && build.commit === commit && (build.dirty === true) === (dirty === true)
  return isSame ? undefined : `tells another commit or platform than ${manifestFileName(bundle.manifest)}`
}

async function filesProblem({ artifacts }: Build, sums: Sums, beside: Beside): Promise<string | undefined> {
  const problems: string[] = []
  for (const own of beside.own) {
    if (!artifacts.some((a) => a.file === own) && (await beside.digest(own)) !== undefined)
      problems.push(`does not list ${own}`)
  }
  for (const { file, kind, format, sha256, sizeBytes } of artifacts) {
    if (sums?.has(file) === false) problems.push(`lists ${file}, which ${SUMS_FILE} does not`)
    const digest = await beside.digest(file)
    if (digest === undefined) continue
    if (digest !== sha256 || (await beside.sizeBytes(file)) !== sizeBytes)
      problems.push(`tells another digest or size of ${file}`)
    const [wantedKind, wantedFormat] = kindOf(file, beside.bundle.manifest)
    if (wantedKind !== undefined && (kind !== wantedKind || format !== wantedFormat))
      problems.push(`takes ${file} for a ${[kind, format].filter((word) => word !== undefined).join(' in ')}`)
  }
  return problems.length === 0 ? undefined : problems.join(', and ')
}

/** What a file is by its name; nothing is known of the names of kinds that are no bundles. */
function kindOf(file: string, build: Pick<Manifest, 'name' | 'version'>): readonly [kind?: string, format?: string] {
  if (file === manifestFileName(build)) return ['manifest']
  if (file === sbomFileName(build)) return ['sbom']
  if (file === provenanceFileName(build)) return ['provenance']
  const format = formatOfFile(file)
  return format ? ['bundle', format.name] : []
}

/** Of other builds: whether the two lists agree. Their files are read when they are verified themselves. */
function othersProblem(builds: readonly Build[], sums: Sums, { bundle }: Beside): string | undefined {
  const { name, version } = bundle.manifest
  for (const build of builds.filter((b) => b.name !== name || b.version !== version)) {
    for (const { file, sha256, kind } of build.artifacts) {
      if (file === basename(bundle.archive)) return `lists ${file} as one of ${build.name} ${build.version}`
      const isOther = sums?.has(file) === true && sums.get(file) !== sha256
      // A manifest is written canonically, so its file has the digest that the bundle is known by.
      if (isOther || (kind === 'manifest' && sha256 !== build.digest)) return `tells another digest of ${file}`
    }
  }
  return undefined
}

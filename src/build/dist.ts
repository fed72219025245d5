/**
 * `dist/`: what builds leave behind. Files appear whole, by renames: what a bundle consists of, then `SHA256SUMS` and its signature, and
 * `artifacts.json` last: what it lists is there. A version that is there with other bytes is never replaced.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import type { Project } from '../config/load.ts'
import { ShipError } from '../errors.ts'
import { parseForeignJson, problemOf, readForeign } from '../foreign.ts'
import { fileDigest } from '../file-digest.ts'
import { manifestFileName } from '../formats/bundle.ts'
import { inStep, type Io } from '../io.ts'
import { canonicalManifest, manifestDigest, parseManifest, type Tree } from '../tree/manifest.ts'
import { keepManifest } from '../tree/seen.ts'
import { markBuiltHere } from '../formats/built-here.ts'
import { ownVersion } from '../own-version.ts'
import { size } from '../size.ts'
import { provenanceFileName, provenanceText, type NamedMaterial } from '../trust/provenance.ts'
import { builderId } from '../trust/builder.ts'
import { isFileName } from '../trust/beside.ts'
import { sbomFileName, sbomText } from '../trust/sbom.ts'
import { isVersion, type Version } from '../version.ts'
import type { Packer } from './packer.ts'
import { readEarlierSums, stageSums, type Signing } from './sums.ts'

export const LIST_FILE = 'artifacts.json'

/** Room for some 100,000 files. */
const MAX_LIST_BYTES = 64 * 1024 * 1024
const MAX_LIST_VALUES = 2_000_000

/** Absolute path of a project's `dist/`. */
export function distOf(project: Project): string {
  return join(project.dir, 'dist')
}

const artifactSchema = z.object({
  /** Never outside of `dist/`: this file may come from a stranger. */
  file: z.string().refine(isFileName, 'is not the name of a file'),
  kind: z.enum(['bundle', 'deb', 'manifest', 'sbom', 'provenance']),
  format: z.string().optional(),
  sizeBytes: z.int(),
  sha256: z.string(),
})

const listSchema = z.object({
  schema: z.literal(1),
  /** In the order they were built; the last one is the newest. */
  builds: z.array(
    z.object({
      name: z.string(),
      version: z.custom<Version>((value) => typeof value === 'string' && isVersion(value), 'is not a version'),
      platform: z.string(),
      commit: z.string().optional(),
      dirty: z.boolean().optional(),
      /** sha256 of the canonical manifest. */
      digest: z.string(),
      artifacts: z.array(artifactSchema),
    }),
  ),
})

type Artifact = z.output<typeof artifactSchema>
export type Build = z.output<typeof listSchema>['builds'][number]

/** What `artifacts.json` lists, oldest first; nothing when there is none. Rejects (reason `build`) when it cannot be read. */
export async function readBuilds(dist: string): Promise<readonly Build[]> {
  const file = join(dist, LIST_FILE)
  try {
    const bytes = await readForeign(file, MAX_LIST_BYTES)
    return bytes ? listSchema.parse(parseForeignJson(bytes, LIST_FILE, MAX_LIST_VALUES)).builds : []
  } catch (cause) {
    throw new ShipError('build', `${file} cannot be read`, {
      cause,
      details: [problemOf(cause)],
      next: ['remove the dist folder and build again'],
    })
  }
}

/** Rejects (reason `refused`) when the version is there with other bytes. Resolves with whether it is there with the same. */
export async function checkVersion(dist: string, { manifest }: Tree): Promise<boolean> {
  const file = join(dist, manifestFileName(manifest))
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return false
  const there = parseManifest(text)
  if (manifestDigest(there) === manifestDigest(manifest)) return true
  throw new ShipError('refused', `${manifest.name} ${manifest.version} was built before, with other bytes`, {
    step: 'publish',
    state: 'dist/ is as it was',
    details: [
      `there: ${there.commit?.slice(0, 9) ?? 'no commit'}${there.dirty === true ? ' with changes' : ''}, now: ${manifest.commit?.slice(0, 9) ?? 'no commit'}${manifest.dirty === true ? ' with changes' : ''}`,
    ],
    next: [
      'ship build --bump patch, or --snapshot while you try things out',
      `see what differs: ship build --snapshot, then ship inspect --diff ${manifest.version}`,
      `if nobody has it yet: remove dist/${manifest.name}-${manifest.version}*`,
    ],
  })
}

export interface PublishParts {
  readonly packers: readonly Packer[]
  /** Name of the recipe. */
  readonly recipe: string
  /** Where the sources' repository comes from, as git knows it. */
  readonly remote: string | undefined
  /** What the components were made from, by `ship.lock`. */
  readonly materials: readonly NamedMaterial[]
  /** Undefined: nothing is signed. */
  readonly signing: Signing | undefined
}

/** Writes the tree in every format and puts all of it into `dist`. */
export async function publish(dist: string, tree: Tree, parts: PublishParts, io: Io): Promise<Build> {
  const { manifest } = tree
  await mkdir(dist, { recursive: true })
  await sweep(dist)
  const temp = await mkdtemp(join(dist, '.ship-'))
  try {
    const archives: Artifact[] = []
    for (const packer of parts.packers) archives.push(await writeArchive(temp, tree, packer, io))
    for (const archive of archives) await refuseOther(dist, archive, io.signal)
    const earlier = await readEarlierSums(dist, parts.signing, io.signal)
    const kept = (await otherArchives(dist, tree, archives)).filter(
      (a) => parts.signing === undefined || earlier.sums.get(a.file) === a.sha256,
    )
    const write = async (file: string, text: string, kind: Artifact['kind']): Promise<Artifact> => {
      await writeFile(join(temp, file), text, { flush: true })
      return { ...(await measured(join(temp, file), io.signal)), kind }
    }
    const shipVersion = ownVersion()
    const manifestFile = await write(manifestFileName(manifest), canonicalManifest(manifest), 'manifest')
    const sbom = await write(sbomFileName(manifest), sbomText(manifest, shipVersion), 'sbom')
    const subjects = [...kept, ...archives, manifestFile]
    const facts = { manifest, ...parts, subjects, shipVersion, builder: builderId(process.env) }
    const provenance = await write(provenanceFileName(manifest), provenanceText(facts), 'provenance')
    const written = [...archives, manifestFile, sbom, provenance]
    const { name, version, platform, commit, dirty } = manifest
    const digest = manifestDigest(manifest)
    const build = { name, version, platform, commit, dirty, digest, artifacts: [...kept, ...written] }
    const appear = await stageSums({ dist, temp, earlier, artifacts: build.artifacts, signing: parts.signing }, io)
    for (const { file } of written) await rename(join(temp, file), join(dist, file))
    await appear()
    const { digest: manifestSum } = build
    for (const { kind, format, sha256 } of archives)
      if (kind === 'bundle' && format !== undefined)
        await markBuiltHere({ format, archive: sha256, manifest: manifestSum })
    await keepManifest(manifest, manifestSum)
    await writeList(dist, temp, build)
    return build
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

async function writeArchive(temp: string, tree: Tree, packer: Packer, io: Io): Promise<Artifact> {
  const { kind, format, label } = packer
  const file = join(temp, packer.file)
  const total = tree.manifest.entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0)
  const step = `pack ${label}`
  let artifact: Artifact | undefined
  await inStep(io.emit, { step }, async () => {
    await packer.write(tree, file, {
      signal: io.signal,
      onProgress: (done) => io.emit({ event: 'step.progress', step, progress: { done, total, unit: 'bytes' } }),
    })
    artifact = { ...(await measured(file, io.signal)), kind, format }
    return `${basename(file)}, ${size(artifact.sizeBytes)}`
  })
  if (!artifact) throw new Error('a step that ended well has its result')
  return artifact
}

/** A package holds more than the tree, so equal trees do not make equal packages: the one that is there must not become another. */
async function refuseOther(dist: string, { file, kind, sha256 }: Artifact, signal: AbortSignal): Promise<void> {
  if (kind !== 'deb' || !existsSync(join(dist, file)) || (await fileDigest(join(dist, file), signal)) === sha256) return
  throw new ShipError('refused', `${file} was built before, with other bytes`, {
    step: 'publish',
    state: 'dist/ is as it was',
    details: ['a package is more than its tree: what it says, or what it installs besides, is another'],
    next: ['raise deb.revision', `if nobody has it yet: remove dist/${file}`],
  })
}

/** Archives and packages of the same build in formats that were not asked for this time. */
async function otherArchives(dist: string, { manifest }: Tree, now: readonly Artifact[]): Promise<readonly Artifact[]> {
  const before = (await readBuilds(dist)).find((b) => b.name === manifest.name && b.version === manifest.version)
  const written: readonly Artifact['kind'][] = ['manifest', 'sbom', 'provenance']
  const kept = before?.artifacts.filter((a) => !written.includes(a.kind) && !now.some((n) => n.file === a.file)) ?? []
  const there = new Set(await readdir(dist))
  return kept.filter((a) => there.has(a.file))
}

async function writeList(dist: string, temp: string, build: Build): Promise<void> {
  const there = new Set(await readdir(dist))
  const others = (await readBuilds(dist)).filter(
    (b) => !(b.name === build.name && b.version === build.version) && b.artifacts.every((a) => there.has(a.file)),
  )
  const list = `${JSON.stringify({ schema: 1, builds: [...others, build] }, null, 2)}\n`
  await writeFile(join(temp, LIST_FILE), list, { flush: true })
  await rename(join(temp, LIST_FILE), join(dist, LIST_FILE))
}

async function measured(file: string, signal: AbortSignal): Promise<Pick<Artifact, 'file' | 'sizeBytes' | 'sha256'>> {
  const { size: sizeBytes } = await stat(file)
  return { file: basename(file), sizeBytes, sha256: await fileDigest(file, signal) }
}

/** Leftovers of killed builds, older than any build takes. */
async function sweep(dist: string): Promise<void> {
  for (const name of (await readdir(dist)).filter((n) => n.startsWith('.ship-'))) {
    // One that is gone meanwhile was another build's.
    const { mtimeMs } = await stat(join(dist, name)).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs > 24 * 3_600_000) await rm(join(dist, name), { recursive: true, force: true })
  }
}

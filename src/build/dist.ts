/**
 * `dist/`: what builds leave behind. Files appear whole, by renames, and `artifacts.json` last: what it lists is there. A version that is
 * there with other bytes is never replaced.
 */
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { messageOf, ShipError } from '../errors.ts'
import { fileDigest, manifestFileName } from '../formats/bundle.ts'
import type { Format } from '../formats/format.ts'
import { parseSums, SUMS_FILE, sumsText } from '../formats/sums.ts'
import { inStep, type Io } from '../io.ts'
import { canonicalManifest, manifestDigest, parseManifest, type Tree } from '../tree/manifest.ts'
import { size } from '../size.ts'
import { isVersion, type Version } from '../version.ts'

const LIST_FILE = 'artifacts.json'

const artifactSchema = z.object({
  file: z.string(),
  kind: z.enum(['bundle', 'manifest']),
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
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return []
  try {
    return listSchema.parse(JSON.parse(text)).builds
  } catch (cause) {
    throw new ShipError('build', `${file} cannot be read`, {
      cause,
      details: [messageOf(cause).split('\n')[0] ?? ''],
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

/** Writes the tree in every format and puts all of it into `dist`. */
export async function publish(dist: string, tree: Tree, formats: readonly Format[], io: Io): Promise<Build> {
  const { manifest } = tree
  await mkdir(dist, { recursive: true })
  await sweep(dist)
  const temp = await mkdtemp(join(dist, '.ship-'))
  try {
    const artifacts: Artifact[] = []
    for (const format of formats) artifacts.push(await writeArchive(temp, tree, format, io))
    const name = manifestFileName(manifest)
    await writeWhole(join(temp, name), canonicalManifest(manifest))
    artifacts.push({ ...(await measured(join(temp, name), io.signal)), kind: 'manifest' })
    const { name: app, version, platform, commit, dirty } = manifest
    const kept = await otherArtifacts(dist, tree, artifacts)
    const build = {
      name: app,
      version,
      platform,
      commit,
      dirty,
      digest: manifestDigest(manifest),
      artifacts: [...kept, ...artifacts],
    }
    for (const { file } of artifacts) await rename(join(temp, file), join(dist, file))
    await writeSums(dist, temp, build.artifacts)
    await writeList(dist, temp, build)
    return build
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

async function writeArchive(temp: string, tree: Tree, format: Format, io: Io): Promise<Artifact> {
  const file = join(temp, format.fileName(tree.manifest))
  const total = tree.manifest.entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0)
  const step = `pack ${format.name}`
  let artifact: Artifact | undefined
  await inStep(io.emit, { step }, async () => {
    await format.write(tree, createWriteStream(file, { flush: true, highWaterMark: 1024 * 1024 }), {
      signal: io.signal,
      onProgress: (done) => io.emit({ event: 'step.progress', step, progress: { done, total, unit: 'bytes' } }),
    })
    artifact = { ...(await measured(file, io.signal)), kind: 'bundle', format: format.name }
    return `${basename(file)}, ${size(artifact.sizeBytes)}`
  })
  if (!artifact) throw new Error('a step that ended well has its result')
  return artifact
}

/** Archives of the same build in formats that were not asked for this time. */
async function otherArtifacts(
  dist: string,
  { manifest }: Tree,
  now: readonly Artifact[],
): Promise<readonly Artifact[]> {
  const before = (await readBuilds(dist)).find((b) => b.name === manifest.name && b.version === manifest.version)
  const kept = before?.artifacts.filter((a) => !now.some((n) => n.file === a.file)) ?? []
  const there = new Set(await readdir(dist))
  return kept.filter((a) => there.has(a.file))
}

async function writeSums(dist: string, temp: string, artifacts: readonly Artifact[]): Promise<void> {
  const text = await readFile(join(dist, SUMS_FILE), 'utf8').catch(() => '')
  const there = new Set(await readdir(dist))
  const sums = new Map([...parseSums(text)].filter(([file]) => there.has(file)))
  for (const { file, sha256 } of artifacts) sums.set(file, sha256)
  await writeWhole(join(temp, SUMS_FILE), sumsText(sums))
  await rename(join(temp, SUMS_FILE), join(dist, SUMS_FILE))
}

async function writeList(dist: string, temp: string, build: Build): Promise<void> {
  const there = new Set(await readdir(dist))
  const others = (await readBuilds(dist)).filter(
    (b) => !(b.name === build.name && b.version === build.version) && b.artifacts.every((a) => there.has(a.file)),
  )
  await writeWhole(join(temp, LIST_FILE), `${JSON.stringify({ schema: 1, builds: [...others, build] }, null, 2)}\n`)
  await rename(join(temp, LIST_FILE), join(dist, LIST_FILE))
}

async function measured(file: string, signal: AbortSignal): Promise<Pick<Artifact, 'file' | 'sizeBytes' | 'sha256'>> {
  const { size: sizeBytes } = await stat(file)
  return { file: basename(file), sizeBytes, sha256: await fileDigest(file, signal) }
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flush: true })
}

/** Leftovers of killed builds, older than any build takes. */
async function sweep(dist: string): Promise<void> {
  for (const name of (await readdir(dist)).filter((n) => n.startsWith('.ship-'))) {
    const { mtimeMs } = await stat(join(dist, name))
    if (Date.now() - mtimeMs > 24 * 3_600_000) await rm(join(dist, name), { recursive: true, force: true })
  }
}

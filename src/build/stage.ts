/** From recipes to a frozen tree: parts made or taken from what is kept, laid over each other, looked through. */
import { hash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../cache-folder.ts'
import { sourceFilter } from '../components/filter.ts'
import type { Node } from '../components/graph.ts'
import { lastInputs } from '../components/last.ts'
import type { LockResult } from '../components/lock.ts'
import { makeParts } from '../components/make.ts'
import { mergeParts, shippedEntries } from '../components/merge.ts'
import type { MadePart } from '../components/part.ts'
import type { Project } from '../config/load.ts'
import { ShipError } from '../errors.ts'
import { inStep, type Io } from '../io.ts'
import { guardTree } from '../tree/guard.ts'
import { makeManifest, manifestDigest, type Entry, type Tree } from '../tree/manifest.ts'
import { walkTree } from '../tree/walk.ts'
import type { Version } from '../version.ts'
import { componentsOf } from './bill.ts'
import { keepOptions } from './cache.ts'
import type { GitFacts } from './git.ts'
import { linkage, type HostNeeds, type Linkage } from './linkage.ts'
import { writeVersionManifest } from './omnibus.ts'

export interface StageRequest {
  readonly project: Project
  /** Absolute `dist/` of the project. */
  readonly dist: string
  readonly sources: string
  readonly git: GitFacts | undefined
  readonly epoch: number
  readonly version: Version
  readonly scratch: string
  readonly nodes: readonly Node[]
  readonly lock: LockResult
  /** False: everything is made anew, and nothing of it is kept. */
  readonly useKept: boolean
  readonly io: Io
}

export interface Staged {
  readonly tree: Tree
  readonly parts: readonly MadePart[]
  /** Undefined: nothing, for there is no program for this machine in it. */
  readonly needs: HostNeeds | undefined
}

/** Runs the recipes into folders of their own and freezes what they made. Rejects with reason `build`. */
export async function stage(request: StageRequest): Promise<Staged> {
  const { project, scratch, io } = request
  const { inspect, needs } = linkage(project)
  const parts = await allParts(request, inspect)
  const root = join(scratch, 'tree')
  const shipped = parts.map((part) => ({ ...part, entries: shippedEntries(part) }))
  const entries = [...mergeParts(shipped, root)]
  if (project.config.build.layout === 'omnibus') {
    entries.push(...(await ownEntries(request, root, parts, needs())))
    warnOfLicences(parts, io)
  }
  let tree: Tree | undefined
  await inStep(io.emit, { step: 'manifest' }, async () => {
    const manifest = await frozenManifest(request, { root, entries, parts })
    tree = { root, manifest }
    return `${entries.length} entries, ${manifestDigest(manifest).slice(0, 12)}`
  })
  if (!tree) throw new Error('a step that ended well has its result')
  return { tree, parts, needs: needs() }
}

async function allParts(request: StageRequest, inspect: Linkage['inspect']): Promise<readonly MadePart[]> {
  const { project, sources, epoch, version, nodes, useKept, io } = request
  const { include, exclude, allow } = project.config.build
  const dist = project.dir === sources ? request.dist : join(sources, 'dist')
  const left = [...(appOf(nodes).recipe.exclude ?? []), ...exclude]
  const cache = cacheFolder()
  const here = `${project.name}-${hash('sha256', project.dir).slice(0, 8)}`
  // Beside each other, so that no part is called like the tree.
  const scratch = join(request.scratch, 'parts')
  await mkdir(scratch, { recursive: true })
  return makeParts({
    projectDir: project.dir,
    version,
    sources,
    filter: sourceFilter({ app: project.name, sources, dist, include, exclude: left }),
    allow,
    epoch,
    scratch,
    nodes,
    cache,
    prefix: `/opt/${project.name}/current/embedded`,
    keep: useKept ? keepOptions(project, io) : undefined,
    last: lastInputs(join(cache, 'last'), project.dir),
    logs: join(cache, 'logs', here, useKept ? '' : 'again'),
    resolved: request.lock.sources,
    inspect,
    signal: io.signal,
    emit: io.emit,
  })
}

function appOf(nodes: readonly Node[]): Node {
  const app = nodes.at(-1)
  if (!app) throw new Error('a build has a recipe')
  return app
}

/** What an omnibus tree says of itself. */
async function ownEntries(
  { project, version, git, nodes, io }: StageRequest,
  root: string,
  parts: readonly MadePart[],
  needs: HostNeeds | undefined,
): Promise<readonly Entry[]> {
  const facts = { name: project.name, version, commit: git?.commit, license: appOf(nodes).recipe.license, needs }
  const written = writeVersionManifest(root, facts, parts)
  return walkTree(root, { signal: io.signal, include: (path) => written.includes(path) })
}

async function frozenManifest(
  { project, sources, git, epoch, version, nodes }: StageRequest,
  {
    root,
    entries,
    parts,
  }: { readonly root: string; readonly entries: readonly Entry[]; readonly parts: readonly MadePart[] },
) {
  if (entries.length === 0)
    throw new ShipError('build', 'the staged tree is empty', {
      next: ['look at build.from, build.include and build.exclude'],
    })
  // The parts were looked through as they were made; what was left behind may have had links to it.
  const links = entries.filter((e) => e.type === 'link')
  guardTree(root, links, project.config.build.allow, entries)
  const { commit, dirty } = git ?? {}
  const platform = await platformOf(nodes, sources)
  const components = componentsOf(parts)
  return makeManifest({ name: project.name, version, platform, epoch, commit, dirty, components, entries })
}

/** Any part that is bound to a platform binds the whole. */
async function platformOf(nodes: readonly Node[], sources: string): Promise<string> {
  for (const { role, recipe } of nodes) {
    const { platform = role === 'app' ? 'any' : 'native' } = recipe
    const kind = typeof platform === 'function' ? await platform(sources) : platform
    if (kind !== 'any') return `${process.platform}-${process.arch}`
  }
  return 'any'
}

function warnOfLicences(parts: readonly MadePart[], { emit }: Io): void {
  for (const { name, node } of parts.filter((p) => p.licences.length === 0)) {
    const where = node.role === 'app' ? 'add a LICENSE file to the sources' : `add licenseFiles to the recipe "${name}"`
    emit({ event: 'warning', message: `"${name}" has no licence text`, next: [where] })
  }
}

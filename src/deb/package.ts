/**
 * One package put together: the staged tree at `/opt/<package>/releases/<version>`, what systemd and the documentation need outside of it,
 * and the project's own files. What `current` is, the maintainer scripts decide: it is never in the archive.
 */
import { join, posix } from 'node:path'
import picomatch from 'picomatch'
import { ShipError } from '../errors.ts'
import type { Entry, Tree } from '../tree/manifest.ts'
import { debArchitecture } from './architecture.ts'
import { changelogText, type ChangelogEntry } from './changelog.ts'
import { gzipWhole, type Compression } from './compress.ts'
import { conffilesOf } from './conffiles.ts'
import type { ControlFields } from './control.ts'
import { copyrightText, type CopyrightFacts } from './copyright.ts'
import { layOut, type DataItem } from './data.ts'
import { binariesOf, type Binaries } from './libraries.ts'
import type { PackageFacts } from './facts.ts'
import { overridesText } from './overrides.ts'
import { maintainerScripts } from './scripts.ts'
import type { ServiceSpec } from './service.ts'
import { scriptDepends, systemFiles, type SystemFile } from './system-files.ts'
import type { Deb, Debconf } from './write.ts'

/** What is known of a package before its tree is made. */
export interface DebPlan {
  /** Without an architecture: that of the tree. */
  readonly control: Omit<ControlFields, 'architecture'> & { readonly architecture: string | undefined }
  readonly hasTree: boolean
  /** Patterns of the tree's paths. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  readonly services: readonly ServiceSpec[]
  /** Paths in the tree that services run. */
  readonly programs: readonly string[]
  /** Texts of the project's own fragments and scripts. */
  readonly sysusers: string | undefined
  readonly tmpfiles: string | undefined
  readonly custom: PackageFacts['custom']
  /** Texts of debconf's script and templates. */
  readonly debconf: Debconf | undefined
  /** Files, folders and links outside of the tree. */
  readonly items: readonly DataItem[]
  readonly conffiles: readonly string[]
  readonly triggers: readonly string[]
  readonly compression: Compression
  /** Newest first. */
  readonly changelog: readonly ChangelogEntry[]
  /** The whole text, or what one is written from. */
  readonly copyright: string | Omit<CopyrightFacts, 'components' | 'texts'>
  /** Lines of the project's own. */
  readonly overrides: readonly string[]
}

/** The first second that lintian takes for a date of a file. */
const MIN_EPOCH = 315_532_800

/** Decides everything but the bytes of the tree's files. Rejects (reason `config`) by name what cannot be in one package. */
export function assembleDeb(plan: DebPlan, tree: Tree): Deb {
  const { manifest } = tree
  const { package: name } = plan.control
  const home = `opt/${name}/releases/${manifest.version}`
  const entries = plan.hasTree ? chosenEntries(plan, manifest.entries) : []
  refuseNoProgram(plan, plan.hasTree ? entries : manifest.entries)
  const cpu = manifest.platform === 'any' ? process.arch : (manifest.platform.split('-')[1] ?? process.arch)
  const binaries = binariesOf(tree.root, entries, cpu)
  const control = { ...plan.control, architecture: architectureOf(plan, tree, binaries) }
  const { hasTree, services, sysusers, tmpfiles, custom } = plan
  const own = layOut([...plan.items, ...treeItems(tree.root, entries, home)])
  const conffiles = conffilesOf(own, plan.conffiles)
  const facts = {
    package: name,
    release: manifest.version,
    hasTree,
    services,
    sysusers,
    tmpfiles,
    custom,
    conffiles,
    debconf: plan.debconf !== undefined,
  }
  const items = [...own, ...systemFiles(facts).map(systemItem)]
  const data = layOut([...items, ...documents(plan, tree, { items, home, binaries })])
  refuseCurrent(data, name)
  const depends = [...binaries.depends, ...scriptDepends(facts), ...(control.relations.depends ?? [])]
  return {
    control: { ...control, relations: { ...control.relations, depends } },
    data,
    conffiles,
    triggers: plan.triggers,
    scripts: maintainerScripts(facts),
    debconf: plan.debconf,
    compression: plan.compression,
    epoch: Math.max(manifest.epoch, MIN_EPOCH),
  }
}

function systemItem({ path, mode, content }: SystemFile): DataItem {
  return { path, type: 'file', mode, content: Buffer.from(content) }
}

/** A service whose program is not there would fail on every host. */
function refuseNoProgram({ programs, control }: DebPlan, entries: readonly Entry[]): void {
  for (const program of programs) {
    const entry = entries.find((e) => e.path === program)
    const problem =
      entry === undefined || entry.type === 'dir'
        ? 'is not in its tree'
        : entry.type === 'file' && (entry.mode & 0o111) === 0
          ? 'is not executable'
          : undefined
    if (problem !== undefined)
      throw new ShipError(
        'config',
        `a service of the package "${control.package}" runs "${program}", which ${problem}`,
        {
          next: ['look at exec, build.bin and deb.include'],
        },
      )
  }
}

function architectureOf({ control, hasTree }: DebPlan, { manifest }: Tree, { any }: Binaries): string {
  if (control.architecture !== undefined) return control.architecture
  if (!hasTree) return 'all'
  // Prebuilt programs in a tree that nothing else binds to a platform.
  return debArchitecture(manifest.platform === 'any' && any ? `${process.platform}-${process.arch}` : manifest.platform)
}

/** Entries that the patterns let through, and the folders that hold them. Empty folders are chosen as files are. */
function chosenEntries({ include, exclude, control }: DebPlan, entries: readonly Entry[]): readonly Entry[] {
  if (include.length === 0 && exclude.length === 0) return entries
  const taken = include.length === 0 ? () => true : picomatch([...include], { dot: true })
  const left = exclude.length === 0 ? () => false : picomatch([...exclude], { dot: true })
  const holding = new Set(entries.map((e) => posix.dirname(e.path)))
  const chosen = entries.filter((e) => !(e.type === 'dir' && holding.has(e.path)) && taken(e.path) && !left(e.path))
  if (chosen.length === 0)
    throw new ShipError('config', `nothing of the tree is in the package "${control.package}"`, {
      next: ['look at deb.include and deb.exclude, or say tree: false'],
    })
  const needed = new Set<string>()
  for (const { path } of chosen) {
    needed.add(path)
    for (let at = posix.dirname(path); at !== '.'; at = posix.dirname(at)) needed.add(at)
  }
  const kept = entries.filter((e) => needed.has(e.path))
  refuseDangling(kept, entries, control.package)
  return kept
}

/** A link must not lead to what the package leaves out. */
function refuseDangling(kept: readonly Entry[], all: readonly Entry[], name: string): void {
  const [there, before] = [kept, all].map((entries) => new Set<string>(entries.map((e) => e.path)))
  for (const entry of kept) {
    if (entry.type !== 'link') continue
    const target = posix.join(posix.dirname(entry.path), entry.target).replace(/\/$/, '')
    if (before?.has(target) !== true || there?.has(target) === true) continue
    throw new ShipError('config', `"${entry.path}" is a link to "${target}", which the package "${name}" leaves out`, {
      next: ['leave out both, or take both'],
    })
  }
}

function treeItems(root: string, entries: readonly Entry[], home: string): readonly DataItem[] {
  return entries.map((entry): DataItem => {
    const path = `${home}/${entry.path}`
    if (entry.type !== 'file') return { ...entry, path }
    const { type, mode, size, sha256 } = entry
    return { path, type, mode, size, sha256, content: join(root, entry.path) }
  })
}

interface Placed {
  readonly items: readonly DataItem[]
  /** Where the tree is, without the leading `/`. */
  readonly home: string
  readonly binaries: Binaries
}

/** Copyright, changelog, and lintian's overrides. */
function documents(plan: DebPlan, { manifest }: Tree, { items, home, binaries }: Placed): readonly DataItem[] {
  const { package: name, source, maintainer } = plan.control
  const folder = `usr/share/doc/${name}`
  const texts = items.some((i) => i.path === `${home}/LICENSES`) ? `/${home}/LICENSES` : undefined
  const components = plan.hasTree ? manifest.components : []
  const { copyright } = plan
  const legal = typeof copyright === 'string' ? copyright : copyrightText({ ...copyright, components, texts })
  const isFirst = plan.changelog.length === 1
  const overrides = overridesText({ package: name, items, hasBinaries: binaries.any, isFirst, own: plan.overrides })
  const files = [
    [`${folder}/copyright`, Buffer.from(legal)],
    [`${folder}/changelog.Debian.gz`, gzipWhole(changelogText(source ?? name, maintainer, plan.changelog))],
    [`usr/share/lintian/overrides/${name}`, Buffer.from(overrides)],
  ] as const
  return files.flatMap(([path, content]): DataItem[] =>
    content.length === 0 ? [] : [{ path, type: 'file', mode: 0o644, content }],
  )
}

function refuseCurrent(data: readonly DataItem[], name: string): void {
  const taken = data.find((i) => i.path === `opt/${name}/current`)
  if (taken) throw new ShipError('config', `"/${taken.path}" of the .deb is what the package's own scripts make`)
}

/** Rejects (reason `config`) a path that two packages of one build have: dpkg would install only one of them. */
export function refuseShared(debs: readonly Deb[]): void {
  const owner = new Map<string, string>()
  for (const { control, data } of debs) {
    for (const { path, type } of data) {
      if (type === 'dir') continue
      const before = owner.get(path)
      if (before !== undefined)
        throw new ShipError('config', `"/${path}" is in two packages, "${before}" and "${control.package}"`)
      owner.set(path, control.package)
    }
  }
}

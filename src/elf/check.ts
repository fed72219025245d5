/**
 * The library health check of a staged tree: does each program find its libraries inside the tree, wherever the tree will be, and is the C
 * library of the targets new enough? Everything is read; nothing is executed.
 */
import { join } from 'node:path'
import picomatch from 'picomatch'
import { ShipError } from '../errors.ts'
import type { Entry } from '../tree/manifest.ts'
import { hostLibraries, usesMusl } from './host.ts'
import { libraryProblems, neededFromHost } from './libraries.ts'
import { playLoader } from './loader.ts'
import { treePaths } from './paths.ts'
import { isForeign } from './platforms.ts'
import type { Problem } from './problem.ts'
import { readElf, type ElfFile } from './read.ts'
import { fileProblems } from './rules.ts'
import { distributionsFor, glibcFloor, versionProblems, type Floor } from './floor.ts'
import { targetOf, type TargetName } from './targets.ts'

export interface CheckOptions {
  /** Distributions that the tree must run on; empty: versions are not judged. */
  readonly targets: readonly TargetName[]
  /** Names or patterns of libraries that hosts give besides the base of each distribution: `libpq.so.5`, `libX*.so.*`. */
  readonly systemLibraries: readonly string[]
  /** The processor that the tree is for, as Node names it. */
  readonly cpu: string
  /** The component that a path belongs to. */
  readonly componentOf: (path: string) => string | undefined
  /** Absolute folder of the tree on the host, when it has one: absolute links and search paths below it are followed. */
  readonly prefix?: string | undefined
  /** Patterns of paths that are not judged; one that names a folder stands for all that is in it. Others may need these files. */
  readonly allow: readonly string[]
}

export interface Finding extends Problem {
  readonly component?: string | undefined
}

export interface LibraryReport {
  /** In the order of the paths. */
  readonly findings: readonly Finding[]
  /** The newest glibc that any file needs, and which one does. */
  readonly floor: (Floor & { readonly component?: string | undefined }) | undefined
  /** Known distributions whose own libraries are new enough for all files. */
  readonly runsOn: readonly TargetName[]
  /** Libraries that hosts must give, sorted. */
  readonly libraries: readonly string[]
  /** ELF files in the tree, those that are skipped included. */
  readonly files: number
  /** Prebuilt files for other platforms, which are not loaded here. */
  readonly skipped: number
}

/** Below this no ELF file can say anything: the head of a 64-bit one is larger already. */
const MIN_BYTES = 64

/**
 * Checks all files of `entries` below `root`. A damaged file is a finding as well.
 */
export function checkLibraries(root: string, entries: readonly Entry[], options: CheckOptions): LibraryReport {
  const { cpu, prefix, componentOf } = options
  const targets = options.targets.map(targetOf)
  const { elves, damaged } = readAll(root, entries)
  const allowed = options.allow.length > 0 ? picomatch(options.allow.flatMap(folderToo), { dot: true }) : () => false
  const foreign = new Set(
    elves.flatMap(([path, elf]) => (isForeign(path, { cpu: elf.cpu, usesMusl: usesMusl(elf) }, cpu) ? [path] : [])),
  )
  const checked = elves.filter(([path, elf]) => !foreign.has(path) && isLoaded(elf))
  const paths = treePaths(entries, prefix)
  const problems = [
    ...damaged,
    ...checked.flatMap(([path, elf]) => fileProblems(path, elf, { cpu, prefix, glibc: targets.length > 0 })),
  ]

  const files = new Map(checked.filter(([, elf]) => elf.cpu === cpu && elf.linking === 'dynamic'))
  const fromHost = hostLibraries(options.systemLibraries, targets.length === 0)
  const needs = playLoader({ files, paths, prefix, fromHost })
  const tree = { files, needs, paths, all: new Map(elves), fromHost }
  problems.push(...libraryProblems(tree), ...versionProblems(tree, targets))

  const judged = { ...tree, files: without(files, allowed), needs: without(needs, allowed) }
  const floor = glibcFloor(judged)
  const order = new Map(entries.map((e, i) => [e.path as string, i]))
  return {
    findings: problems
      .filter((p) => !allowed(p.path))
      .map((p) => ({ ...p, component: componentOf(p.path) }))
      .toSorted((a, b) => (order.get(a.path) ?? 0) - (order.get(b.path) ?? 0)),
    floor: floor && { ...floor, component: componentOf(floor.path) },
    runsOn: distributionsFor(judged),
    libraries: neededFromHost(judged),
    files: elves.length + damaged.length,
    skipped: foreign.size,
  }
}

/** Whether a loader or the kernel ever starts with it: objects, debug information and dumps need nothing. */
function isLoaded({ type }: ElfFile): boolean {
  return type === 'executable' || type === 'shared'
}

function readAll(root: string, entries: readonly Entry[]) {
  const elves: [string, ElfFile][] = []
  const damaged: Problem[] = []
  for (const entry of entries) {
    if (entry.type !== 'file' || entry.size < MIN_BYTES) continue
    const file = join(root, entry.path)
    try {
      const elf = readElf(file)
      if (elf) elves.push([entry.path, elf])
    } catch (error) {
      if (!(error instanceof ShipError)) throw error
      damaged.push({
        path: entry.path,
        problem: error.message.replace(`"${file}" `, ''),
        cure: 'build it again, or leave it out',
      })
    }
  }
  return { elves, damaged }
}

function without<T>(map: ReadonlyMap<string, T>, left: (path: string) => boolean): ReadonlyMap<string, T> {
  return new Map([...map].filter(([path]) => !left(path)))
}

function folderToo(pattern: string): string[] {
  const bare = pattern.replace(/\/$/, '')
  return bare.endsWith('*') ? [bare] : [bare, `${bare}/**`]
}

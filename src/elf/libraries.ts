/** Libraries that the loader would not find, and those that hosts must give. */
import type { Problem } from './problem.ts'
import type { Needs } from './loader.ts'
import type { TreePaths } from './paths.ts'
import type { ElfFile } from './read.ts'
import { folderOf, originForm } from './search-path.ts'

/** A tree that was read, and where the loader would find what its files need. */
export interface Linked {
  /** Dynamic files for the tree's processor, by path. */
  readonly files: ReadonlyMap<string, ElfFile>
  readonly needs: Needs
  readonly paths: TreePaths
  /** All ELF files, those for other processors included. */
  readonly all: ReadonlyMap<string, ElfFile>
  readonly fromHost: (library: string) => boolean
}

export function libraryProblems(linked: Linked): Problem[] {
  return [...linked.needs].flatMap(([path, sources]) =>
    [...sources].flatMap(([library, source]) =>
      source.kind === 'missing' ? [{ path, ...unresolved(path, library, linked) }] : [],
    ),
  )
}

/** Sonames that hosts must give, those that nobody allowed included. */
export function neededFromHost(linked: Linked): string[] {
  const names = [...linked.needs].flatMap(([path, sources]) =>
    [...sources].flatMap(([library, { kind }]) =>
      kind === 'host' || (kind === 'missing' && isNowhere(path, library, linked)) ? [library] : [],
    ),
  )
  return [...new Set(names)].toSorted()
}

function isNowhere(path: string, library: string, linked: Linked): boolean {
  return !library.includes('/') && whereInTree(path, library, linked) === undefined
}

function unresolved(path: string, library: string, linked: Linked): Omit<Problem, 'path'> {
  if (library.includes('/')) {
    const problem = library.startsWith('$') ? 'which is not in the tree' : 'by a path that holds in one place only'
    return {
      problem: `needs "${library}", ${problem}`,
      cure: 'link it with -l<name> against a library that has a soname, or run: patchelf --replace-needed',
    }
  }
  const place = whereInTree(path, library, linked)
  if (place === undefined) {
    const other = linked.paths.named(library).find((p) => linked.all.has(linked.paths.resolve(p) ?? ''))
    const cpu = other === undefined ? undefined : linked.all.get(linked.paths.resolve(other) ?? '')?.cpu
    const but = other === undefined ? '' : ` ("${other}" is for ${cpu === 'other' ? 'another processor' : cpu})`
    return {
      problem: `needs ${library}, which is nowhere in the tree${but}: it would come from the host`,
      cure: `put it into the tree, or let hosts give it: build.systemLibraries: [${JSON.stringify(library)}]`,
    }
  }
  if (place.named) {
    const form = originForm(folderOf(path), folderOf(place.path))
    return {
      problem: `needs ${library}, which is in the tree at "${place.path}", but its RUNPATH does not lead there`,
      cure: `link it with -Wl,-rpath,'${form}', or run: patchelf --add-rpath '${form}'`,
    }
  }
  return {
    problem: `needs ${library}, which "${place.path}" is by its soname, but no file has that name`,
    cure: `put a link beside it: ${library} -> ${place.path.slice(place.path.lastIndexOf('/') + 1)}`,
  }
}

/** Where a library is that the file could load, by the name of a file (`named`), or by a soname that no file is called by. */
function whereInTree(
  path: string,
  library: string,
  { files, paths }: Linked,
): { readonly path: string; readonly named: boolean } | undefined {
  const need = files.get(path)
  const fits = (candidate: string): boolean => {
    const elf = files.get(paths.resolve(candidate) ?? '')
    return elf !== undefined && elf.bits === need?.bits
  }
  const named = paths.named(library).find(fits)
  if (named !== undefined) return { path: named, named: true }
  const bySoname = [...files].find(([p, elf]) => elf.soname === library && fits(p))
  return bySoname && { path: bySoname[0], named: false }
}

/** Versions of symbols: the newest C library that a tree needs, and what is newer than a target, or than the tree's own library. */
import type { Problem } from './problem.ts'
import type { Linked } from './libraries.ts'
import {
  compareVersions,
  parseVersion,
  TARGET_NAMES,
  targetOf,
  type Family,
  type Target,
  type TargetName,
} from './targets.ts'
import type { NeededVersion } from './versions.ts'

export interface Floor {
  /** `2.34`. */
  readonly version: string
  readonly path: string
  /** A symbol that needs it; the version itself when it stands for a feature. */
  readonly symbol: string
}

interface Need {
  readonly path: string
  readonly family: Family
  readonly number: string
  readonly by: NeededVersion
}

/** Symbols that are named in a problem. */
const SHOWN = 3

/** The newest glibc that the tree needs of a host; undefined when it needs none. */
export function glibcFloor(linked: Linked): Floor | undefined {
  const newest = hostNeeds(linked)
    .filter((n) => n.family === 'GLIBC')
    .reduce<Need | undefined>((a, b) => (a && compareVersions(a.number, b.number) >= 0 ? a : b), undefined)
  return newest && { version: newest.number, path: newest.path, symbol: newest.by.symbols[0] ?? newest.by.version }
}

/** Distributions whose own C and C++ libraries are new enough. */
export function distributionsFor(linked: Linked): readonly TargetName[] {
  const needs = hostNeeds(linked)
  return TARGET_NAMES.filter((name) => {
    const { newest } = targetOf(name)
    return needs.every(({ family, number }) => compareVersions(newest[family], number) >= 0)
  })
}

export function versionProblems(linked: Linked, targets: readonly Target[]): Problem[] {
  return [...tooNew(linked, targets), ...privateOnes(linked), ...notInTree(linked)]
}

/** For each file and family the newest version, when a target is older. */
function tooNew(linked: Linked, targets: readonly Target[]): Problem[] {
  const newest = new Map<string, Need>()
  for (const need of hostNeeds(linked)) {
    const key = `${need.family} ${need.path}`
    const known = newest.get(key)
    if (!known || compareVersions(known.number, need.number) < 0) newest.set(key, need)
  }
  return [...newest.values()].flatMap(({ path, family, number, by }) => {
    const older = targets
      .filter((t) => compareVersions(t.newest[family], number) < 0)
      .toSorted((a, b) => compareVersions(a.newest[family], b.newest[family]))
    const [oldest] = older
    if (!oldest) return []
    const has = older.map((t) => `${t.name} has ${family === 'GCC' ? 'an older one' : t.newest[family]}`).join(', ')
    return [
      {
        path,
        problem: `needs ${by.version}${symbolsOf(by)} of ${by.library}, and ${has}`,
        cure: `build it on ${oldest.name} or something older, or take ${older.map((t) => t.name).join(', ')} out of build.targets`,
      },
    ]
  })
}

/** Private symbols change with each build of the C library; only its own parts, copied from some host, need them. */
function privateOnes(linked: Linked): Problem[] {
  return fromHost(linked).flatMap(({ path, by }) =>
    by.version === 'GLIBC_PRIVATE'
      ? [
          {
            path,
            problem: `needs private symbols${symbolsOf(by)} of ${by.library}: it is a part of one exact C library`,
            cure: 'leave it out, so that the host gives its own',
          },
        ]
      : [],
  )
}

/** A library of the tree that is older than the one that a file was linked with. */
function notInTree({ files, needs }: Linked): Problem[] {
  return [...files].flatMap(([path, elf]) =>
    elf.requires.flatMap((by) => {
      const source = needs.get(path)?.get(by.library)
      const provides = source?.kind === 'tree' ? (files.get(source.path)?.provides ?? []) : []
      // Without any versions of its own a library fits all: the loader only warns.
      if (source?.kind !== 'tree' || by.weak || provides.length === 0 || provides.includes(by.version)) return []
      return [
        {
          path,
          problem: `needs ${by.version}${symbolsOf(by)} of ${by.library}, which "${source.path}" does not have`,
          cure: `link it with the library that is in the tree, or put the newer one there`,
        },
      ]
    }),
  )
}

/** What files need of libraries that hosts give; weak needs are none. */
function fromHost({
  files,
  needs,
  fromHost: allowed,
}: Linked): { readonly path: string; readonly by: NeededVersion }[] {
  return [...files].flatMap(([path, elf]) =>
    elf.requires.flatMap((by) => {
      const kind = needs.get(path)?.get(by.library)?.kind ?? (allowed(by.library) ? 'host' : 'missing')
      return kind === 'host' && !by.weak ? [{ path, by }] : []
    }),
  )
}

function hostNeeds(linked: Linked): Need[] {
  return fromHost(linked).flatMap(({ path, by }) => {
    const parsed = parseVersion(by.version)
    return parsed ? [{ path, by, ...parsed }] : []
  })
}

function symbolsOf({ symbols }: NeededVersion): string {
  if (symbols.length === 0) return ''
  const more = symbols.length > SHOWN ? ' and more' : ''
  return ` (${symbols.slice(0, SHOWN).join(', ')}${more})`
}

/**
 * Distributions that a tree may be built for, and how new their C and C++ libraries are. Sources: the package lists of the distributions;
 * the versions of each gcc are from "ABI Policy and Guidelines" of libstdc++. Distributions give the runtime libraries of a newer gcc
 * than their compiler: `gcc` is the one that libstdc++.so.6 and libgcc_s.so.1 come from.
 */
const TARGETS = {
  debian11: { glibc: '2.31', gcc: 10 },
  debian12: { glibc: '2.36', gcc: 12 },
  debian13: { glibc: '2.41', gcc: 14 },
  'ubuntu20.04': { glibc: '2.31', gcc: 10 },
  'ubuntu22.04': { glibc: '2.35', gcc: 12 },
  'ubuntu24.04': { glibc: '2.39', gcc: 14 },
  rhel8: { glibc: '2.28', gcc: 8 },
  rhel9: { glibc: '2.34', gcc: 11 },
  amazonlinux2023: { glibc: '2.34', gcc: 11 },
} as const

/** Newest versions in the runtime libraries of each gcc. */
const RUNTIMES = {
  8: { GLIBCXX: '3.4.25', CXXABI: '1.3.11' },
  10: { GLIBCXX: '3.4.28', CXXABI: '1.3.12' },
  11: { GLIBCXX: '3.4.29', CXXABI: '1.3.13' },
  12: { GLIBCXX: '3.4.30', CXXABI: '1.3.13' },
  14: { GLIBCXX: '3.4.33', CXXABI: '1.3.15' },
} as const

export type TargetName = keyof typeof TARGETS

/** Names for the configuration. */
export const TARGET_NAMES = Object.keys(TARGETS) as [TargetName, ...TargetName[]]

/** Families of symbol versions that have an order of their own. */
export type Family = 'GLIBC' | 'GLIBCXX' | 'CXXABI' | 'GCC'

export interface Target {
  readonly name: TargetName
  /** The newest version of each family that the distribution has. */
  readonly newest: Readonly<Record<Family, string>>
}

export function targetOf(name: TargetName): Target {
  const { glibc, gcc } = TARGETS[name]
  return { name, newest: { GLIBC: glibc, ...RUNTIMES[gcc], GCC: `${gcc}.9.9` } }
}

/** A version that has an order: `GLIBC_2.34` is 2.34 of GLIBC. Undefined for private and unknown ones. */
export function parseVersion(text: string): { readonly family: Family; readonly number: string } | undefined {
  // A feature of the loader rather than a symbol; it came with this version (glibc NEWS, 2.36).
  if (text === 'GLIBC_ABI_DT_RELR') return { family: 'GLIBC', number: '2.36' }
  const match = /^(GLIBC|GLIBCXX|CXXABI|GCC)_(\d+(?:\.\d+)*)$/.exec(text)
  return match ? { family: match[1] as Family, number: match[2] ?? '' } : undefined
}

/** Below 0 when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

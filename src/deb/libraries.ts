/** What the programs of a package need of a host, as entries of Depends. */
import { checkLibraries } from '../elf/check.ts'
import type { Entry } from '../tree/manifest.ts'

/** Packages of the libraries that hosts give without being asked; names as Debian 8 to 13 and Ubuntu have them. */
const PACKAGES: Readonly<Record<string, string>> = {
  'libstdc++.so.6': 'libstdc++6',
  'libgcc_s.so.1': 'libgcc-s1 | libgcc1',
}

export interface Binaries {
  /** Whether any program or library for this processor is among the files. */
  readonly any: boolean
  readonly depends: readonly string[]
}

/** `cpu`: as Node names it. Other libraries of hosts are the configuration's to name. */
export function binariesOf(root: string, entries: readonly Entry[], cpu: string): Binaries {
  const options = { targets: [], systemLibraries: [], cpu, allow: [], componentOf: () => undefined }
  const { files, skipped, floor, libraries } = checkLibraries(root, entries, options)
  const glibc = floor ? [`libc6 (>= ${floor.version})`] : libraries.includes('libc.so.6') ? ['libc6'] : []
  return { any: files > skipped, depends: [...glibc, ...libraries.flatMap((name) => PACKAGES[name] ?? [])] }
}

/** The library check of a build: each part is looked at with all that it depends on, and what is wrong with its own files stops it. */
import { shippedEntries } from '../components/merge.ts'
import type { MadePart } from '../components/part.ts'
import type { Project } from '../config/load.ts'
import { checkLibraries, type Finding, type LibraryReport } from '../elf/check.ts'
import { ShipError } from '../errors.ts'

/** What the programs of a tree need of a host. */
export interface HostNeeds {
  /** The newest glibc: `version` is `2.34`, and the file, its component and the symbol are the ones that need it. */
  readonly glibc: LibraryReport['floor']
  /** Known distributions whose own C and C++ libraries are new enough. */
  readonly distributions: LibraryReport['runsOn']
  /** Names of libraries that hosts must give, sorted. */
  readonly libraries: readonly string[]
}

export interface Linkage {
  /** Rejects (reason `build`) with all that is wrong with the part's own files. Parts come after what they depend on. */
  readonly inspect: (part: MadePart) => void
  /** Of the whole tree, once the app was inspected; undefined when nothing in it needs anything of a host. */
  readonly needs: () => HostNeeds | undefined
}

/** Findings that are shown; the rest is counted. */
const SHOWN = 10
/** Files in the line that is to be copied. */
const ALLOWED = 3

/**
 * A tree of layout `omnibus` brings its libraries along, so they must be in it. A plain one may live off its host, and is judged
 * only when the configuration says what the hosts are: `build.targets` or `build.systemLibraries`.
 */
export function linkage({ name, config }: Project): Linkage {
  const { layout, targets, systemLibraries, allow } = config.build
  const judged = layout === 'omnibus' || targets.length > 0 || systemLibraries.length > 0
  const owners = new Map<string, string>()
  let whole: LibraryReport | undefined
  return {
    inspect(part) {
      const own = new Set(part.entries.map((e) => e.path as string))
      for (const path of own) owners.set(path, part.name)
      const isWhole = part.node.role === 'app'
      if (!judged && !isWhole) return
      // What stays behind cannot be loaded on a host.
      const report = checkLibraries(part.view.root, shippedEntries(part.view), {
        targets,
        systemLibraries,
        allow,
        cpu: process.arch,
        prefix: `/opt/${name}/current`,
        componentOf: (path) => owners.get(path),
      })
      if (isWhole) whole = report
      const findings = report.findings.filter((f) => own.has(f.path))
      if (judged && findings.length > 0) throw refusal(part, findings)
    },
    needs() {
      if (!whole || (whole.floor === undefined && whole.libraries.length === 0)) return undefined
      return { glibc: whole.floor, distributions: whole.runsOn, libraries: whole.libraries }
    },
  }
}

function refusal({ name, node }: MadePart, findings: readonly Finding[]): ShipError {
  const files = new Set(findings.map((f) => f.path))
  const owner = node.role === 'app' ? `"${name}"` : `the component "${name}"`
  const shown = findings.slice(0, SHOWN).flatMap((f) => [`"${f.path}" ${f.problem}`, `  cure: ${f.cure}`])
  const more = findings.length - SHOWN
  const allow = [...files].slice(0, ALLOWED).map((path) => JSON.stringify(path))
  return new ShipError(
    'build',
    `${files.size === 1 ? 'a file' : `${files.size} files`} of ${owner} would not run on hosts`,
    {
      details: more > 0 ? [...shown, `and ${more} more`] : shown,
      state: 'nothing was written to dist/',
      next: [
        'mend it as said above, or, if it is meant, add to the configuration:',
        `build: { allow: [${allow.join(', ')}] }`,
      ],
    },
  )
}

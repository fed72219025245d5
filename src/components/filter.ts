/** Which of the sources go into a build: patterns of the configuration, of the recipe, and what is never part of an app. */
import { relative } from 'node:path'
import picomatch from 'picomatch'
import { FORMAT_NAMES } from '../formats/index.ts'

/** Never an app's own: repositories, ship's configuration, leavings of desktops. */
const NEVER = ['**/.git', '**/.hg', '**/.svn', 'ship.config.*', 'ship.lock', '**/.DS_Store']

export interface SourceFilter {
  /** Whether a file or link is taken. */
  file(path: string): boolean
  /** Whether a folder is looked into. */
  enter(path: string): boolean
}

export interface FilterOptions {
  readonly app: string
  readonly sources: string
  readonly dist: string
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** Patterns are relative to the sources; one that names a folder stands for all that is in it. */
export function sourceFilter({ app, sources, dist, include, exclude }: FilterOptions): SourceFilter {
  const options = { dot: true }
  const never = picomatch([...NEVER, ...artifacts(app, relative(sources, dist))], options)
  const excluded = exclude.length > 0 ? picomatch(exclude.map(folderToo).flat(), options) : () => false
  const included = picomatch(include.map(folderToo).flat(), options)
  const out = (path: string): boolean => never(path) || excluded(path)
  return { file: (path) => included(path) && !out(path), enter: (path) => !out(path) }
}

function folderToo(pattern: string): string[] {
  const bare = pattern.replace(/\/$/, '')
  return bare.endsWith('*') ? [bare] : [bare, `${bare}/**`]
}

/** What earlier builds left in `dist/`, in case the app has a folder of that name as well. */
function artifacts(app: string, dist: string): string[] {
  if (dist.startsWith('..')) return []
  const names = [
    'SHA256SUMS',
    'SHA256SUMS.sig',
    'artifacts.json',
    `${app}-*.manifest.json`,
    `${app}-*.cdx.json`,
    `${app}-*.provenance.json`,
    ...FORMAT_NAMES.map((f) => `${app}-*.${f}`),
    // A package may have another name than the app.
    '*_*_*.deb',
    '.ship-*',
    '.ship-*/**',
  ]
  return names.map((name) => `${dist}/${name}`)
}

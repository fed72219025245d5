/**
 * Lintian's overrides for what such a package does on purpose: it installs below /opt, with libraries of its own. Each is written only
 * where it applies, and the project's own lines follow.
 */
import type { DataItem } from './data.ts'

/** Of programs and libraries that are shipped as they were built. */
const BINARIES = [
  'custom-library-search-path',
  'embedded-library',
  'library-not-linked-against-libc',
  'shared-library-is-executable',
  'shared-library-lacks-prerequisites',
  'statically-linked-binary',
  'unstripped-binary-or-object',
] as const

/** Of npm packages as their makers published them: leftovers, programs that `node` runs, binaries for every processor. */
const NODE_MODULES = [
  'binary-from-other-architecture',
  'missing-dep-for-interpreter',
  'package-contains-eslint-config-file',
  'package-contains-npm-ignore-file',
] as const

export interface OverrideFacts {
  readonly package: string
  readonly items: readonly DataItem[]
  /** Whether programs or libraries are among them. */
  readonly hasBinaries: boolean
  /** Whether the changelog has one version only: lintian wants a bug closed that asked Debian for the package. */
  readonly isFirst: boolean
  /** Lines of the configuration: a tag, and what it may be about. */
  readonly own: readonly string[]
}

export function overridesText({ package: name, items, hasBinaries, isFirst, own }: OverrideFacts): string {
  const tags = [
    ...(items.some((i) => i.path.startsWith('opt/')) ? ['dir-or-file-in-opt *'] : []),
    ...(items.some((i) => /^usr\/s?bin\//.test(i.path)) ? ['no-manual-page *'] : []),
    ...(isFirst ? ['initial-upload-closes-no-bugs *'] : []),
    ...(hasBinaries ? BINARIES.map((tag) => `${tag} *`) : []),
  ]
  if (items.some((i) => i.path.includes('/node_modules/')))
    tags.push(...NODE_MODULES.map((tag) => `${tag} *node_modules/*`))
  return [...tags, ...own].map((line) => `${name}: ${line}\n`).join('')
}

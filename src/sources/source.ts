/**
 * The contract of a kind of source: what a recipe writes is resolved once into what is locked, and fetched from that ever after. One
 * file per kind, one line in `index.ts`.
 */
import type { z } from 'zod'
import type { Source } from '../recipe.ts'

export interface SourceContext {
  /** Absolute folder of the project: relative paths start there. */
  readonly projectDir: string
  /** Absolute folder for downloads that outlive a build. */
  readonly cache: string
  readonly signal: AbortSignal
  /** Says what is being done. */
  readonly log: (text: string) => void
}

export interface SourceKind<S extends Source, L> {
  /** The key that names the kind in a recipe. */
  readonly key: string
  /** Whether a source is of this kind. */
  is(source: Source): source is S
  /** Shape of a lock entry's own fields. */
  readonly locked: z.ZodType<L>
  /** Finds out which bytes are meant now. Rejects with reason `build` when they are not to be had. */
  resolve(source: S, context: SourceContext): Promise<L>
  /** Whether an entry can be of this source: somebody may have changed one of the two by hand. */
  fits(source: S, locked: L): boolean
  /** Puts exactly those bytes, unpacked, into the empty folder `to`. Rejects with reason `build` saying what was received instead. */
  fetch(source: S, locked: L, to: string, context: SourceContext): Promise<void>
  /** What identifies the bytes, for the key of a cached result. */
  digest(locked: L): string
  /** Version that the lock tells, for components without one of their own. */
  version(locked: L): string | undefined
  /** Package URL of what was locked. */
  purl(locked: L): string | undefined
  /** What was taken from outside of the project, one for each file or commit that was locked. */
  materials(source: S, locked: L): readonly Material[]
}

/** Something a build was made from, as provenance names it. */
export interface Material {
  /** URL or package URL, without credentials and queries; undefined for what lies on this machine. */
  readonly uri: string | undefined
  /** Algorithm (`sha256`, `sha512`, `gitCommit`) -> hexadecimal. */
  readonly digest: Readonly<Record<string, string>>
}

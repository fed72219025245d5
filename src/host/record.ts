/** What a host keeps in writing of each release. */
import type { Version } from '../version.ts'

/**
 * staged: complete and checked on the host. live: switched to, not yet through its gate. verified: went through its gate;
 * only these are rollback targets and use up `keep`. failed: its gate or hooks failed and it was put back. bad: was verified,
 * then somebody rolled back from it.
 */
export type ReleaseState = 'staged' | 'live' | 'verified' | 'failed' | 'bad'

/** `.ship/releases/<version>.json`: one line of JSON, written by a rename. */
export interface ReleaseRecord {
  readonly schema: 1
  readonly version: Version
  /** Digest of the bundle's manifest. The same version with another digest is refused. */
  readonly digest: string
  readonly state: ReleaseState
  /** Order in which releases of this host became live, counted by ship; clocks and mtimes order nothing. 0 until live. */
  readonly seq: number
  /** Where `current` pointed before this release was switched to; null when there was nothing. */
  readonly previous: string | null
  /** The last point of no return on the way to this release, on this host; its own when `seq` is that of this record. */
  readonly noReturn?: NoReturn | undefined
  /** Never pruned while true. */
  readonly pinned: boolean
  /** Links into shared/ that were laid over the tree: paths relative to the release. */
  readonly shared: readonly string[]
  readonly by: string
  readonly run: string
  /** URL of the CI run, when there is one. */
  readonly url?: string | undefined
  readonly commit?: string | undefined
  /** Client's clock, ISO 8601, for people. */
  readonly stagedAt: string
  readonly liveAt?: string | undefined
  readonly verifiedAt?: string | undefined
  /** The package that it is, where packages are released: kept in `.ship/debs/<version>.deb`, the record beside it. */
  readonly deb?: DebFile | undefined
}

/** A .deb, by what it says of itself and by its bytes. */
export interface DebFile {
  readonly package: string
  /** Debian's version: "1.4.2-1". */
  readonly version: string
  readonly sha256: string
  readonly sizeBytes: number
}

/** A hook ran whose work cannot be taken back: releases that became live before are not gone back to unless somebody insists. */
export interface NoReturn {
  readonly hook: string
  readonly version: Version
  /** Place of that release in the order of this host. */
  readonly seq: number
}

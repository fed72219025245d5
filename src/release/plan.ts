/**
 * A plan is data: what a run will do on each host, made from the hosts' observed state. Release, rollback and resume are
 * plans for one transaction; `ship plan` prints what `ship release` runs.
 */
import type { AppName, HostName } from '../names.ts'
import type { Version } from '../version.ts'

export interface HostPlan {
  readonly host: HostName
  /**
   * stage: send and switch. reuse: already staged with the same bytes; check and switch. resume: already switched to by a
   * run that died before its gate; gate only. none: already live and verified.
   */
  readonly action: 'stage' | 'reuse' | 'resume' | 'none'
  /** Why this action, for people: "not on this host", "staged by run 7f3a". */
  readonly why: string
  /** Where `current` points now; null when there is none. */
  readonly from: string | null
  readonly fromVersion: Version | undefined
  /** Where `current` is put back to on failure: `from`, or the last verified release when `from` never passed its gate. */
  readonly back: string | null
  /** Files of the release against the live one; undefined when the live one's manifest is not known. */
  readonly changes:
    | { readonly added: number; readonly changed: number; readonly removed: number; readonly bytes: number }
    | undefined
  /** Content bytes to unpack on the host; 0 unless action is stage. */
  readonly treeBytes: number
  /** Links into shared/ that will be laid. */
  readonly links: readonly string[]
  /** Titles of hooks in the order they run here, by point. */
  readonly hooks: readonly { readonly point: string; readonly title: string }[]
  readonly gates: readonly string[]
  readonly prune: readonly Version[]
}

export interface Plan {
  readonly schema: 1
  readonly kind: 'release' | 'rollback'
  readonly app: AppName
  readonly environment: string
  readonly target: Version
  /** Digest of the bundle's manifest; of the recorded release for a rollback. */
  readonly digest: string
  /** Digest of the host states that the plan was made from. */
  readonly observed: string
  /** In the fixed order of locking: by name. */
  readonly hosts: readonly HostPlan[]
  /** Hosts that switch together, in order. */
  readonly waves: readonly (readonly HostName[])[]
}

/**
 * One `deployTo` on one host: the protocol between ship and a host, and what a host's state is.
 *
 * Every verb is idempotent and re-entrant; state is read from the host, never remembered. Verbs that change what is visible
 * take a lease, and the host itself checks it: the thing that is renamed into place lies *inside* the lock holder's own folder
 * (`.ship/lock/<token>/`), so when another run took the lock over, that path is gone and the rename fails. Check and act are
 * one rename(2); no late ghost can slip between them.
 *
 * All answers come in frames with a random marker and an end frame: end of input is not success.
 */
import type { Readable } from 'node:stream'
import type { Token } from '../names.ts'
import type { Runner } from '../runner.ts'
import type { Host } from '../transport/transport.ts'
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
}

/** Who holds or held the lock: `.ship/lock/<token>/owner`, one line of JSON. */
export interface Owner {
  readonly schema: 1
  readonly token: Token
  readonly run: string
  readonly user: string
  /**
   * Host name of the client, its boot id with its pid namespace (a pid means something only there), process id and that process's
   * start time, so that a dead run of the same machine is recognised at once.
   */
  readonly client: { readonly host: string; readonly bootId: string; readonly pid: number; readonly startTime: string }
  /** "release 1.4.2", "rollback 1.4.1". */
  readonly doing: string
  readonly url?: string | undefined
  readonly since: string
}

export interface LockState {
  readonly owner: Owner
  /** Seconds since the last heartbeat, by the host's own uptime. Infinity when the host was rebooted since. */
  readonly silentSeconds: number
  /** True when silent for longer than the lease or when the host was rebooted. */
  readonly expired: boolean
}

/** What `current` is. A `link` with `version` points at `releases/<version>` and that folder exists. */
export type Current =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'link'
      readonly target: string
      readonly version: Version | undefined
      readonly dangling: boolean
    }
  | { readonly kind: 'obstacle'; readonly what: 'directory' | 'file' }

export interface HostState {
  readonly current: Current
  /** Releases with a record and a folder, in the order of `seq` (0 first), then version. */
  readonly releases: readonly ReleaseRecord[]
  /** Names in releases/ that ship has no record of (another tool's, or an interrupted prune); never touched. */
  readonly foreign: readonly string[]
  readonly lock: LockState | undefined
  /** Names of shared files asked about that do not exist. */
  readonly missingShared: readonly string[]
  readonly disk: { readonly freeBytes: number; readonly freeInodes: number | undefined }
  readonly tools: {
    readonly zstd: boolean
    readonly gzip: boolean
    readonly sha256sum: boolean
    readonly tar: boolean
    readonly mvT: boolean
  }
  /** Seconds since 1970 by the host's clock. */
  readonly clock: number
  /** `uname -s -m`, for example "Linux x86_64". */
  readonly platform: string
  /** Undefined when ship may write where it must; else the sentence that says what is in the way. */
  readonly notWritable: string | undefined
  /** releases/ and .ship/ are on one file system, so that a rename is one step. */
  readonly oneFileSystem: boolean
}

/** A held lock. `signal` aborts with a ShipError `locked` when the host no longer knows the token or the lease ran out unrenewed. */
export interface Lease {
  /** Another one after `fence`. */
  readonly token: Token
  readonly signal: AbortSignal
}

interface LockOptions {
  /** How long a silent holder is still believed, seconds. The heartbeat comes three times as often. */
  readonly leaseSeconds: number
  /** Takes the lock over from this token instead of failing; only succeeds while that token still holds it. */
  readonly takeOver?: Token | undefined
  readonly signal: AbortSignal
}

/** What a release's tree must be, sent ahead of the tree in the same stream; its digest goes as an argument. */
interface StageSpec {
  readonly version: Version
  readonly record: ReleaseRecord
  readonly sharedDirs: readonly string[]
  /** Files that must exist in shared/ and are linked. */
  readonly sharedFiles: readonly string[]
  /** Bytes the unpacked tree takes, for the last look at the disk. */
  readonly treeBytes: number
  readonly entries: number
  /** Name of the folder in the payload that becomes the release. */
  readonly tree: string
  /** sha256 of the check list at the head of the payload: nothing in the stream vouches for itself. */
  readonly checksDigest: string
}

/** A tree packed for a host: one compressed tar stream holding the check list, the manifest and the tree. */
interface Payload {
  readonly compression: 'gzip' | 'zstd'
  readonly sizeBytes: number
  /** A new stream from the start; every host gets its own. */
  open(): Readable
}

interface VerbOptions {
  readonly signal: AbortSignal
}

/** A file of a release that is not what its manifest says. */
export interface Drift {
  readonly path: string
  readonly problem: 'missing' | 'changed' | 'added' | 'mode'
}

export interface HostSession {
  readonly host: Host
  /** False once the connection is gone: open a new session then; leases stay valid, for they live on the host. */
  readonly connected: boolean
  /** Reads the whole state in one round trip. `sharedFiles` are looked for in shared/. */
  probe(question: { readonly sharedFiles: readonly string[] }, options: VerbOptions): Promise<HostState>
  /**
   * Takes the lock, clears what dead runs left in `.ship`, starts the heartbeat and reads the state again, in one round trip.
   * Rejects with reason `locked` naming the owner.
   */
  lock(
    owner: Owner,
    question: { readonly sharedFiles: readonly string[] },
    options: LockOptions,
  ): Promise<{ readonly lease: Lease; readonly state: HostState }>
  /**
   * Gives a held lock a new token and reads the state, in one round trip. Whatever was started under the old token and may still be
   * running on the host (a switch whose answer never came) can change nothing any more. The lease goes on with the new token.
   */
  fence(lease: Lease, options: VerbOptions): Promise<HostState>
  /**
   * Unpacks a payload into `.ship/incoming/<token>`, checks every entry against the check list, lays the shared links, syncs,
   * writes the record (a record without a folder is no release), renames to `releases/<version>`, syncs. After it the release is
   * complete and durable; killed anywhere, there is either no release or a whole one with its record.
   */
  stage(
    payload: Payload,
    spec: StageSpec,
    lease: Lease,
    options: VerbOptions & { readonly onProgress?: (sentBytes: number) => void },
  ): Promise<void>
  /** Checks a release that is already staged, file by file, against its own manifest on the host. Empty: whole. */
  drift(version: Version, options: VerbOptions): Promise<readonly Drift[]>
  /** Removes a staged release that is not live (drifted, or about to be staged anew). */
  discard(version: Version, lease: Lease, options: VerbOptions): Promise<void>
  /**
   * Points `current` at `target` by one rename, durable when it resolves. `target` null takes `current` away. `expected` is what
   * `current` must be before (null: absent); anything else is refused. `record`, when given, is written before the rename.
   */
  switchTo(
    target: string | null,
    lease: Lease,
    options: VerbOptions & { readonly expected: string | null; readonly record?: ReleaseRecord },
  ): Promise<void>
  /** Writes records and appends one history line; never fails for lack of space, but resolves with what could not be written. */
  mark(
    records: readonly ReleaseRecord[],
    history: HistoryLine | undefined,
    lease: Lease,
    options: VerbOptions,
  ): Promise<{ readonly problem: string | undefined }>
  /** Removes releases; resolves with those that stayed and why (in use by a process, no right). Never the live one. */
  prune(
    versions: readonly Version[],
    lease: Lease,
    options: VerbOptions,
  ): Promise<{
    readonly kept: readonly { readonly version: Version; readonly why: string }[]
    readonly freedBytes: number
  }>
  /** Stops the heartbeat and gives the lock back, if it is still ours. */
  unlock(lease: Lease, options: VerbOptions): Promise<void>
  /** The last lines of the journal, oldest first. */
  history(limit: number, options: VerbOptions): Promise<readonly HistoryLine[]>
  /** Text of a release's manifest as it lies on the host; undefined when there is none. It is data of unknown origin. */
  manifest(version: Version, options: VerbOptions): Promise<string | undefined>
  /** Runs a program in `deployTo` or below it. */
  readonly run: Runner
  dial: (address: string, port: number, signal: AbortSignal) => Promise<import('node:stream').Duplex>
  /** A session over a new connection, for a host whose connection was lost. Leases go on, kept alive through the new one. */
  reopen(options: VerbOptions): Promise<HostSession>
  close(): Promise<void>
}

/** One line of `.ship/history.ndjson`. */
export interface HistoryLine {
  readonly schema: 1
  readonly at: string
  readonly run: string
  readonly by: string
  readonly action: 'release' | 'rollback' | 'put-back' | 'pin' | 'unpin' | 'prune' | 'unlock'
  readonly version: string | null
  readonly from: string | null
  readonly outcome: 'ok' | 'failed'
  readonly digest?: string | undefined
  readonly url?: string | undefined
  readonly note?: string | undefined
}

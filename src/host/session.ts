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
import type { Token } from '../names.ts'
import type { Program, Runner, RunOptions, RunResult } from '../runner.ts'
import type { Host } from '../transport/transport.ts'
import type { Version } from '../version.ts'
import type { HistoryLine } from './history-line.ts'
import type { HostState, Owner } from './host-state.ts'
import type { Payload } from './payload.ts'
import type { ReleaseRecord } from './record.ts'
import type { WayBack } from './way-back.ts'

export type { DebFile, NoReturn, ReleaseRecord, ReleaseState } from './record.ts'
export type { HistoryLine } from './history-line.ts'
export type { Current, HostState, LockState, Owner } from './host-state.ts'

/** A held lock. `signal` aborts with a ShipError `locked` when the host no longer knows the token or the lease ran out unrenewed. */
export interface Lease {
  /** Another one after `fence`. */
  readonly token: Token
  readonly signal: AbortSignal
}

/** What `stage` will probably be asked to put a release together from. */
export interface CopyAhead {
  readonly base: Version
  /** As in `StageSpec`. */
  readonly tree: string
  readonly reuse: 'copy' | 'hardlink'
}

interface LockOptions {
  /** How long a silent holder is still believed, seconds. The heartbeat comes three times as often. */
  readonly leaseSeconds: number
  /** Takes the lock over from this token instead of failing; only succeeds while that token still holds it. */
  readonly takeOver?: Token | undefined
  /** The host may begin to copy this when it has the lock, and need not. What comes of it is checked by `stage` like the rest. */
  readonly copy?: CopyAhead | undefined
  readonly signal: AbortSignal
}

/** What a release's tree must be, sent ahead of the tree in the same stream; its digest goes as an argument. */
export interface StageSpec {
  readonly version: Version
  readonly record: ReleaseRecord
  readonly sharedDirs: readonly string[]
  /** Files that must exist in shared/ and are linked. */
  readonly sharedFiles: readonly string[]
  /** Bytes the unpacked tree takes, for the last look at the disk. */
  readonly treeBytes: number
  /** What is free on the host's disk. */
  readonly freeBytes: number
  readonly entries: number
  /** Name of the folder in the payload that becomes the release. */
  readonly tree: string
  /** How files of the base are taken over: as new files, or as a second name for the same one. */
  readonly reuse: 'copy' | 'hardlink'
  /** sha256 of the check list at the head of the payload: nothing in the stream vouches for itself. */
  readonly checksDigest: string
  /** How much is read back where the host cannot hash by itself; where it can, everything is hashed there. Default `sample`. */
  readonly verify?: Depth | undefined
}

/** `full`: the content of every file. `sample`: sizes, modes and times of all, and the content of what is suspect; see the verbs. */
export type Depth = 'full' | 'sample'

type VerbOptions = { readonly signal: AbortSignal }

/** A file of a release that is not what its manifest says. */
export interface Drift {
  readonly path: string
  readonly problem: 'missing' | 'changed' | 'added' | 'mode'
}

/** What a probe looks for beside the state itself. */
export interface ProbeQuestion {
  /** Looked for in shared/. */
  readonly sharedFiles: readonly string[]
}

/** The state and nothing else. */
export const STATE: ProbeQuestion = { sharedFiles: [] }

export interface HostSession {
  readonly host: Host
  /** False once the connection is gone: open a new session then; leases stay valid, for they live on the host. */
  readonly connected: boolean
  /** Reads the whole state in one round trip. */
  probe(question: ProbeQuestion, options: VerbOptions): Promise<HostState>
  /**
   * Takes the lock, clears what dead runs left in `.ship`, starts the heartbeat and reads the state again, in one round trip.
   * Rejects with reason `locked` naming the owner.
   */
  lock(
    owner: Owner,
    question: ProbeQuestion,
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
    options: VerbOptions & {
      /** Bytes that the host has of payloads by their ids, as its state says; only the rest is sent. */
      readonly partial?: ReadonlyMap<string, number>
      /** Called with the bytes that the host has, those before a cut and all of the files in `near` included, and how many there are. */
      readonly onProgress?: (sentBytes: number, totalBytes: number) => void
      /** Called with the bytes that rsync sent ahead of the payload. */
      readonly onPushed?: (sentBytes: number) => void
    },
  ): Promise<void>
  /**
   * Checks a release that is already staged, file by file, against its own manifest on the host. Empty: whole. A `sample` (default
   * `full`) reads no content where the host can tell that no inode changed since all of it was checked; where it cannot hash by itself,
   * a part is read back. The shared paths of its record are no part of it.
   */
  drift(
    release: Pick<ReleaseRecord, 'version' | 'shared'>,
    options: VerbOptions & { readonly depth?: Depth | undefined },
  ): Promise<readonly Drift[]>
  /** Removes a staged release that is not live (drifted, or about to be staged anew). */
  discard(version: Version, lease: Lease, options: VerbOptions): Promise<void>
  /**
   * Points `current` at `target` by one rename, durable when it resolves. Of packages: installs that of `target`, and its scripts do so. `target` null takes `current` away. `expected` is what
   * `current` must be before (null: absent); anything else is refused. `record`, when given, is written before the rename. `next` is what
   * `run` will be asked for next: it may begin as soon as the host has switched, a round trip sooner.
   */
  switchTo(
    target: string | null,
    lease: Lease,
    options: VerbOptions & {
      readonly expected: string | null
      readonly record?: ReleaseRecord | undefined
      readonly next?: Program | undefined
    },
  ): Promise<void>
  /**
   * Starts a guard on the host that goes back by itself when it hears nothing for a while, whatever became of the connection and of this
   * process. It hears of us while this session lives, until the lock gets another holder, a new token of ours too (`fence`, `renew`).
   */
  arm(wayBack: WayBack, lease: Lease, options: VerbOptions): Promise<void>
  /**
   * Does what `fence` does, over a new connection, and gives the session of that one; the old one is closed. When it rejects, the old one
   * goes on. Rejects with reason `locked` when the guard was first.
   */
  renew(lease: Lease, options: VerbOptions): Promise<HostSession>
  /**
   * Writes records and appends one history line; never fails for lack of space, but resolves with what could not be written. `unlock`
   * gives the lock back in the same round trip.
   */
  mark(
    records: readonly ReleaseRecord[],
    history: HistoryLine | undefined,
    lease: Lease,
    options: VerbOptions & { readonly unlock?: boolean | undefined },
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
  /** Stops the heartbeat and gives the lock back, if it is still ours. One that was given back before is none. */
  unlock(lease: Lease, options: VerbOptions): Promise<void>
  /** The last lines of the journal, oldest first. */
  history(limit: number, options: VerbOptions): Promise<readonly HistoryLine[]>
  /** Text of a release's manifest as it lies on the host; undefined when there is none. It is data of unknown origin. */
  manifest(version: Version, options: VerbOptions): Promise<string | undefined>
  /** Runs a program in `deployTo` or below it. */
  readonly run: Runner
  /**
   * The same, remembered on the host under a key until `forget` when it ended with 0, even if nobody here learns of it. One that a dead
   * run left running is waited for; what was done is not done again, and ends with 0 and no output.
   */
  runOnce(argv: readonly string[], key: string, lease: Lease, options: RunOptions): Promise<RunResult>
  /** Remembers under a key what was done elsewhere. */
  remember(key: string, lease: Lease, options: VerbOptions): Promise<void>
  /** Forgets all that is remembered. */
  forget(lease: Lease, options: VerbOptions): Promise<void>
  dial: (address: string, port: number, signal: AbortSignal) => Promise<import('node:stream').Duplex>
  /** A session over a new connection, for a host whose connection was lost. Leases go on, kept alive through the new one. */
  reopen(options: VerbOptions): Promise<HostSession>
  close(): Promise<void>
}

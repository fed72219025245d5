/** What a host answers when it is asked how it is. */
import type { Token } from '../names.ts'
import type { Version } from '../version.ts'
import type { DebState } from './deb-state.ts'
import type { ReleaseRecord } from './record.ts'

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
  /** Those among them whose records a newer ship wrote, in a form that this one does not know. */
  readonly newer?: readonly string[]
  readonly lock: LockState | undefined
  /** Names of shared files asked about that do not exist. */
  readonly missingShared: readonly string[]
  /** Bytes of payloads that came before a cut, by the payload's id. They are believed as little as what is sent. */
  readonly partial: ReadonlyMap<string, number>
  /** Keys of what `runOnce` did here in runs that did not get to their end. */
  readonly done: ReadonlySet<string>
  readonly disk: { readonly freeBytes: number; readonly freeInodes: number | undefined }
  readonly tools: {
    readonly zstd: boolean
    readonly gzip: boolean
    readonly sha256sum: boolean
    readonly tar: boolean
    readonly mvT: boolean
    /** What else the scripts cannot do without and is not there. */
    readonly lacks?: readonly string[]
    /** False when nothing can be copied on the host, so that every release is sent whole. */
    readonly copy?: boolean
    /** Files can be sent by their differences: rsync is there, here, and may be used. */
    readonly rsync?: boolean
  }
  /** Seconds since 1970 by the host's clock; 0 when it was not asked, as under the lock. */
  readonly clock: number
  /** `uname -s -m`, for example "Linux x86_64"; empty when the host cannot be asked, or was not, as under the lock. */
  readonly platform: string
  /** Undefined when ship may write where it must; else the sentence that says what is in the way. */
  readonly notWritable: string | undefined
  /** Why nothing can be staged, though a switch between what is there could be made. */
  readonly closed?: string | undefined
  /** releases/ and .ship/ are on one file system, so that a rename is one step. */
  readonly oneFileSystem: boolean
  /** Set where the app is there in the other form: as a package where archives are released, as unpacked archives where packages are. */
  readonly otherForm?: string | undefined
  /** What dpkg says, on a host that gets packages. */
  readonly deb?: DebState | undefined
  /** Set for a host that gives its files by SFTP and runs nothing: what cannot be promised there, one clause each. */
  readonly withoutShell?: readonly string[] | undefined
}

/**
 * Bytes and commands to one host: the contract that `local`, `sftp` and `rsync` fulfil. A transport knows nothing of releases.
 */
import type { Duplex, Readable } from 'node:stream'
import type { SFTPWrapper } from 'ssh2'
import type SftpClient from 'ssh2-sftp-client'
import type { HostName } from '../names.ts'
import type { RunResult } from '../runner.ts'
import type { Script } from '../shell.ts'
import type { TransportName } from './index.ts'

/** One host as the configuration describes it, ranges expanded and defaults merged. */
export interface Host {
  /** Unique in its environment; what output and `--hosts` use. */
  readonly name: HostName
  /** Address given to ssh (an alias of ~/.ssh/config is fine). Unused by `local`. */
  readonly address: string
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly identityFile?: string | undefined
  /** File of known host keys used instead of the user's. */
  readonly knownHosts?: string | undefined
  /** Host keys pinned in the configuration: "ssh-ed25519 AAAA..." lines or "SHA256:..." fingerprints. */
  readonly hostKey?: readonly string[] | undefined
  readonly proxyJump?: string | undefined
  readonly roles: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** Added to the environment of hooks and exec gates on this host. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute folder that holds current, releases, shared and .ship. */
  readonly deployTo: string
  /** `auto`: `sftp`, unless the user's ssh configuration asks for what only OpenSSH can do. */
  readonly transport: 'auto' | TransportName
  /** Set where a release is a .deb that is installed, not a tree that is unpacked. */
  readonly deb?: DebTarget | undefined
}

/** How packages get on a host. */
export interface DebTarget {
  /** Name of the package; its folder is `deployTo`. */
  readonly package: string
  /** How long dpkg's lock is waited for, when somebody else holds it. */
  readonly lockMs: number
  /** Longest time for apt-get. */
  readonly installMs: number
  /** Longest time for a switch with all that belongs to it. */
  readonly switchMs: number
}

export interface ExecOptions {
  /** Fed to the script and ended; without it the script reads an empty input. */
  readonly stdin?: Readable | undefined
  /** Aborting closes the channel or ends the process and rejects with the signal's reason. */
  readonly signal: AbortSignal
  readonly timeoutMs?: number | undefined
  readonly onStdout?: ((chunk: Buffer) => void) | undefined
  readonly onStderr?: ((chunk: Buffer) => void) | undefined
  /** How often a channel is asked for where the host has no room for one more. Default: for some seconds. */
  readonly tries?: number | undefined
  /** Kept of stdout and stderr each. Default 1 MiB; more is dropped and `truncated` set. */
  readonly maxOutputBytes?: number | undefined
}

/** The files of a host over SFTP: the same channel, by the library's methods and request by request. */
export interface FileChannel {
  readonly library: SftpClient
  readonly requests: SFTPWrapper
  /** Aborts with a ShipError of reason `unreachable` when the connection is gone. */
  readonly lost: AbortSignal
}

/** Files of this machine that the host has like ones of. */
export interface PushedFiles {
  /** Absolute folder here, and the files in it. */
  readonly folder: string
  readonly paths: readonly string[]
  /** Absolute folder of the host where they go, under the same paths; its parent exists. */
  readonly to: string
  /** Absolute folder of the host whose files of the same paths are like them. */
  readonly near: string
}

export interface PushOptions {
  readonly signal: AbortSignal
  readonly bytesPerSecond?: number | undefined
  /** Called with the bytes of the files that are done, whether they were sent or found there. */
  readonly onProgress?: ((doneBytes: number) => void) | undefined
}

export interface Transport {
  readonly host: Host
  /**
   * Runs a script by the host's `sh`. Resolves with how it ended, whatever the code. Rejects with a ShipError of reason
   * `unreachable` when the connection is lost before the exit status came: then nobody knows how far the script got.
   */
  exec(script: Script, options: ExecOptions): Promise<RunResult>
  /** What became of the script that was sent with the login; undefined when none was. */
  readonly first?: Promise<RunResult> | undefined
  /** A TCP connection from the host to an address it can reach, for gates. Rejects when the host refuses to forward. */
  dial(address: string, port: number, signal: AbortSignal): Promise<Duplex>
  /** Content of a file, at most `maxBytes` (more is an error); undefined when there is none. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>
  /**
   * Puts files on the host, sending only how they differ from like ones there; resolves with the bytes that were sent. Undefined for a
   * transport that cannot. What arrived is not vouched for. Rejects with reason `unreachable` when the connection is lost, and with step
   * `rsync` when the host, or its rsync, does not play along.
   */
  readonly push?: ((files: PushedFiles, options: PushOptions) => Promise<number>) | undefined
  /** The host's files by SFTP over the same connection; undefined for a transport that has none. Rejects when the host refuses. */
  readonly files?: (() => Promise<FileChannel>) | undefined
  /** False once the connection is gone; a new transport is needed then. */
  readonly connected: boolean
  /** Whether what is sent on several channels at once comes sooner: each of them has a window of its own. */
  readonly wide?: boolean | undefined
  /** Whether the server trips when a script begins while another one ends: see `mayHaveSpares`. */
  readonly oneByOne?: boolean | undefined
  /** Whether the host admits few scripts at once, as far as is known: none begins there that nobody waits for. */
  readonly crowded?: boolean | undefined
  close(): Promise<void>
}

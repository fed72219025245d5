/**
 * Bytes and commands to one host: the contract that `local` and `sftp` fulfil. A transport knows nothing of releases.
 */
import type { Duplex, Readable } from 'node:stream'
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
  readonly transport: TransportName
}

export interface ExecOptions {
  /** Fed to the script and ended; without it the script reads an empty input. */
  readonly stdin?: Readable | undefined
  /** Aborting closes the channel or ends the process and rejects with the signal's reason. */
  readonly signal: AbortSignal
  readonly timeoutMs?: number | undefined
  readonly onStdout?: ((chunk: Buffer) => void) | undefined
  /** Kept of stdout and stderr each. Default 1 MiB; more is dropped and `truncated` set. */
  readonly maxOutputBytes?: number | undefined
}

export interface Transport {
  readonly host: Host
  /**
   * Runs a script by the host's `sh`. Resolves with how it ended, whatever the code. Rejects with a ShipError of reason
   * `unreachable` when the connection is lost before the exit status came: then nobody knows how far the script got.
   */
  exec(script: Script, options: ExecOptions): Promise<RunResult>
  /** A TCP connection from the host to an address it can reach, for gates. Rejects when the host refuses to forward. */
  dial(address: string, port: number, signal: AbortSignal): Promise<Duplex>
  /** Content of a file, at most `maxBytes` (more is an error); undefined when there is none. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>
  /** False once the connection is gone; a new transport is needed then. */
  readonly connected: boolean
  close(): Promise<void>
}

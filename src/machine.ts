/**
 * What a program sees of a machine: this one or one over SSH, by one interface. `connect` and `local` of the public API make it, and
 * functions of tasks are given it.
 */
import type { Readable } from 'node:stream'
import type { RunResult } from './runner.ts'

/** What stands in `${...}` of a command: one argument each; a list is as many arguments as it has items. */
export type CommandValue = string | number | bigint | boolean | readonly (string | number | bigint | boolean)[]

export interface CommandOptions {
  /** Folder to run in; relative to the login folder, or to this process's folder on this machine. Default: that folder itself. */
  readonly cwd?: string | undefined
  /** Added to the program's environment. They travel as input, never as arguments, so that no list of processes shows them. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The same, and their values are shown as `***` in output and errors. The result itself holds what the program printed. */
  readonly secrets?: Readonly<Record<string, string>> | undefined
  /** Fed to the program; without it the input is empty. */
  readonly stdin?: string | Uint8Array | Readable | undefined
  /** Above this the program is ended with all it started, and the error has kind `timeout`. No value: no limit. */
  readonly timeoutMs?: number | undefined
  /** Aborting ends the program (TERM, then KILL) and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Gets each line as it comes, without its end. */
  readonly onOutput?: ((line: string, stream: 'stdout' | 'stderr') => void) | undefined
  /** False: resolves whatever the exit code or signal was. Default true. */
  readonly check?: boolean | undefined
  /** Kept of stdout and of stderr each; what is above is dropped and `truncated` is true. Default 16 MiB. */
  readonly maxOutputBytes?: number | undefined
}

/** A command: fixed text for `sh`, whose values are quoted by themselves and are never part of the text. */
export type CommandTag = (text: TemplateStringsArray, ...values: readonly CommandValue[]) => Promise<RunResult>

/**
 * Runs a program to its end.
 *
 * - host.run`apt-get -y install ${packages}`: text for `sh`; each value is one argument, a list as many as it has items.
 * - host.run({ cwd: '/srv' })`ls ${folder}`: the same with options.
 * - host.run(['ls', '-l', folder], { cwd: '/srv' }): a program and its arguments, with no shell.
 *
 * Rejects with a HostError whose `kind` says how it failed, with a ShipError of reason `usage` for what cannot be a command, and with the
 * reason of `signal` when that was aborted.
 */
export interface RunCommand extends CommandTag {
  (options: CommandOptions): CommandTag
  (argv: readonly string[], options?: CommandOptions): Promise<RunResult>
}

export interface FileOptions {
  /** Permission bits, for example 0o600. Default: those of the file that is replaced, else 0o644 (of the source for `upload`). */
  readonly mode?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Machine {
  /** `user@host:port` as it was given; `local` for this machine; the name of the configuration in tasks. */
  readonly name: string
  /** False once the connection is gone; `connect` again then. */
  readonly connected: boolean
  readonly run: RunCommand
  /** Puts a file of this machine there, whole or not at all: under another name first, then renamed. A link is followed. */
  upload(from: string, to: string, options?: FileOptions): Promise<void>
  /** Brings a file here, whole or not at all. The mode is that of the file there unless one is given. */
  download(from: string, to: string, options?: FileOptions): Promise<void>
  /** The content of a file, at most `maxBytes` (default 64 MiB; more is an error). */
  read(
    path: string,
    options?: { readonly maxBytes?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<Buffer>
  /** Writes a file, whole or not at all, as `upload` does. A reader sees the old content or the new one. */
  write(path: string, content: string | Uint8Array, options?: FileOptions): Promise<void>
  /** Whether there is anything of this name: a file, a folder, a link that may lead nowhere. */
  exists(path: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<boolean>
  /** The same machine over the same connection, whose commands have these options unless they say otherwise; `env` and `secrets` add up. */
  with(defaults: CommandOptions): Machine
  /** Ends the connection. What still runs there is not ended. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** What a task's function is told besides its host. */
export interface TaskContext {
  readonly task: string
  readonly app: string
  readonly environment: string
  /** The host as configured; undefined for a local task. */
  readonly host:
    | {
        readonly name: string
        readonly roles: readonly string[]
        readonly labels: Readonly<Record<string, string>>
        readonly deployTo: string
      }
    | undefined
  /** What stood behind the task's name on the command line. */
  readonly args: readonly string[]
  /** Absolute folder of the project. */
  readonly projectDir: string
  readonly signal: AbortSignal
  /** Shows a line as output of the task. */
  log(line: string): void
}

/** A task as a function: `host` runs commands in the task's folder with its environment. A string it returns is shown as its note. */
export type TaskFunction = (host: Machine, context: TaskContext) => unknown

/** The shape of running a program, the same here and on a host, so that gates and hooks know no transport. */

export interface RunOptions {
  readonly cwd?: string | undefined
  /** Added to the environment of the program. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Above this the program is ended and `timedOut` is true. No value: no limit. */
  readonly timeoutMs?: number | undefined
  /** Aborting ends the program (TERM, then KILL) and rejects with the signal's reason. */
  readonly signal: AbortSignal
  /** Gets output as it comes, already decoded; for logs. */
  readonly onOutput?: ((text: string) => void) | undefined
  /** Kept of stdout and of stderr each; what is above is dropped and `truncated` is true. Default 1 MiB. */
  readonly maxOutputBytes?: number | undefined
}

/** A program and what it is run with. */
export interface Program extends Pick<RunOptions, 'cwd' | 'env' | 'maxOutputBytes'> {
  readonly argv: readonly string[]
}

/** How a program ended. `code` is null when a signal ended it. Rejections are only: could not start, aborted, connection lost. */
export interface RunResult {
  readonly code: number | null
  readonly signal?: string | undefined
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
  readonly truncated: boolean
  readonly durationMs: number
}

/** Runs one program by its argument list; no shell unless argv[0] is one. */
export type Runner = (argv: readonly string[], options: RunOptions) => Promise<RunResult>

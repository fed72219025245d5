/** What every style of output is to the rest, and what it gets: streams, colours, the clock. */
import type { Emit, HostOutcome } from '../events.ts'
import type { Style } from './style.ts'

/** A text stream that knows whether it is a terminal. */
export interface Out {
  write(text: string): void
  readonly isTTY: boolean
  readonly columns: number
}

export interface Screen {
  readonly out: Out
  readonly err: Out
  /** For the answer on stdout, and for progress and errors on stderr. */
  readonly outStyle: Style
  readonly errStyle: Style
  readonly verbose: boolean
  readonly now: () => number
}

/** What an answer is drawn for. `width` is Infinity unless stdout is a terminal. */
export interface View {
  readonly style: Style
  readonly width: number
  readonly now: number
}

/** How a command ended. Text goes to stdout, the error to stderr; with `--json` all of it is one event. */
export interface Ending {
  readonly command: string
  readonly exitCode: number
  readonly text?: ((view: View) => readonly string[]) | undefined
  readonly data?: unknown
  readonly error?: unknown
  readonly hosts?: readonly HostOutcome[] | undefined
  /** File with all that a failed run said. */
  readonly log?: string | undefined
  /** Commands that usually come next. */
  readonly next?: readonly string[] | undefined
}

export interface Renderer {
  readonly emit: Emit
  /** Resolves when nothing is being drawn any more, so that a prompt or an answer can be written. Later events draw anew. */
  settle(): Promise<void>
  /** Settles, then writes the answer and the error. */
  end(ending: Ending): Promise<void>
  /** At once, for a forced exit: leaves the terminal usable. */
  abandon(): void
}

/**
 * What a command is: a name and its words for the help, and a module that is loaded only when it runs. A command turns flags into
 * one call of the domain and its result into an answer; it prints nothing itself.
 */
import type { HostOutcome } from '../events.ts'
import type { Io } from '../io.ts'
import type { Prompts } from '../ui/prompt.ts'
import type { View } from '../ui/renderer.ts'

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** More, for the command's own help. Lines are kept. */
  readonly about?: string
  readonly group: 'Build' | 'Release' | 'Look' | 'Keep house'
  /** In order; `[name]` may be left out, `<name>` may not. */
  readonly args?: readonly { readonly name: `[${string}]` | `<${string}>`; readonly summary: string }[]
  readonly options?: readonly OptionSpec[]
  /** Command lines, each with what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[]
  /** Exit codes worth knowing besides 0, 1, 2 and those of signals. */
  readonly exits: readonly number[]
  /** Shows output of programs as it comes, which a live list would tear: plain lines instead. */
  readonly streams?: boolean
  /** All that it says is kept in a file, which is named when it fails. */
  readonly logged?: boolean
  /** A command that goes to the same hosts, and usually comes before. */
  readonly follows?: string
  /** For programs: not in the help. */
  readonly hidden?: boolean
  readonly load: () => Promise<{ readonly run: RunCommand }>
}

export interface OptionSpec {
  /** As in the help: `--limit <n>`, `-n, --limit <n>`. */
  readonly flags: string
  readonly summary: string
  /** May be given more than once, or once with commas. */
  readonly many?: boolean
}

/** Arguments and flags of one call, by their long names in camel case. */
export interface Input {
  readonly args: readonly (string | undefined)[]
  on(flag: string): boolean
  text(flag: string): string | undefined
  list(flag: string): readonly string[]
}

export interface Context {
  readonly io: Io
  /** Absolute folder that `--cwd` names, else where ship was started. */
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** `--config`, as typed. */
  readonly config: string | undefined
  /** `--environment`, as typed. */
  readonly environment: string | undefined
  readonly verbose: boolean
  /** `--quiet`: no progress is shown. */
  readonly quiet: boolean
  /** `--json`: events are the answer. */
  readonly json: boolean
  /** `--yes`. */
  readonly yes: boolean
  readonly prompts: Prompts
  /** Resolves when progress is no longer drawn; before a prompt. */
  settle(): Promise<void>
  /** Writes lines of an answer that comes bit by bit to stdout; with `--json` events tell it, and nothing is written. */
  tell(lines: (view: View) => readonly string[]): void
  /** Writes lines to stderr for the person who is about to be asked. */
  say(lines: (view: View) => readonly string[]): void
}

/** What a command has to say. `data` is the answer of `--json`; `text` the same for people. */
export interface Answer {
  readonly data?: unknown
  readonly text?: (view: View) => readonly string[]
  /** Set when it failed and there is an answer all the same; decides the exit code. */
  readonly error?: unknown
  readonly hosts?: readonly HostOutcome[]
  /** Commands that usually come next, told on stderr when all went well. */
  readonly next?: readonly string[]
}

export type RunCommand = (input: Input, context: Context) => Promise<Answer>

/** What the argument of commands about bundles may be. */
export const ARTIFACT = 'a built archive, a version, or a semver range; the newest built one by default'

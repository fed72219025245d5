/** What is compared: ways to bring a tree to a host, each with the same five steps. */
import type { App } from './app.ts'
import type { Place } from './place.ts'

/** In the order in which they are measured. The no-op releases once more what is live. */
export const STEPS = ['first', 'next', 'noop', 'clean', 'rollback'] as const
export type StepName = (typeof STEPS)[number]

/** What each way does besides moving bytes, in words for the table. */
export interface Checks {
  readonly lock: string
  readonly digest: string
  readonly sync: string
  readonly gate: string
  readonly back: string
}

/** A step of one contender in one round. `deployTo` is empty before `first` and its own. */
export interface Turn {
  readonly step: StepName
  /** Counts up within the round: the first release is 1. */
  readonly release: number
  /** The tree to release; for a rollback the one to be back at. */
  readonly tree: string
  readonly deployTo: string
}

export interface Contender {
  /** For `--only`. */
  readonly name: string
  /** For the table. */
  readonly title: string
  /** One line on how it is used. */
  readonly how: string
  readonly checks: Checks
  /** A variant that stands beside the main one: measured in the first round after the warm-up only. */
  readonly once?: boolean
  /** Debian packages: program -> package. */
  readonly needs: Readonly<Record<string, string>>
  /** Files that it adds to a release. */
  readonly adds?: readonly string[]
  /** Once, before any round. */
  setUp?(place: Place, app: App): Promise<void>
  /** Before the clock starts. */
  prepare?(turn: Turn, place: Place, app: App): Promise<void>
  /** What the clock measures. Rejects when a program of it fails. */
  run(turn: Turn, place: Place, app: App): Promise<void>
  /** After the clock stopped: nothing of it may live on into the next turn. */
  settle?(place: Place): Promise<void>
  /** Its version, as it says itself. */
  version(place: Place): Promise<string>
}

/**
 * What the core says while it works. The core only emits; `ui` listens (live list, lines, NDJSON).
 * With `--json` every event is one line on stdout, so this file is a public contract: `schema` moves with it.
 */
import { messageOf, ShipError, type Reason } from './errors.ts'

export const EVENT_SCHEMA = 1

/** A running total of long work. `total` is absent while it is unknown. */
export interface Progress {
  readonly done: number
  readonly total?: number | undefined
  readonly unit: 'bytes' | 'files'
}

/** An error as data: the parts of a ShipError. */
export interface ErrorReport {
  readonly reason: Reason | 'defect'
  readonly message: string
  readonly host?: string | undefined
  readonly step?: string | undefined
  readonly state?: string | undefined
  readonly next?: readonly string[] | undefined
  readonly details?: readonly string[] | undefined
}

/** Outcome of one host at the end of a release or rollback. Versions are what `current` points at. */
export interface HostOutcome {
  readonly host: string
  readonly before: string | undefined
  readonly after: string | undefined
  readonly outcome: 'released' | 'unchanged' | 'put-back' | 'not-switched' | 'stranded' | 'unreachable'
  readonly durationMs: number
  readonly note?: string | undefined
  /** What the health checks said after the switch. */
  readonly gate?: string | undefined
}

/**
 * `step` names are the entries of the transaction (connect, plan, lock, stage, ...) and of the build (version,
 * sources, recipe, manifest, formats, ...). A step event with `host` belongs to that host; without, to the whole run.
 */
export type Event =
  | { readonly event: 'run.started'; readonly command: string; readonly run: string; readonly title: string }
  | { readonly event: 'step.started'; readonly step: string; readonly host?: string; readonly title?: string }
  | { readonly event: 'step.progress'; readonly step: string; readonly host?: string; readonly progress: Progress }
  | {
      readonly event: 'step.finished'
      readonly step: string
      readonly host?: string
      readonly durationMs: number
      /** One short fact worth showing: "12.3 MB sent", "200 after 2 tries". */
      readonly note?: string | undefined
    }
  | { readonly event: 'step.skipped'; readonly step: string; readonly host?: string; readonly reason: string }
  | {
      readonly event: 'step.failed'
      readonly step: string
      readonly host?: string
      readonly durationMs: number
      readonly error: ErrorReport
    }
  /**
   * Output of a recipe, a hook or a gate; `text` has no trailing newline and may hold several lines. With `stream` it is what the user
   * asked for (`ship exec`, `ship run`): a line of that stream, always shown.
   */
  | {
      readonly event: 'log'
      readonly step: string
      readonly host?: string
      readonly text: string
      readonly stream?: 'stdout' | 'stderr'
    }
  | {
      readonly event: 'warning'
      readonly host?: string
      readonly message: string
      readonly details?: readonly string[]
      readonly next?: readonly string[]
    }

/** An event as it leaves the core; the NDJSON writer adds `schema` and `time`. */
export type Emit = (event: Event) => void

/** An error as the event stream and the result carry it. */
export function reportOf(error: unknown): ErrorReport {
  if (!(error instanceof ShipError)) return { reason: 'defect', message: messageOf(error) }
  const { reason, message, host, step, state, next, details } = error
  return { reason, message, host, step, state, next, details }
}

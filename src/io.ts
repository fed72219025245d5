/** What every long operation gets from its caller, and how it tells about its steps. */
import { performance } from 'node:perf_hooks'
import { ShipError, type ErrorParts } from './errors.ts'
import { reportOf, type Emit } from './events.ts'

export interface Io {
  readonly emit: Emit
  /** Aborted by Ctrl-C, SIGTERM or a deadline; its reason is a ShipError. */
  readonly signal: AbortSignal
  /** Id of this run: short, unique, shown in locks and history. */
  readonly run: string
  /** Who started it: `user@machine`, or the actor of a CI run. */
  readonly by: string
  /** URL of the CI run, when there is one. */
  readonly url?: string | undefined
}

/**
 * Runs one step and emits its start and its end. The resolved string is the note shown with it. What is thrown gets step and
 * host added (a defect stays what it is) and is thrown on.
 */
export async function inStep(
  emit: Emit,
  at: { readonly step: string; readonly host?: string | undefined; readonly title?: string | undefined },
  work: () => Promise<string | void>,
): Promise<void> {
  const started = performance.now()
  const took = (): number => Math.round(performance.now() - started)
  const place = at.host === undefined ? { step: at.step } : { step: at.step, host: at.host }
  emit({ event: 'step.started', ...place, ...(at.title === undefined ? {} : { title: at.title }) })
  try {
    const note = await work()
    emit({ event: 'step.finished', ...place, durationMs: took(), note: note ?? undefined })
  } catch (error) {
    const placed = located(error, place)
    emit({ event: 'step.failed', ...place, durationMs: took(), error: reportOf(placed) })
    throw placed
  }
}

/** Adds host and step to a ShipError that lacks them; anything else is a defect and stays as it is. */
function located(error: unknown, parts: ErrorParts): unknown {
  return error instanceof ShipError ? error.at(parts) : error
}

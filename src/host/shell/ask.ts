/** A verb of the host whose refusal is an error. */
import { ShipError, type Reason } from '../../errors.ts'
import { escapeControls } from '../../names.ts'
import type { Transport } from '../../transport/transport.ts'
import { call, type CallOptions, type Verb } from './call.ts'
import { valuesOf, type Answer } from './frame.ts'

/** Unpacking and syncing a big release on a slow disk, or removing thousands. */
export const LONG_MS = 1_800_000

/** What a script's own refusal means, by its code. */
const REASONS: Record<string, Reason> = {
  locked: 'locked',
  refused: 'refused',
  moved: 'refused',
  damaged: 'refused',
  gone: 'refused',
  missing: 'not-switched',
  obstacle: 'not-switched',
  write: 'not-switched',
  broken: 'not-switched',
}

export type Ask = (verb: Verb, args: readonly string[], options: CallOptions) => Promise<Answer>

/** Rejects with the reason that the script's answer stands for. */
export function askOver(transport: Transport): Ask {
  return async (verb, args, options) => {
    return wellOrThrow(verb, await call(transport, verb, args, options))
  }
}

/** The answer of a script that did what it was asked for. */
export function wellOrThrow(verb: Verb, answer: Answer): Answer {
  if (answer.end === 'ok') return answer
  throw refusal(answer, `the host refused "${verb}"`)
}

/** What a script refused, with what the programs it used said. */
export function refusal(answer: Answer, otherwise: string): ShipError {
  const details = valuesOf(answer, 'said').map((line) => escapeControls(line))
  return new ShipError(REASONS[answer.end] ?? 'not-switched', answer.reason || otherwise, { details })
}

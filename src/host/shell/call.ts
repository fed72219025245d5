/** One call of a host script: its text from disk, a marker of its own, and an answer that is whole or an error. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { ShipError } from '../../errors.ts'
import { escapeControls } from '../../names.ts'
import type { Transport } from '../../transport/transport.ts'
import { newMarker, parseAnswer, type Answer } from './frame.ts'

export type Verb =
  | 'probe'
  | 'lock'
  | 'beat'
  | 'stage'
  | 'drift'
  | 'switch'
  | 'mark'
  | 'prune'
  | 'unlock'
  | 'discard'
  | 'kill'

export interface CallOptions {
  readonly signal: AbortSignal
  readonly stdin?: Readable | undefined
  readonly maxOutputBytes?: number | undefined
  readonly timeoutMs?: number | undefined
}

/** Longest time for a verb that only asks or renames; staging and pruning give their own. */
const PATIENCE_MS = 60_000

/**
 * Runs a verb. Rejects with reason `unreachable` when no whole answer came: then nobody knows how far the script got, and the next
 * step has to look. A script's own refusal is in the answer.
 */
export async function call(
  transport: Transport,
  verb: Verb,
  args: readonly string[],
  options: CallOptions,
): Promise<Answer> {
  const marker = newMarker()
  const { deployTo } = transport.host
  const script = { name: verb, text: scriptText(verb), args: [marker, deployTo, ...args] }
  const result = await transport.exec(script, { timeoutMs: PATIENCE_MS, maxOutputBytes: 64 * 1024 * 1024, ...options })
  const answer = parseAnswer(result.stdout, marker)
  if (answer) return answer
  const said = escapeControls(result.stderr.trim().split('\n').at(-1) ?? '').slice(0, 300)
  const how = result.timedOut ? 'did not answer in time' : 'gave no whole answer'
  throw new ShipError('unreachable', `the host ${how} to "${verb}"`, {
    step: verb,
    state: 'nobody knows how far the host got; the next run looks and continues from there',
    details: said === '' ? [] : [`the host said: ${said}`],
    next: [
      'check that the login shell of the deploy user starts "sh" and that the host is well',
      'then run the same command again',
    ],
  })
}

const texts = new Map<string, string>()

/** Prelude and verb as one text, comments and indentation taken out: it travels with every call. */
export function scriptText(verb: Verb | 'run'): string {
  const known = texts.get(verb)
  if (known !== undefined) return known
  const parts = verb === 'lock' || verb === 'probe' ? ['prelude', 'state', verb] : ['prelude', verb]
  const text = parts.map((name) => readFileSync(join(import.meta.dirname, 'scripts', `${name}.sh`), 'utf8')).join('\n')
  const lean = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/^\s+/gm, '')
  texts.set(verb, lean)
  return lean
}

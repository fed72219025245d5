/** One call of a host script: its text, a marker of its own, and an answer that is whole or an error. */
import type { Readable } from 'node:stream'
import { ShipError } from '../../errors.ts'
import { escapeControls } from '../../names.ts'
import { ownFile } from '../../own-files.ts'
import type { RunResult } from '../../runner.ts'
import type { Script } from '../../shell.ts'
import type { ExecOptions, Host, Transport } from '../../transport/transport.ts'
import { frameReader, MAX_ANSWER_BYTES, MAX_NOISE_BYTES, newMarker, type Answer } from './frame.ts'

export type Verb =
  | 'probe'
  | 'lock'
  | 'beat'
  | 'stage'
  | 'drift'
  | 'switch'
  | 'mark'
  | 'end'
  | 'prune'
  | 'unlock'
  | 'discard'
  | 'kill'
  | 'put'
  | 'remember'
  | 'forget'
  | 'arm'
  | 'hold'
  | 'lane'

export interface CallOptions {
  readonly signal: AbortSignal
  readonly stdin?: Readable | undefined
  readonly timeoutMs?: number | undefined
  /** See `ExecOptions`. */
  readonly tries?: number | undefined
  /** Called when the script said something, long before it ends. */
  readonly onSaid?: (() => void) | undefined
  /** Called with its answer, which may be before it ends. */
  readonly onAnswer?: ((answer: Answer) => void) | undefined
}

/** Longest time for a verb that only asks or renames; staging and pruning give their own. */
export const PATIENCE_MS = 60_000
/** Kept of what the host complains about; its answer is kept by the frame reader. */
const MAX_COMPLAINT_BYTES = 64 * 1024

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
  const { script, how, answerIn } = prepareCall(transport.host, verb, args, options)
  return answerIn(await transport.exec(script, how))
}

/** The same for a script that goes on behind its answer, which nobody waits for. */
export function callThatGoesOn(
  transport: Transport,
  script: 'lock and copy',
  args: readonly string[],
  options: CallOptions,
): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const prepared = prepareCall(transport.host, 'lock', args, { ...options, onAnswer: resolve }, script)
  const over = transport.exec(prepared.script, prepared.how).then(prepared.answerIn)
  return Promise.race([promise, over])
}

/** A call that somebody else sends: the script, how to run it, and what its end means, as `call` tells it. */
export interface PreparedCall {
  readonly script: Script
  readonly how: ExecOptions
  readonly answerIn: (result: RunResult) => Answer
}

export function prepareCall(
  host: Host,
  verb: Verb,
  args: readonly string[],
  options: CallOptions,
  form: Parameters<typeof scriptText>[0] = verb,
): PreparedCall {
  const marker = newMarker()
  const text = scriptText(form, host.deb ? 'package' : 'archive')
  const script = { name: verb, text, args: [marker, host.deployTo, ...args] }
  const frames = frameReader(marker)
  const flood = new AbortController()
  let complained = 0
  const how: ExecOptions = {
    timeoutMs: PATIENCE_MS,
    maxOutputBytes: MAX_COMPLAINT_BYTES,
    ...options,
    signal: AbortSignal.any([options.signal, flood.signal]),
    onStdout(chunk) {
      frames.push(chunk)
      if (frames.said()) options.onSaid?.()
      const whole = frames.answer()
      if (whole) options.onAnswer?.(whole)
      const excess = frames.excess()
      if (excess !== undefined) flood.abort(flooded(verb, excess))
    },
    onStderr(chunk) {
      complained += chunk.length
      if (complained > MAX_NOISE_BYTES) flood.abort(flooded(verb, 'noise'))
    },
  }
  const answerIn = (result: RunResult): Answer => {
    const answer = frames.answer()
    if (!answer) throw noAnswer(verb, result)
    return answer
  }
  return { script, how, answerIn }
}

/** Nobody knows how far the script got. */
export function noAnswer(verb: Verb, result: Pick<RunResult, 'stderr' | 'timedOut'>): ShipError {
  const said = escapeControls(result.stderr.trim().split('\n').at(-1) ?? '').slice(0, 300)
  const how = result.timedOut ? 'did not answer in time' : 'gave no whole answer'
  return new ShipError('unreachable', `the host ${how} to "${verb}"`, {
    step: verb,
    state: 'nobody knows how far the host got; the next run looks and continues from there',
    details: said === '' ? [] : [`the host said: ${said}`],
    next: [
      'check that the login shell of the deploy user starts "sh" and that the host is well',
      'then run the same command again',
    ],
  })
}

/** A host that does not stop talking is not listened to any longer: what it says would fill the memory here. */
function flooded(verb: Verb, excess: 'answer' | 'noise'): ShipError {
  const limit = `more than ${(excess === 'answer' ? MAX_ANSWER_BYTES : MAX_NOISE_BYTES) / 1024 / 1024} MiB`
  const what =
    excess === 'answer' ? `answered "${verb}" with ${limit}` : `printed ${limit} beside its answer to "${verb}"`
  return new ShipError('unreachable', `the host ${what}, and was not listened to any longer`, {
    step: verb,
    state: 'nobody knows how far the host got; the next run looks and continues from there',
    next: [
      'look at what a login prints there: ssh HOST true; start-up files of the shell (.bashrc, .zshenv, .cshrc) must print nothing then',
      'then run the same command again',
    ],
  })
}

const texts = new Map<string, string>()

/** Scripts that are more, or less, than the prelude and themselves. A program of the user's gets the shell as its login left it. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  lock: ['prelude', 'state', 'lock', 'done'],
  'lock and copy': ['prelude', 'state', 'base', 'lock', 'inodes', 'assemble', 'ahead'],
  probe: ['prelude', 'state', 'probe'],
  stage: ['prelude', 'receive', 'inodes', 'assemble', 'check', 'stage'],
  drift: ['prelude', 'inodes', 'drift'],
  switch: ['prelude', 'switch', 'done'],
  'switch and run': ['prelude', 'switch', 'then', 'settings', 'run'],
  mark: ['prelude', 'mark', 'done'],
  end: ['prelude', 'mark', 'unlock'],
  run: ['prelude', 'settings', 'run'],
  once: ['prelude', 'settings', 'once'],
  program: ['program'],
}

/** The same verbs with the same arguments where a release is a .deb that dpkg installs. Those that are not here are alike. */
const PACKAGE_PARTS: Readonly<Record<string, readonly string[]>> = {
  lock: ['prelude', 'deb/package', 'state', 'deb/state', 'deb/settle', 'lock', 'done'],
  probe: ['prelude', 'deb/package', 'state', 'deb/state', 'deb/settle', 'probe'],
  stage: ['prelude', 'deb/package', 'receive', 'deb/stage'],
  drift: ['prelude', 'deb/package', 'deb/drift'],
  discard: ['prelude', 'deb/package', 'deb/discard'],
  switch: ['prelude', 'deb/package', 'deb/switch'],
  mark: ['prelude', 'deb/package', 'mark', 'done'],
  end: ['prelude', 'deb/package', 'mark', 'unlock'],
  prune: ['prelude', 'deb/package', 'deb/prune'],
}

/**
 * Prelude and verb as one text, without comments, indentation, and functions that nothing in it names: it travels with every call, and a
 * shell that waits for it reads it byte by byte.
 */
export function scriptText(
  verb: Verb | 'lock and copy' | 'switch and run' | 'run' | 'once' | 'program' | 'get' | 'guard',
  form: 'archive' | 'package' = 'archive',
): string {
  const key = `${form} ${verb}`
  const known = texts.get(key)
  if (known !== undefined) return known
  const parts = (form === 'package' ? PACKAGE_PARTS[verb] : undefined) ?? PARTS[verb] ?? ['prelude', verb]
  const text = parts.map((name) => ownFile(`src/host/shell/scripts/${name}.sh`)).join('\n')
  const lean = called(text.replaceAll(/^\s*#.*\n/gm, '')).replaceAll(/^\s+/gm, '')
  texts.set(key, lean)
  return lean
}

/** A text without the functions that nothing else in it names. */
function called(text: string): string {
  const functions = [...text.matchAll(/^(\w+)\(\) \{(?:\n[^]*?^\}| .*\})(?: 2>\/dev\/null)?\n/gm)]
  const named = new Map<string, number>()
  const count = (of: string, by: 1 | -1): void => {
    for (const [word] of of.matchAll(/\w+/g)) named.set(word, (named.get(word) ?? 0) + by)
  }
  count(text, 1)
  const isSpare = ([whole, name = '']: RegExpExecArray): boolean =>
    named.get(name) === [...whole.matchAll(/\w+/g)].filter(([word]) => word === name).length
  const spare = functions.filter(isSpare)
  if (spare.length === 0) return text
  return called(spare.reduce((rest, [whole]) => rest.replace(whole, () => ''), text))
}

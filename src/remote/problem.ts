/** How a program's end is told: nothing when it ended well, else one error whose kind says how it failed. */
import { messageOf, ShipError } from '../errors.ts'
import { HostError, type HostErrorKind } from '../host-error.ts'
import type { RunResult } from '../runner.ts'
import { masker } from './lines.ts'
import type { Program, ProgramOptions, ProgramOutput } from './output.ts'

/** What is known at the end. */
interface Ended {
  readonly output: ProgramOutput
  readonly result: RunResult
  /** What the transport threw. */
  readonly failure: unknown
  /** Why the input broke off. */
  readonly inputProblem: unknown
}

export function problemOf(program: Program, ended: Ended, options: ProgramOptions): unknown {
  const { output, result, failure, inputProblem } = ended
  const mask = masker(Object.values(options.secrets ?? {}))
  const title = shownTitle(program, options)
  const details = lastLines(result).map(mask)
  const fail = (kind: HostErrorKind, message: string): HostError => new HostError(kind, message, { details, result })
  if (result.timedOut) {
    return fail('timeout', `"${title}" was still running after ${(options.timeoutMs ?? 0) / 1000} s and was ended`)
  }
  if (inputProblem !== undefined) {
    return new HostError('file', `the input of "${title}" broke off: ${messageOf(inputProblem)}`, {
      cause: inputProblem,
      result,
    })
  }
  if (failure instanceof ShipError && failure.reason === 'unreachable') return lost(failure, title, { result, details })
  if (failure !== undefined) return failure
  const refusal = output.refusal()
  if (refusal?.code === 'folder') return fail('bad-folder', `the folder "${options.cwd ?? ''}" ${refusal.reason}`)
  if (refusal?.code === 'command') return fail('no-such-command', noSuch(program.argv[0] ?? ''))
  if (!output.hasStarted()) return fail('exit', `"${title}" could not be started`)
  if (options.check === false || result.code === 0) return undefined
  return endProblem(program, title, result, fail)
}

function endProblem(
  { isText }: Program,
  title: string,
  { code, signal, stderr }: RunResult,
  fail: (kind: HostErrorKind, message: string) => HostError,
): HostError {
  if (code === null) return fail('signal', `"${title}" was ended by ${signal ?? 'a signal'}`)
  const missing = code === 127 ? missingCommand(stderr) : undefined
  if (missing !== undefined || (code === 127 && isText)) return fail('no-such-command', noSuch(missing ?? title))
  return fail('exit', `"${title}" ended with exit code ${code}`)
}

function lost(
  failure: ShipError,
  title: string,
  { result, details }: { readonly result: RunResult; readonly details: readonly string[] },
): HostError {
  return new HostError('lost', failure.message, {
    cause: failure,
    details,
    state: `nobody knows how far "${title}" got`,
    next: ['look at the host before you run it again'],
    result,
  })
}

function noSuch(name: string): string {
  return `there is no command "${name}"`
}

/** The name in "ship: 1: foo: not found" (dash), "ship: line 1: foo: command not found" (bash), "ship: foo: not found" (BusyBox). */
function missingCommand(stderr: string): string | undefined {
  const pattern =
    /^ship: (?:(?:line )?\d+: )?(?:exec: )?(?:line \d+: )?(.+?): (?:(?:command )?not found|No such file or directory)$/m
  return pattern.exec(stderr)?.[1]
}

const DETAIL_LINES = 10

/** The end of what it said: of stderr, or of stdout when that is silent. */
function lastLines({ stdout, stderr }: RunResult): string[] {
  const text = stderr.trim() === '' ? stdout : stderr
  const lines = text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
  return lines.slice(-DETAIL_LINES).map((line) => line.slice(0, 500))
}

/** The command as messages name it: one line, not too long, secrets masked. */
export function shownTitle({ title }: Program, { secrets = {} }: ProgramOptions): string {
  const masked = masker(Object.values(secrets))(title)
  return masked.length > 120 ? `${masked.slice(0, 117)}...` : masked
}

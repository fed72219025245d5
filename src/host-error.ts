/** How a program or a file on a machine failed, for code that wants to tell one failure from another. */
import { ShipError, type ErrorParts, type Reason } from './errors.ts'
import type { RunResult } from './runner.ts'

/**
 * `no-such-command`: nothing of that name can be run there. `bad-folder`: `cwd` is missing, no folder, or closed to the user.
 * `exit`: ended with another code than 0. `signal`: a signal ended it. `timeout`: it was ended for running too long.
 * `lost`: the connection broke off, and nobody knows how far it got. `file`: a file could not be read, written or sent.
 */
export type HostErrorKind = 'no-such-command' | 'bad-folder' | 'exit' | 'signal' | 'timeout' | 'lost' | 'file'

const REASONS: Readonly<Record<HostErrorKind, Reason>> = {
  'no-such-command': 'not-switched',
  'bad-folder': 'not-switched',
  exit: 'not-switched',
  signal: 'not-switched',
  timeout: 'not-switched',
  lost: 'unreachable',
  file: 'not-switched',
}

export interface HostErrorParts extends ErrorParts {
  /** How the program ended and what it printed, as far as it got. */
  readonly result?: Partial<RunResult> | undefined
}

export class HostError extends ShipError {
  override readonly name = 'HostError'
  readonly kind: HostErrorKind
  readonly result: Partial<RunResult>

  constructor(kind: HostErrorKind, message: string, parts: HostErrorParts = {}) {
    super(REASONS[kind], message, parts)
    this.kind = kind
    this.result = parts.result ?? {}
  }

  override at(parts: ErrorParts): HostError {
    const { host, step, state, next, details, cause } = super.at(parts)
    return new HostError(this.kind, this.message, { host, step, state, next, details, cause, result: this.result })
  }
}

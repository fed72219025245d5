/**
 * The one kind of error that users see, and the table that turns its reason into an exit code.
 *
 * Rules: the inner place names the cause in lower case without a full stop; one wrapper per level adds
 * host and step (`at`), one place prints (`ui/error.ts`). Anything thrown that is no ShipError is a defect of ship.
 */

/** Exit codes of the contract (docs/errors.md), by reason. */
export const EXIT_CODES = {
  usage: 2,
  config: 2,
  build: 3,
  unreachable: 4,
  auth: 4,
  'host-key': 4,
  /** Failed before any switch: `current` untouched everywhere. */
  'not-switched': 5,
  /** Failed after a switch; every switched host was put back and passed its gate. */
  'put-back': 6,
  /** Failed, and at least one host was not put back. */
  stranded: 7,
  locked: 8,
  refused: 9,
  sigint: 130,
  sigterm: 143,
  /** `status --exit-code` and `verify`: the answer is no. */
  differs: 1,
} as const

export type Reason = keyof typeof EXIT_CODES

/** What an error carries besides its message. All parts are optional and shown on lines of their own. */
export interface ErrorParts {
  /** Name of the host it happened on. */
  readonly host?: string | undefined
  /** Step of the build or of the transaction it happened in. */
  readonly step?: string | undefined
  /** What state the world is in now, as a sentence without a full stop. */
  readonly state?: string | undefined
  /** The next commands to type, or what to change; one line each. */
  readonly next?: readonly string[] | undefined
  /** Evidence: last lines of output, file:line, fingerprints; one line each. */
  readonly details?: readonly string[] | undefined
  readonly cause?: unknown
}

export class ShipError extends Error {
  override readonly name: string = 'ShipError'
  readonly reason: Reason
  readonly host: string | undefined
  readonly step: string | undefined
  readonly state: string | undefined
  readonly next: readonly string[]
  readonly details: readonly string[]

  constructor(reason: Reason, message: string, parts: ErrorParts = {}) {
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause })
    this.reason = reason
    this.host = parts.host
    this.step = parts.step
    this.state = parts.state
    this.next = parts.next ?? []
    this.details = parts.details ?? []
  }

  /** The same error with the parts that only an outer level knows; parts already there win. */
  at(parts: ErrorParts): ShipError {
    return new ShipError(this.reason, this.message, {
      host: this.host ?? parts.host,
      step: this.step ?? parts.step,
      state: this.state ?? parts.state,
      next: this.next.length > 0 ? this.next : parts.next,
      details: this.details.length > 0 ? this.details : parts.details,
      cause: this.cause ?? parts.cause,
    })
  }

  /** The same facts under another reason: a transaction decides what a failure means for the fleet. */
  as(reason: Reason, parts: ErrorParts = {}): ShipError {
    const merged = this.at(parts)
    return new ShipError(reason, merged.message, { ...partsOf(merged), state: parts.state ?? merged.state })
  }

  /** The same error with other words for what comes next. */
  saying(next: readonly string[]): ShipError {
    return new ShipError(this.reason, this.message, { ...partsOf(this), next })
  }
}

function partsOf(error: ShipError): ErrorParts {
  const { host, step, state, next, details, cause } = error
  return { host, step, state, next, details, cause }
}

/** Exit code of whatever was thrown: the table for a ShipError, 1 for a defect. */
export function exitCode(error: unknown): number {
  return error instanceof ShipError ? EXIT_CODES[error.reason] : 1
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Throws the signal's own reason (always a ShipError from `main`) when it is aborted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason
}

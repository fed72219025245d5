/** What the ssh library cannot do and OpenSSH can. A connection that fails for it may be tried by the system's `ssh`. */
import { ShipError, type ErrorParts, type Reason } from '../errors.ts'

export class NeedsOpenSsh extends ShipError {
  override readonly name = 'NeedsOpenSsh'
  /** What it is that OpenSSH is needed for, as a clause: "~/.ssh/config reaches "web1" by ProxyCommand". */
  readonly why: string

  constructor(reason: Reason, why: string, parts: ErrorParts & { readonly message?: string } = {}) {
    super(reason, parts.message ?? why, parts)
    this.why = why
  }
}

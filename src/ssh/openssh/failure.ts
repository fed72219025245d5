/** What the system's `ssh` says when it cannot connect -> an error with its cause and what to do. */
import { ShipError, type Reason } from '../../errors.ts'
import { escapeControls } from '../../names.ts'
import type { Target } from '../options.ts'

interface Known {
  readonly sign: RegExp
  readonly reason: Reason
  readonly message: (address: string) => string
  readonly next: (address: string) => string
}

const byHand = (address: string): string => `try the same by hand: ssh -v ${address} true`

/** Only the last lines count: a jump host before may have said something too. */
const FAILURES: readonly Known[] = [
  {
    sign: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    reason: 'host-key',
    message: (address) => `the host key of ${address} has changed; somebody may be in between`,
    next: () => 'find out why before anything else; if the host was set up anew, remove that line and run: ship trust',
  },
  {
    sign: /REVOKED HOST KEY|marked as revoked/i,
    reason: 'host-key',
    message: (address) => `the host key of ${address} is revoked`,
    next: () => 'find out why before anything else',
  },
  {
    sign: /Host key verification failed|No .* host key is known/,
    reason: 'host-key',
    message: (address) => `the host key of ${address}, or of a host on the way to it, is not known`,
    next: (address) =>
      `compare the fingerprint with what the host says of itself, then: ship trust, or ssh ${address} true`,
  },
  {
    sign: /Permission denied \(|Too many authentication failures/,
    reason: 'auth',
    message: (address) => `${address} accepts none of the keys that ssh offered`,
    next: byHand,
  },
  {
    sign: /Bad configuration option|terminating, \d+ bad configuration|Bad owner or permissions/,
    reason: 'config',
    message: (address) => `ssh does not take its configuration for ${address}`,
    next: () => 'mend ~/.ssh/config',
  },
]

/** sshd drops new connections at random when many come at once (MaxStartups); another try soon succeeds. */
export function isDrop(stderr: string): boolean {
  return /kex_exchange_identification|Connection (?:reset|closed) by .* port|Connection closed by remote host/.test(
    stderr,
  )
}

/** `code`: how ssh ended; 255 is its own failure, another one that of the program on the host. */
export function connectFailure({ address }: Target, stderr: string, code: number | null): ShipError {
  const lines = stderr
    .split(/\r?\n/)
    .map((line) => escapeControls(line.trim()))
    .filter((line) => line !== '' && !/^@+$/.test(line))
  const details = lines.slice(-6)
  const state = 'nothing was changed on any host'
  const known = FAILURES.find(({ sign }) => sign.test(stderr))
  if (known) return new ShipError(known.reason, known.message(address), { state, details, next: [known.next(address)] })
  if (code !== null && code !== 255) {
    return new ShipError('unreachable', `${address} lets ship in, but runs no "sh" for it (exit ${code})`, {
      state,
      details,
      next: ['check the login shell of the deploy user; a host that gives files only needs transport "sftp"'],
    })
  }
  const last = details.at(-1)
  const message = `ssh could not connect to ${address}${last === undefined ? '' : `: ${last}`}`
  return new ShipError('unreachable', message, { state, details: details.slice(0, -1), next: [byHand(address)] })
}

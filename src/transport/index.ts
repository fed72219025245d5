/** The transports by name. One line each; its module is loaded when a host needs it. */
import { NeedsOpenSsh } from '../ssh/needs-openssh.ts'
import type { Script } from '../shell.ts'
import type { ExecOptions, Host, Transport } from './transport.ts'

export interface OpenOptions {
  readonly signal: AbortSignal
  /** Many short scripts will follow each other: what shortens each of them is made ready. */
  readonly busy?: boolean | undefined
  /** A script that will be the first one, and changes nothing: it is sent with the login where that can be. */
  readonly first?: FirstScript | undefined
  /** A connection of its own, whatever is open already: only so it shows that the host can be reached. */
  readonly fresh?: boolean | undefined
  /** Told which transport was chosen, and why. */
  readonly onChoice?: ((text: string) => void) | undefined
}

export interface FirstScript {
  readonly script: Script
  readonly options: ExecOptions
}

type Open = (host: Host, options: OpenOptions) => Promise<Transport>

const transports = {
  local: async (host) => (await import('./local.ts')).localTransport(host),
  rsync: async (host, options) => (await import('./rsync.ts')).rsyncTransport(host, options),
  sftp: async (host, options) => (await import('./sftp.ts')).sftpTransport(host, options),
} satisfies Record<string, Open>

export type TransportName = keyof typeof transports

/** What users may write as `transport`, beside `auto`. */
export const TRANSPORT_NAMES = Object.keys(transports) as TransportName[]

/**
 * Connects to a host by the transport that its configuration names; `auto` is `sftp` unless it takes OpenSSH to get there. Rejects with
 * reason `unreachable`, `auth` or `host-key`.
 */
export async function openTransport(host: Host, options: OpenOptions): Promise<Transport> {
  if (host.transport !== 'auto') return transports[host.transport](host, options)
  try {
    const transport = await transports.sftp(host, options)
    options.onChoice?.('transport sftp: nothing in the configuration of ssh asks for more')
    return transport
  } catch (error) {
    if (!(error instanceof NeedsOpenSsh)) throw error
    options.onChoice?.(`transport rsync, by the system's ssh: ${error.why}`)
    return transports.rsync(host, options)
  }
}

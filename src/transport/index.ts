/** The transports by name. One line each. */
import { localTransport } from './local.ts'
import { sftpTransport } from './sftp.ts'
import type { Host, Transport, TransportName } from './transport.ts'

export interface OpenOptions {
  readonly signal: AbortSignal
}

const transports = {
  local: localTransport,
  sftp: sftpTransport,
} satisfies Record<TransportName, (host: Host, options: OpenOptions) => Promise<Transport>>

/** Connects to a host by the transport that its configuration names. Rejects with reason `unreachable`, `auth` or `host-key`. */
export function openTransport(host: Host, options: OpenOptions): Promise<Transport> {
  return transports[host.transport](host, options)
}

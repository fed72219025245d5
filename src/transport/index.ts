/** The transports by name. One line each; its module is loaded when a host needs it. */
import type { Host, Transport } from './transport.ts'

export interface OpenOptions {
  readonly signal: AbortSignal
}

type Open = (host: Host, options: OpenOptions) => Promise<Transport>

const transports = {
  local: async (host) => (await import('./local.ts')).localTransport(host),
  sftp: async (host, options) => (await import('./sftp.ts')).sftpTransport(host, options),
} satisfies Record<string, Open>

export type TransportName = keyof typeof transports

/** What users may write as `transport`, beside `auto`. */
export const TRANSPORT_NAMES = Object.keys(transports) as TransportName[]

/** Connects to a host by the transport that its configuration names. Rejects with reason `unreachable`, `auth` or `host-key`. */
export function openTransport(host: Host, options: OpenOptions): Promise<Transport> {
  return transports[host.transport](host, options)
}

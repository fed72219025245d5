/** A host -> its transport -> the session that its capabilities allow. */
import { openTransport } from '../transport/index.ts'
import type { Host } from '../transport/transport.ts'
import type { HostSession } from './session.ts'
import { shellSession } from './shell/session.ts'

/** Connects. Rejects with reason `unreachable`, `auth` or `host-key`. */
export async function openSession(host: Host, options: { readonly signal: AbortSignal }): Promise<HostSession> {
  return shellSession(await openTransport(host, options))
}

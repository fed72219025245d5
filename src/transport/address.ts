/** Where ssh connects to for a host, for somebody else who connects there. */
import { resolveOptions } from '../ssh/options.ts'
import type { Host } from './transport.ts'

/** By the user's ssh configuration. Rejects with reason `config`. */
export async function addressOf(
  host: Host,
  signal: AbortSignal,
): Promise<{ readonly user: string; readonly hostname: string; readonly port: number }> {
  const { user, hostname, port } = await resolveOptions(host, process.env, signal)
  return { user, hostname, port }
}

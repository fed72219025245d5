/** Connections for jobs: never more than are worked with at once, kept for the next job when the hosts are few. */
import { AT_ONCE } from '../fleet/fleet.ts'
import { openTransport } from '../transport/index.ts'
import type { Host, Transport } from '../transport/transport.ts'
import type { Job } from './plan.ts'

export interface Machines {
  /** Gives work a connection to a host: the open one, or a new one. Rejects with reason `unreachable`, `auth` or `host-key`. */
  use<T>(host: Host, work: (transport: Transport) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export function machines(jobs: readonly Job[], { signal }: { readonly signal: AbortSignal }): Machines {
  const names = new Set(jobs.flatMap((job) => job.hosts.map((host) => host.name)))
  const keep = jobs.length > 1 && names.size <= AT_ONCE
  const kept = new Map<string, Transport>()
  return {
    async use(host, work) {
      const before = kept.get(host.name)
      const transport = before?.connected === true ? before : await openTransport(host, { signal })
      if (keep) kept.set(host.name, transport)
      try {
        return await work(transport)
      } finally {
        if (!keep) await transport.close()
      }
    },
    async close() {
      await Promise.allSettled([...kept.values()].map((transport) => transport.close()))
    },
  }
}

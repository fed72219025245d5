/** Which hosts switch together. Pure. */
import type { Strategy } from '../config/environment.ts'
import type { HostName } from '../names.ts'

/** Waves in order; every host stands in exactly one. A share is rounded up, so a wave is never empty. */
export function waves(hosts: readonly HostName[], strategy: Strategy): HostName[][] {
  if (hosts.length === 0) return []
  const size =
    strategy.type === 'all'
      ? hosts.length
      : 'hosts' in strategy.batch
        ? strategy.batch.hosts
        : Math.ceil(hosts.length * strategy.batch.share)
  const batch = Math.max(1, Math.min(size, hosts.length))
  return Array.from({ length: Math.ceil(hosts.length / batch) }, (_, wave) =>
    hosts.slice(wave * batch, (wave + 1) * batch),
  )
}

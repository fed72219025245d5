/** Which version hosts that stayed behind are brought to: the one that the others run. */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { mergedError } from '../fleet/results.ts'
import type { HostState } from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Version } from '../version.ts'
import { liveRecord, runningNow } from './observe.ts'
import { reach } from './probe.ts'

/**
 * Asks the hosts. Rejects with reason `refused` when it cannot be told which version is meant, and as a release does when hosts are not
 * reached: more than may be missing, or all that could be brought level.
 */
export async function catchUpVersion(environment: Environment, io: Io): Promise<Version> {
  const { fleet, observed } = await reach(environment, io)
  try {
    const states = observed.map(({ state }) => state)
    const target = fleetVersion(states)
    if (target === undefined) {
      throw new ShipError('refused', 'it cannot be told which version the hosts are to be brought to', {
        state: 'nothing was changed on any host',
        details: observed.map(({ host, state }) => `${host} runs ${runningNow(state) ?? 'nothing'}`),
        next: [`name it: ship release VERSION -e ${environment.name}`],
      })
    }
    const isLevel = states.every((state) => liveRecord(state)?.version === target)
    if (isLevel && fleet.missing.length > 0) {
      const error = mergedError(fleet.missing, environment.hosts.length)
      const state = `the hosts that were reached run ${target} already`
      throw error instanceof ShipError ? error.as(error.reason, { state }) : error
    }
    return target
  } finally {
    await fleet.close()
  }
}

/** Whether a host was left out of the release that its fleet runs. One that was rolled back from it left on purpose. */
export function isBehind(state: HostState, fleet: Version): boolean {
  const left = state.releases.some((r) => r.version === fleet && r.state === 'bad')
  return liveRecord(state)?.version !== fleet && !left
}

/**
 * The version that a fleet runs: verified and live on the most hosts. Of two on equally many it is not the one that a host was rolled
 * back from, nor the one that was live on a host before the other; no clock is asked. Undefined: that does not tell either.
 */
export function fleetVersion(states: readonly HostState[]): Version | undefined {
  const verified = states.flatMap((state) => liveRecord(state) ?? []).filter((record) => record.state === 'verified')
  const byVersion = Map.groupBy(verified, (record) => record.version)
  const most = Math.max(0, ...[...byVersion.values()].map((records) => records.length))
  const leading = [...byVersion].filter(([, records]) => records.length === most).map(([version]) => version)
  if (leading.length === 1) return leading[0]
  const left = new Set(
    states.flatMap(({ releases }) => releases.filter((r) => r.state === 'bad').map((r) => r.version)),
  )
  const kept = leading.filter((version) => !left.has(version))
  const isBefore = (version: Version): boolean =>
    kept.some((other) => byVersion.get(other)?.some((r) => other !== version && r.previous === `releases/${version}`))
  const newest = kept.filter((version) => !isBefore(version))
  return newest.length === 1 ? newest[0] : undefined
}

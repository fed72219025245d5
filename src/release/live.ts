/** What the hosts run, as manifests: hosts that run the same bytes together. Changes nothing. */
import type { Environment } from '../config/environment.ts'
import { reportOf, type ErrorReport } from '../events.ts'
import { connect, forHosts } from '../fleet/fleet.ts'
import { STATE } from '../host/session.ts'
import type { Io } from '../io.ts'
import type { Manifest } from '../tree/manifest.ts'
import { manifestOf } from './bases.ts'
import { liveRecord, runningNow } from './observe.ts'

/** Hosts that run the same. */
export interface LiveGroup {
  readonly hosts: readonly string[]
  /** Version of the live release, or what `current` points at when ship did not make it; undefined: nothing is live. */
  readonly version: string | undefined
  /** Undefined when nothing is live, or when the host does not hold what it was made from. */
  readonly manifest: Manifest | undefined
}

export interface Live {
  /** The largest group first. */
  readonly groups: readonly LiveGroup[]
  /** Hosts that could not be asked. */
  readonly unreached: readonly { readonly host: string; readonly error: ErrorReport }[]
}

/** Asks every host what it runs, and for its manifest unless that was seen before. */
export async function liveOn(environment: Environment, io: Io): Promise<Live> {
  const sessions = await connect(environment.hosts, io, { question: STATE })
  try {
    const results = await forHosts(environment.hosts, async (host) => {
      const found = sessions.find((s) => s.host === host)
      if (found?.ok !== true) throw found?.error
      const state = await found.value.probe(STATE, { signal: io.signal })
      const record = liveRecord(state)
      const manifest = record && (await manifestOf(record, found.value, io.signal))
      return { host: host.name, version: runningNow(state), digest: record?.digest, manifest }
    })
    const asked = results.flatMap((r) => (r.ok ? [r.value] : []))
    const groups = [...Map.groupBy(asked, ({ digest, version }) => digest ?? version).values()]
      .flatMap((same): LiveGroup[] => {
        const [first] = same
        if (!first) return []
        return [{ hosts: same.map(({ host }) => host), version: first.version, manifest: first.manifest }]
      })
      .toSorted((a, b) => b.hosts.length - a.hosts.length)
    const unreached = results.flatMap((r) => (r.ok ? [] : [{ host: r.host.name, error: reportOf(r.error) }]))
    return { groups, unreached }
  } finally {
    await Promise.allSettled(sessions.flatMap((s) => (s.ok ? [s.value.close()] : [])))
  }
}

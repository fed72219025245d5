/** What the health checks said of each host in a run, overheard from its events, for the table at its end. */
import type { Event, HostOutcome } from '../events.ts'
import type { Io } from '../io.ts'
import type { RunReport } from '../release/release.ts'

export interface Overheard {
  /** To be given to the run. */
  readonly io: Io
  /** The report with `gate` of each host that was asked: what was said of the release that the run was for. */
  told(report: RunReport): RunReport
}

export function overhearGates(io: Io): Overheard {
  const said = new Map<string, string>()
  const emit = (event: Event): void => {
    io.emit(event)
    if (!('step' in event) || event.step !== 'gate' || event.host === undefined) return
    // Of a host that is put back, the first answer is why.
    if (said.has(event.host)) return
    if (event.event === 'step.finished') said.set(event.host, event.note ?? 'ok')
    else if (event.event === 'step.failed') said.set(event.host, 'failed')
    else if (event.event === 'step.skipped') said.set(event.host, 'none')
  }
  const withGate = (host: HostOutcome): HostOutcome => {
    const gate = said.get(host.host)
    return gate === undefined ? host : { ...host, gate }
  }
  return { io: { ...io, emit }, told: (report) => ({ ...report, hosts: report.hosts.map(withGate) }) }
}

/**
 * Records that the release went through its gate, runs the hooks for that, and frees disk. None of this can turn a live, healthy
 * release red: what does not work is a warning, and the next run does it again.
 */
import { messageOf } from '../../errors.ts'
import { size } from '../../size.ts'
import type { HistoryLine, ReleaseRecord } from '../../host/session.ts'
import { runHooks } from '../hooks.ts'
import { liveRecord } from '../observe.ts'
import { factsOf, sessionOf, versionIn, type At, type Step } from '../step.ts'
import { hooksAt } from './hooks.ts'

export const mark: Step = {
  name: 'mark',
  skip: ({ plan }) => (plan.action === 'none' ? plan.why : undefined),
  run: (at) =>
    tolerant(at, 'it could not be recorded that the release is verified; the next run checks it again', async () => {
      const session = await at.run.fleet.reconnect(at.host.name, at.signal)
      const { problem } = await session.mark(verifiedRecords(at), historyLine(at, 'ok'), at.lease, {
        signal: at.signal,
      })
      if (problem !== undefined) throw new Error(problem)
      return 'verified'
    }),
}

export const afterVerify: Step = {
  name: 'afterVerify',
  skip: (at) => (hooksAt(at, 'afterVerify').length === 0 ? '' : undefined),
  run: (at) =>
    tolerant(at, 'an afterVerify hook failed; the release stays live', async () => {
      const facts = factsOf(at, `${at.host.deployTo}/current`)
      await runHooks('afterVerify', hooksAt(at, 'afterVerify'), sessionOf(at), {
        facts,
        io: at.run.io,
        signal: at.signal,
      })
    }),
}

export const prune: Step = {
  name: 'prune',
  skip: ({ plan }) => (plan.prune.length === 0 ? '' : undefined),
  run: (at) =>
    tolerant(at, 'old releases could not be removed; the release stays live', async () => {
      const { kept, freedBytes } = await sessionOf(at).prune(at.plan.prune, at.lease, { signal: at.signal })
      for (const { version, why } of kept) {
        at.run.io.emit({ event: 'warning', host: at.host.name, message: `release ${version} was not removed: ${why}` })
      }
      return `${at.plan.prune.length - kept.length} removed, ${size(freedBytes)} freed`
    }),
}

/** A line of the journal about this run on this host. */
export function historyLine(at: At, outcome: HistoryLine['outcome'], note?: string): HistoryLine {
  const { plan, io } = at.run
  return {
    schema: 1,
    at: new Date().toISOString(),
    run: io.run,
    by: io.by,
    action: plan.kind,
    version: plan.target,
    from: at.plan.from === null ? null : versionIn(at.plan.from),
    outcome,
    digest: plan.digest,
    url: io.url,
    note,
  }
}

/** A release becomes verified; a rollback keeps its target's record and says of the one it left that it is bad. */
function verifiedRecords(at: At): ReleaseRecord[] {
  if (at.run.plan.kind === 'release') {
    return [{ ...at.record, state: 'verified', verifiedAt: new Date().toISOString() }]
  }
  const left = liveRecord(at.state)
  if (!left || left.version === at.run.plan.target) return []
  return [{ ...left, state: left.state === 'verified' ? 'bad' : 'failed' }]
}

async function tolerant(at: At, meaning: string, work: () => Promise<string | void>): Promise<string | void> {
  try {
    return await work()
  } catch (error) {
    at.run.io.emit({ event: 'warning', host: at.host.name, message: `${meaning}: ${messageOf(error)}` })
    return 'with a warning'
  }
}

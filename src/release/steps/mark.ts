/**
 * Records that the release went through its gate, runs the hooks for that, and frees disk. None of this can turn a live, healthy
 * release red: what does not work is a warning, and the next run does it again.
 */
import { messageOf } from '../../errors.ts'
import { size } from '../../size.ts'
import type { HistoryLine, ReleaseRecord } from '../../host/session.ts'
import { liveRecord } from '../observe.ts'
import { factsOf, sessionOf, versionIn, type At, type Step } from '../step.ts'
import { runHooksAt } from './hooks.ts'

/** The first of the last steps. `unlock`: it is the only one that is needed, and gives the lock back in the same round trip. */
export function mark({ unlock }: { readonly unlock: boolean }): Step {
  return {
    name: 'mark',
    skip: ({ plan }) => (plan.action === 'none' ? plan.why : undefined),
    run: (at) =>
      tolerant(at, 'it could not be recorded that the release is verified; the next run checks it again', async () => {
        const session = await at.run.fleet.reconnect(at.host.name, at.signal)
        const options = { signal: at.signal, unlock }
        const line = historyLine(at, 'ok', passedNote(at))
        const { problem } = await session.mark(verifiedRecords(at), line, at.lease, options)
        if (problem !== undefined) throw new Error(problem)
        return 'verified'
      }),
  }
}

export const afterVerify: Step = {
  name: 'afterVerify',
  skip: (at) => (at.hooks.on('afterVerify', at.host.name).length === 0 ? '' : undefined),
  run: (at) =>
    tolerant(at, 'an afterVerify hook failed; the release stays live', async () => {
      return runHooksAt(at, 'afterVerify', factsOf(at, `${at.host.deployTo}/current`))
    }),
}

/** What was done once for this run may be done again by the next one. */
export const forget: Step = {
  name: 'forget',
  skip: (at) => (mayRemember(at) ? undefined : ''),
  run: (at) =>
    tolerant(at, 'hooks that ran once may be taken for done by the next run', async () => {
      const session = await at.run.fleet.reconnect(at.host.name, at.signal)
      await session.forget(at.lease, { signal: at.signal })
    }),
}

/** Whether a host may remember something: from a run before, or from this one. */
function mayRemember({ state, run, plan }: At): boolean {
  if (state.done.size > 0) return true
  const hooks = Object.values(run.environment.hooks).flat()
  return plan.action !== 'none' && hooks.some(({ once, local }) => once || local === true)
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

/** What the journal says of a release that passed the point of no return. */
function passedNote({ record, run }: At): string | undefined {
  const { noReturn } = record
  const isOwn = run.plan.kind === 'release' && noReturn?.version === run.plan.target
  return isOwn ? `point of no return: ${noReturn.hook}` : undefined
}

/**
 * A release becomes verified. A rollback says of the one it left that it is bad, and of its target, which stays what it was, since when
 * and by whom it is live now.
 */
function verifiedRecords(at: At): ReleaseRecord[] {
  if (at.run.plan.kind === 'release') {
    return [{ ...at.record, state: 'verified', verifiedAt: new Date().toISOString() }]
  }
  const left = liveRecord(at.state)
  const target = at.state.releases.find((r) => r.version === at.run.plan.target)
  const { liveAt, by } = at.record
  const now = target && { ...target, liveAt, by }
  if (left && left.version === at.run.plan.target) return []
  const bad = left && { ...left, state: left.state === 'verified' ? ('bad' as const) : ('failed' as const) }
  return [bad, now].filter((record) => record !== undefined)
}

async function tolerant(at: At, meaning: string, work: () => Promise<string | void>): Promise<string | void> {
  try {
    return await work()
  } catch (error) {
    at.run.io.emit({ event: 'warning', host: at.host.name, message: `${meaning}: ${messageOf(error)}` })
    return 'with a warning'
  }
}

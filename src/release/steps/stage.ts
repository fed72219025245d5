/** Puts the release on the host, complete, checked and durable, where nothing sees it yet. */
import { ShipError } from '../../errors.ts'
import { size } from '../../size.ts'
import { sessionOf, type At, type Step } from '../step.ts'

export const stage: Step = {
  name: 'stage',
  skip: ({ plan }) =>
    plan.action === 'none' ? plan.why : plan.action === 'resume' ? 'already on this host' : undefined,
  async run(at) {
    const { plan, signal } = at
    if (plan.action === 'reuse') {
      const drift = await sessionOf(at).drift(at.run.plan.target, { signal })
      if (drift.length === 0) return 'already there, checked'
      const [first] = drift
      const what = first ? `"${first.path}" is ${first.problem}` : ''
      // A rollback has nothing to send: it must not go to a release that is not what was verified.
      if (at.run.plan.kind === 'rollback') throw tampered(at, what, drift.length)
      const message = `version ${at.run.plan.target} was changed on the host since it was staged (${what}); staging it anew`
      at.run.io.emit({ event: 'warning', host: at.host.name, message })
      await sessionOf(at).discard(at.run.plan.target, at.lease, { signal })
    }
    return send(at)
  },
}

async function send(at: At): Promise<string> {
  const { run, host, signal, state } = at
  const payload = await run.pack(state.tools)
  const emitProgress = (done: number): void =>
    run.io.emit({
      event: 'step.progress',
      step: 'stage',
      host: host.name,
      progress: { done, total: payload.sizeBytes, unit: 'bytes' },
    })
  await sessionOf(at).stage(
    payload,
    {
      version: run.plan.target,
      record: { ...at.record, state: 'staged', seq: 0, liveAt: undefined },
      sharedDirs: run.environment.shared.dirs,
      sharedFiles: at.plan.links.filter((link) => !run.environment.shared.dirs.includes(link)),
      treeBytes: payload.treeBytes,
      entries: payload.entries,
      tree: payload.tree,
      checksDigest: payload.checksDigest,
    },
    at.lease,
    { signal, onProgress: emitProgress },
  )
  return `${size(payload.sizeBytes)} sent`
}

function tampered(at: At, what: string, count: number): ShipError {
  return new ShipError('refused', `version ${at.run.plan.target} was changed on the host since it was verified`, {
    details: [count > 1 ? `${what}, and ${count - 1} more` : what],
    next: [`see all: ship verify -e ${at.run.environment.name}`, 'roll back to another version, or release a new one'],
  })
}

/** The owner's hooks for a run that failed, when everything is put back that can be. They never change what the run amounts to. */
import { messageOf, type ShipError } from '../errors.ts'
import { forHosts } from '../fleet/fleet.ts'
import { inStep } from '../io.ts'
import { hookEnv, runHooks } from './hooks.ts'
import { tolerantLocalHooks } from './local-hooks.ts'
import { onAll } from './on-all.ts'
import type { PutBack } from './put-back.ts'
import { factsOf, sessionOf, type At } from './step.ts'
import { forget, historyLine } from './steps/mark.ts'

/** Longest time for connecting again; hooks have their own limits. */
const PATIENCE_MS = 120_000
const JOURNAL_MS = 5000
const MAX_NOTE = 300

/** What was done once counts until the run is gone on with; what was taken back is done again. */
export async function afterFailure(
  ats: readonly At[],
  error: ShipError,
  results: ReadonlyMap<string, PutBack>,
): Promise<void> {
  const held = ats.filter((at) => !at.lease.signal.aborted)
  await writeDown(held, error, results)
  await onFailure(held, error, results)
  const outcomes = [...results.values()].map((r) => r.outcome)
  const isTakenBack = outcomes.includes('put-back') || held[0]?.run.environment.hooks.onFailure.length !== 0
  if (outcomes.includes('stranded') || !isTakenBack) return
  const signal = AbortSignal.timeout(60_000)
  const patient = held.map((at) => ({ ...at, signal: AbortSignal.any([signal, at.lease.signal]) }))
  // Whoever took a lock over remembers by itself.
  await onAll(patient, forget).catch(() => undefined)
}

/** The same for hosts that a run went on without: what runs on this machine is for a run that failed. */
export async function afterLoss(
  lost: readonly { readonly at: At; readonly error: ShipError }[],
  results: ReadonlyMap<string, PutBack>,
): Promise<void> {
  for (const { at, error } of lost) if (!at.lease.signal.aborted) await onHosts([at], error, results)
}

/** A host that was put back has its line in the journal; one that was not switched would not show that a run failed on it. */
async function writeDown(ats: readonly At[], error: ShipError, results: ReadonlyMap<string, PutBack>): Promise<void> {
  const signal = AbortSignal.timeout(JOURNAL_MS)
  const quiet = ats.filter(({ host, plan, run }) => {
    const outcome = results.get(host.name)?.outcome ?? 'not-switched'
    return outcome === 'not-switched' && plan.action !== 'none' && run.fleet.session(host.name).connected
  })
  await Promise.all(
    quiet.map(async (at) => {
      const line = historyLine(at, 'failed', error.message.slice(0, MAX_NOTE))
      // What cannot be written there is told here all the same.
      await sessionOf(at)
        .mark([], line, at.lease, { signal })
        .catch(() => undefined)
    }),
  )
}

async function onFailure(ats: readonly At[], error: ShipError, results: ReadonlyMap<string, PutBack>): Promise<void> {
  await onHosts(ats, error, results)
  const outcomes = ats.map((at) => outcomeEnv(at, results.get(at.host.name)).SHIP_OUTCOME)
  const worst = ['stranded', 'put-back'].find((one) => outcomes.includes(one)) ?? 'not-switched'
  await tolerantLocalHooks(ats, 'onFailure', 'put-back', { ...toldOf(error), SHIP_OUTCOME: worst })
}

function toldOf(error: ShipError): Readonly<Record<string, string>> {
  return { SHIP_ERROR: error.message, SHIP_STEP: error.step ?? '' }
}

async function onHosts(ats: readonly At[], error: ShipError, results: ReadonlyMap<string, PutBack>): Promise<void> {
  const told = toldOf(error)
  const concerned = ats.filter((at) => at.hooks.on('onFailure', at.host.name).length > 0)
  await forHosts(
    concerned.map(({ host }) => host),
    async (host) => {
      const at = concerned.find((one) => one.host === host)
      if (at) await onHost(at, { ...told, ...outcomeEnv(at, results.get(host.name)) })
    },
  )
}

function outcomeEnv(
  at: At,
  result: PutBack | undefined,
): { readonly SHIP_OUTCOME: string; readonly SHIP_RUNS: string } {
  return {
    SHIP_OUTCOME: result?.outcome ?? 'not-switched',
    SHIP_RUNS: (result ? result.after : at.plan.fromVersion) ?? '',
  }
}

async function onHost(at: At, told: Readonly<Record<string, string>>): Promise<void> {
  const { io, fleet } = at.run
  const hooks = at.hooks.on('onFailure', at.host.name)
  const signal = AbortSignal.timeout(PATIENCE_MS + hooks.reduce((sum, h) => sum + h.timeoutMs, 0))
  try {
    await inStep(io.emit, { step: 'onFailure', host: at.host.name }, async () => {
      const session = await fleet.reconnect(at.host.name, signal)
      const facts = factsOf(at, at.host.deployTo, 'put-back')
      const env = { ...hookEnv(facts, io), ...told }
      await runHooks('onFailure', hooks, {
        host: at.host.name,
        cwd: facts.cwd,
        env,
        runner: () => session.run,
        io,
        signal,
      })
    })
  } catch (error) {
    io.emit({ event: 'warning', host: at.host.name, message: messageOf(error) })
  }
}

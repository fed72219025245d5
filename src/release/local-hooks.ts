/** Hooks that run on this machine: once for a run, in the folder of the project. */
import { HOOK_POINTS, type HookPoint } from '../config/hooks.ts'
import { messageOf, ShipError } from '../errors.ts'
import { inStep } from '../io.ts'
import { runLocal } from '../process.ts'
import type { Runner } from '../runner.ts'
import { onceKey } from './choose-hooks.ts'
import { runHooks, type HookFacts } from './hooks.ts'
import { factsOf, sessionOf, type At, type Run } from './step.ts'

/** Runs those of a point; what a run that died had done is not done again. `name` may be of any step. */
export async function localHooks(ats: readonly At[], name: string): Promise<void> {
  const point = HOOK_POINTS.find((one) => one === name)
  const [first] = ats.filter(({ plan }) => plan.action !== 'none')
  if (point === undefined || !first) return
  const { run } = first
  const hooks = first.hooks.local(point).filter((hook) => !first.done.has(onceKey(run.plan, point, hook)))
  if (hooks.length === 0) return
  const signal = AbortSignal.any(ats.map((at) => at.signal))
  await inStep(run.io.emit, { step: point, title: `${point} on this machine` }, async () => {
    for (const hook of hooks) {
      await runHere(point, [hook], first, { env: localEnv(ats, run.plan.kind), signal })
      // The fleet remembers it: the next run may be started on another machine.
      await sessionOf(first).remember(onceKey(run.plan, point, hook), first.lease, { signal })
    }
    return hooks.length === 1 ? '1 hook' : `${hooks.length} hooks`
  })
}

/** The same on the way back and after a failure, where what does not work is a warning. */
export async function tolerantLocalHooks(
  ats: readonly At[],
  point: HookPoint,
  action: HookFacts['action'],
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const [first] = ats.filter(({ plan }) => plan.action !== 'none')
  const hooks = first?.hooks.local(point) ?? []
  if (!first || hooks.length === 0) return
  const { io } = first.run
  const signal = AbortSignal.timeout(hooks.reduce((sum, h) => sum + h.timeoutMs, 60_000))
  try {
    await inStep(io.emit, { step: point, title: `${point} on this machine` }, async () => {
      await runHere(point, hooks, first, { env: { ...localEnv(ats, action), ...more }, signal })
    })
  } catch (error) {
    io.emit({ event: 'warning', message: messageOf(error) })
  }
}

async function runHere(
  point: HookPoint,
  hooks: Parameters<typeof runHooks>[1],
  { run }: At,
  { env, signal }: { readonly env: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<void> {
  const { io, environment } = run
  const place = { host: undefined, cwd: environment.projectDir, env, io, signal }
  await runHooks(point, hooks, { ...place, runner: () => local })
}

/** What cannot be started here is a failed hook, and no failed build. */
const local: Runner = async (argv, options) => {
  try {
    return await runLocal(argv, options)
  } catch (error) {
    if (error instanceof ShipError && error.reason === 'build') throw error.as('not-switched')
    throw error
  }
}

/** What is the same on all hosts, and their names; '' where they differ. */
function localEnv(ats: readonly At[], action: HookFacts['action']): Record<string, string> {
  const busy = ats.filter(({ plan }) => plan.action !== 'none')
  const facts = busy.map((at) => factsOf(at, at.host.deployTo, action))
  const common = (key: 'version' | 'previous'): string => {
    const values = new Set(facts.map((one) => one[key]))
    return values.size === 1 ? (facts[0]?.[key] ?? '') : ''
  }
  const run: Run | undefined = busy[0]?.run
  return {
    SHIP_ACTION: action,
    SHIP_APP: run?.environment.app ?? '',
    SHIP_ENVIRONMENT: run?.environment.name ?? '',
    SHIP_HOSTS: busy.map(({ host }) => host.name).join(','),
    SHIP_VERSION: common('version'),
    SHIP_PREVIOUS: common('previous'),
    SHIP_DIGEST: facts[0]?.digest ?? '',
    SHIP_RUN: run?.io.run ?? '',
  }
}

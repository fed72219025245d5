/** The way back of a fleet: who goes when, and who stays as it is behind a point of no return. */
import { forHosts } from '../fleet/fleet.ts'
import { allOrThrow } from '../fleet/results.ts'
import type { ShipError } from '../errors.ts'
import { hooksBack } from './at-hosts.ts'
import { wayBackOrder } from './back-order.ts'
import { tolerantLocalHooks } from './local-hooks.ts'
import { afterUndo } from './outcome.ts'
import type { Plan } from './plan.ts'
import { putBack, type PutBack, type Stay } from './put-back.ts'
import type { At } from './step.ts'
import { gatesAt } from './steps/gate.ts'
import { noReturnOf } from './way-back.ts'

interface Undone {
  /** The error that began it, with what it means for the fleet. */
  readonly error: ShipError
  readonly isHealthy: (host: string) => boolean
  /** Of hosts that were put back before; those of this way back are added. */
  readonly results: Map<string, PutBack>
}

/** Puts back all hosts whose switch was begun, wave by wave, unless that leads behind a point of no return on any: then all stay. */
export async function undo(
  begun: readonly At[],
  plan: Plan,
  { error, isHealthy, results }: Undone,
): Promise<ShipError> {
  const [passed] = begun.flatMap((at) => noReturnOf(at) ?? [])
  const hooks = await hooksBack(begun).catch(() => undefined)
  const ats = hooks ? begun.map((at) => ({ ...at, hooks })) : begun
  const stay = (at: At): Stay | undefined => passed && { passed, isHealthy: isHealthy(at.host.name) }
  for (const group of wayBackOrder(ats, plan.waves)) await goBack(group, results, stay)
  const isBack = [...results.values()].some((r) => r.outcome === 'put-back')
  if (isBack && hooks) await tolerantLocalHooks(ats, 'afterSwitch', 'put-back')
  const gated = begun.some((at) => gatesAt(at).length > 0)
  return afterUndo(error, results, { gated, passed })
}

/** Hosts that go back alone, while the others go on; they run the hooks of a way back. */
export async function goBackAlone(group: readonly At[], results: Map<string, PutBack>): Promise<void> {
  const hooks = await hooksBack(group).catch(() => undefined)
  await goBack(hooks ? group.map((at) => ({ ...at, hooks })) : group, results)
}

/** Puts hosts back together. One that was put back before is left alone. */
async function goBack(
  group: readonly At[],
  results: Map<string, PutBack>,
  stay: (at: At) => Stay | undefined = () => undefined,
): Promise<void> {
  const left = group.filter((at) => !results.has(at.host.name))
  const undone = await forHosts(
    left.map((at) => at.host),
    async (host) => {
      const at = left.find((one) => one.host === host)
      if (at) results.set(host.name, await putBack(at, stay(at)))
    },
  )
  allOrThrow(undone)
}

/**
 * Wave by wave: switch, gate, bake. A host that fails by itself is put back alone when that many may fail; everything else that goes
 * wrong takes every switched host back, in the reverse order of the waves.
 */
import type { ShipError } from '../errors.ts'
import { mergedError } from '../fleet/results.ts'
import { mayGoOn } from './allowance.ts'
import { bake, pause } from './bake.ts'
import { reported } from './failure-report.ts'
import { localHooks } from './local-hooks.ts'
import { onAll } from './on-all.ts'
import { asShipError } from './outcome.ts'
import type { Plan } from './plan.ts'
import type { PutBack } from './put-back.ts'
import type { At, Step } from './step.ts'
import { arm, confirm } from './steps/confirm.ts'
import { drain, undrain } from './steps/drain.ts'
import { gate } from './steps/gate.ts'
import { afterSwitch } from './steps/hooks.ts'
import { switchStep } from './steps/switch.ts'
import { goBackAlone, undo } from './undo.ts'
import { noReturnOf } from './way-back.ts'

/** What a host goes through in its wave. */
export const OF_A_WAVE: readonly Step[] = [drain, arm, switchStep, afterSwitch, gate, confirm, undrain]

/** Those of them that come when a host ran its hooks. */
const AFTER_HOOKS: readonly Step[] = [gate, confirm, undrain]

/** A host that failed by itself, and why. */
export interface Lost {
  readonly at: At
  readonly error: ShipError
}

interface SwitchedOver {
  /** Hosts that run the release now, each with the plan that is left; all of them, or none when there is an error. */
  readonly ats: readonly At[]
  readonly lost: readonly Lost[]
  /** Of every host that was put back, or should have been. */
  readonly results: ReadonlyMap<string, PutBack>
  readonly error?: ShipError
}

/** What is known of a run in the middle of its waves. */
interface Tally {
  /** Hosts that failed by themselves, before the waves too. */
  spent: number
  /** Through their wave, and not failed since. */
  healthy: At[]
  readonly failed: Set<string>
  readonly results: Map<string, PutBack>
}

/** The waves of a plan on hosts that are staged. `spent` hosts failed before. Never rejects: an error is what it means for the fleet. */
export async function switchOver(staged: readonly At[], plan: Plan, spent: number): Promise<SwitchedOver> {
  const tally: Tally = { spent, healthy: [], failed: new Set(), results: new Map() }
  const { results, failed } = tally
  const lost: Lost[] = []
  // A host that a dead run switched takes part in the way back even when its wave was not reached.
  const begun = new Map(staged.filter((at) => at.plan.action === 'resume').map((at) => [at.host.name, at]))
  let ats = staged
  let members: readonly At[] = []
  try {
    for (const [index, wave] of plan.waves.entries()) {
      members = ats.filter((at) => wave.includes(at.plan.host))
      for (const at of members) begun.set(at.host.name, at)
      const fell = await runWave(members, ats, { plan, tally, isLast: index === plan.waves.length - 1 })
      lost.push(...fell)
      tally.healthy.push(...members.filter((at) => fell.every((one) => one.at !== at)))
      ats = without(ats, fell)
      const rule = plan.waveRules[index]
      await bake(tally.healthy, rule?.bakeMs ?? 0, failed)
      await pause(ats, rule?.pauseMs ?? 0)
    }
    return { ats, lost, results }
  } catch (error) {
    const known = asShipError(error)
    const isBegun = (at: At): boolean => failed.has(at.host.name) && !results.has(at.host.name)
    const seen = await reported(known, [...begun.values()].filter(isBegun))
    // Of a wave whose gate failed, or what comes behind it, those that did not fail are through their gate.
    const isGated = AFTER_HOOKS.some(({ name }) => name === known.step)
    const well = [...tally.healthy, ...(isGated ? members : [])].map((at): string => at.host.name)
    const isHealthy = (host: string): boolean => well.includes(host) && !failed.has(host)
    return { ats: [], lost, results, error: await undo([...begun.values()], plan, { error: seen, isHealthy, results }) }
  }
}

/** One wave. Resolves with the hosts that failed and were put back alone; rejects when the run may not go on without them. */
async function runWave(
  members: readonly At[],
  all: readonly At[],
  { plan, tally, isLast }: { readonly plan: Plan; readonly tally: Tally; readonly isLast: boolean },
): Promise<Lost[]> {
  const lost: Lost[] = []
  const isIn = (at: At): boolean => lost.every((one) => one.at !== at)
  for (const step of OF_A_WAVE) {
    const here = members.filter(isIn)
    const failed = (await onAll(here, step)).filter((r) => !r.ok)
    const fell = here.filter((at) => failed.some(({ host }) => host === at.host))
    for (const at of fell) tally.failed.add(at.host.name)
    if (fell.length > 0) {
      const failures = failed.map(({ host, error }) => ({ host: host.name, error }))
      const counts = { spent: tally.spent, left: tally.healthy.length + here.length - fell.length }
      const error = mergedError(failed, here.length)
      if (!mayGoOn(plan, failures, counts) || fell.some((at) => isNeeded(at, step))) throw error
      const seen = await reported(asShipError(error), fell)
      await goBackAlone(fell, tally.results)
      // A host of which nobody knows what it serves is no host that merely stays behind.
      if (fell.some((at) => tally.results.get(at.host.name)?.outcome === 'stranded')) throw seen
      tally.spent += fell.length
      for (const { host, error: own } of failures) {
        const at = fell.find((one) => one.host.name === host)
        if (at) lost.push(lostAt(at, asShipError(own), at === fell[0] ? seen.details : []))
      }
    }
    if (step === afterSwitch && isLast) await localHooks(all.filter(isIn), step.name)
  }
  return lost
}

/** Whether a host cannot simply stay behind: it owes a hook that no other host will run, or its way back leads behind a point of no return. */
function isNeeded(at: At, step: Step): boolean {
  const owes = !AFTER_HOOKS.includes(step) && at.hooks.on('afterSwitch', at.host.name).some((hook) => hook.once)
  return owes || noReturnOf(at) !== undefined
}

/** Tells of a host that the run goes on without; `details` are what it said itself. */
export function lostAt(at: At, error: ShipError, details: readonly string[] = []): Lost {
  const { environment, io } = at.run
  io.emit({
    event: 'warning',
    host: at.host.name,
    message: `is left out and stays behind: ${error.message}`,
    details,
    next: [`when it is well again: ship release --catch-up -e ${environment.name}`],
  })
  return { at, error }
}

/** The others. */
export function without(ats: readonly At[], lost: readonly Lost[]): At[] {
  const out = lost.map(({ at }) => at.host.name)
  return ats.filter((at) => !out.includes(at.host.name))
}

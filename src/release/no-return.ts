/**
 * The point of no return: a hook did what cannot be taken back (migrated data), so releases from before it may not work any more. Every
 * host's record says which release passed it last. Pure.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import type { HostState, NoReturn, ReleaseRecord } from '../host/session.ts'
import { compareVersions, type Version } from '../version.ts'
import { liveRecord } from './observe.ts'
import type { Plan } from './plan.ts'

/** The hook that passed it for this very release in a run before, by the records of hosts that are switched already. */
export function ownNoReturn(plan: Plan, hosts: readonly { readonly state: HostState }[]): string | undefined {
  const passed = hosts.map(({ state }) => liveRecord(state)?.noReturn)
  return passed.find((one) => one?.version === plan.target)?.hook
}

/** What a release inherits from the one that it follows. */
export function passedBefore(live: ReleaseRecord | undefined): NoReturn | undefined {
  return live?.noReturn
}

/** The point that lies between a release and one that it would be put back to; undefined: none. `back` null is no release at all. */
export function passedBetween(
  record: ReleaseRecord,
  back: string | null,
  { releases }: Pick<HostState, 'releases'>,
): NoReturn | undefined {
  const { noReturn } = record
  if (!noReturn || back === null) return undefined
  const target = releases.find((r) => `releases/${r.version}` === back)
  return noReturn.seq > (target?.seq ?? 0) ? noReturn : undefined
}

/** Why a host cannot go back to a release that it has; undefined when nothing lies between. */
export function rollbackAcross(
  environment: Environment,
  target: ReleaseRecord,
  state: HostState,
): ShipError | undefined {
  const live = liveRecord(state)
  if (!live || live.version === target.version) return undefined
  const passed = passedBetween(live, `releases/${target.version}`, state)
  return passed && refusal(passed, target.version, `ship rollback ${target.version} --force -e ${environment.name}`)
}

/** The same for releasing something older than what passed the point. */
export function releaseAcross(environment: Environment, version: Version, state: HostState): ShipError | undefined {
  const passed = liveRecord(state)?.noReturn
  if (!passed || compareVersions(version, passed.version) >= 0) return undefined
  const again = `ship release ${version} --allow-downgrade --force -e ${environment.name}`
  return refusal(passed, version, again)
}

function refusal(passed: NoReturn, version: Version, next: string): ShipError {
  return new ShipError('refused', `${version} lies behind the point of no return of ${passed.version}`, {
    state: 'nothing was changed on any host',
    details: [whyNoReturn(passed)],
    next: [`if ${version} works with what that hook left: ${next}`],
  })
}

/** "hook \"bin/migrate\" of 1.2.0 did what cannot be taken back, ...". */
export function whyNoReturn({ hook, version }: NoReturn): string {
  return `hook "${hook}" of ${version} did what cannot be taken back, and releases from before it may not work any more`
}

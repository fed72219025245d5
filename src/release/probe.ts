/** Asks every host of a fleet for its state at once, one round trip each. */
import { stepOnHosts, type Fleet } from '../fleet/fleet.ts'
import { allOrThrow } from '../fleet/results.ts'
import type { Io } from '../io.ts'
import type { Observed } from './observe.ts'
import { holder } from './owner.ts'
import { askedFiles, lockedError } from './steps/lock.ts'

/** With `refuseLocked`, rejects with reason `locked` when a run that is known to live holds a host: no need to try. */
export async function observe(
  fleet: Fleet,
  io: Io,
  options: { readonly refuseLocked?: boolean } = {},
): Promise<Observed[]> {
  const sharedFiles = askedFiles(fleet)
  const results = await stepOnHosts(io, 'probe', fleet.hosts, async (host) => {
    const state = await fleet.session(host.name).probe({ sharedFiles }, { signal: io.signal })
    const { lock } = state
    if (options.refuseLocked === true && lock && holder(lock) === 'alive')
      throw lockedError(lock, fleet.environment.name)
    return { value: { host: host.name, state } }
  })
  return allOrThrow(results, { state: 'nothing was changed on any host' })
}

/** One step of the transaction on many hosts at once. */
import { stepOnHosts } from '../fleet/fleet.ts'
import type { HostResult } from '../fleet/results.ts'
import type { At, Step } from './step.ts'

/** Runs a step where it is needed; the other hosts say why it is not. Resolves with the result of every host that needed it. */
export async function onAll(ats: readonly At[], step: Step): Promise<HostResult<undefined>[]> {
  const wanted = ats.filter((at) => {
    const reason = step.skip?.(at)
    if (reason !== undefined && reason !== '')
      at.run.io.emit({ event: 'step.skipped', step: step.name, host: at.host.name, reason })
    return reason === undefined
  })
  const [first] = wanted
  if (!first) return []
  return stepOnHosts(
    first.run.io,
    step.name,
    wanted.map((at) => at.host),
    async (host) => {
      const at = wanted.find((one) => one.host === host)
      if (at?.signal.aborted === true) throw at.signal.reason
      return { value: undefined, note: (at && (await step.run(at))) ?? undefined }
    },
  )
}

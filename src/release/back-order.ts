/** In which order hosts go back. Pure. */
import type { At } from './step.ts'

/**
 * Groups of hosts that go back together: wave by wave, the last one first. The hosts that failed are out of service already, and they
 * are back before the next ones are taken out, so going back costs no more capacity than going forward did.
 */
export function wayBackOrder(begun: readonly At[], waves: readonly (readonly string[])[]): At[][] {
  const newestFirst = begun.toReversed()
  const groups = waves.map((wave) => newestFirst.filter((at) => wave.includes(at.host.name)))
  return groups.toReversed().filter((group) => group.length > 0)
}

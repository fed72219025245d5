/** `ship pin`: a release that is never pruned. */
import { setPinned } from '../release/upkeep.ts'
import { count } from '../ui/measure.ts'
import { parseVersion } from '../version.ts'
import type { RunCommand } from './command.ts'
import { chosenEnvironment } from './project.ts'

export const run: RunCommand = pinning(true)

/** The command that sets or takes the pin. */
export function pinning(pinned: boolean): RunCommand {
  return async (input, context) => {
    const version = parseVersion(input.args[0] ?? '')
    const environment = await chosenEnvironment(input, context)
    await setPinned(environment, version, pinned, context.io)
    const hosts = count(environment.hosts.length, 'host')
    return {
      data: { environment: environment.name, version, pinned, hosts: environment.hosts.map((h) => h.name) },
      text: () => [pinned ? `${version} is pinned on ${hosts}` : `${version} is no longer pinned on ${hosts}`],
    }
  }
}

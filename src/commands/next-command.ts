/** Commands that a message names, as they have to be typed here. Pure. */

/** Those that ask "which environment?" where there are several. */
const OF_ENVIRONMENT = /\bship (check|plan|prune|release|releases|rollback|status|trust|unlock)\b([^,;]*)/g

/**
 * "then: ship trust" -> "then: ship trust -e staging". Who throws an error about a host or a disk does not know of environments; who
 * typed one has to type it again. Undefined: there is only one, and the command finds it.
 */
export function inEnvironment(next: readonly string[], environment: string | undefined): readonly string[] {
  if (environment === undefined) return next
  return next.map((line) =>
    line.replace(OF_ENVIRONMENT, (command: string, verb: string, rest: string) =>
      /(^| )(-e|--environment|--plan)( |$)/.test(rest) ? command : `ship ${verb} -e ${environment}${rest}`,
    ),
  )
}

/** Lines of `triggers` (deb-triggers(5)). */

const DIRECTIVE = /^(?:interest|activate)(?:-await|-noawait)?[ \t]+[\x21-\x7e]+$/

/** Why a line is none; undefined when it is one. */
export function triggerProblem(line: string): string | undefined {
  return DIRECTIVE.test(line) ? undefined : 'is no trigger; write "interest-noawait /path" or "activate-noawait name"'
}

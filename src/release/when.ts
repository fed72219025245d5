/** Conditions of hooks: whether they hold on a host, and how they read in a plan. */
import picomatch from 'picomatch'
import type { Direction, Hook, When, WhenFacts } from '../config/hooks.ts'
import { messageOf, ShipError } from '../errors.ts'
import { compareVersions, isVersion } from '../version.ts'

/** Rejects with reason `config` when a function of the configuration throws. */
export async function holds({ when, title }: Hook, facts: WhenFacts): Promise<boolean> {
  if (when === undefined) return true
  if (typeof when === 'string') return direction(facts) === when
  if (typeof when === 'object') return matchesAny(when.changed, facts.changed)
  try {
    return await when(facts)
  } catch (error) {
    throw new ShipError('config', `"when" of hook "${title}" threw for host "${facts.host}": ${messageOf(error)}`, {
      state: 'nothing was changed on any host',
      cause: error,
    })
  }
}

/**
 * Whether this is the first release of a host, or a step up or down. What stood there before and is no version counts as older. Of a
 * rollback that a dead run began, nobody knows where it came from: it leads down.
 */
export function direction({
  version,
  previous,
  action,
}: Pick<WhenFacts, 'version' | 'previous' | 'action'>): Direction {
  if (previous === '') return 'first'
  if (version === '') return 'downgrade'
  if (version === previous) return action === 'release' ? 'upgrade' : 'downgrade'
  return isVersion(previous) && isVersion(version) && compareVersions(version, previous) < 0 ? 'downgrade' : 'upgrade'
}

/** What is not known may have changed: a migration too many is better than one too few. */
function matchesAny(patterns: readonly string[], changed: readonly string[] | undefined): boolean {
  if (changed === undefined) return true
  const matches = picomatch(patterns.flatMap(folderToo), { dot: true })
  return changed.some((path) => matches(path))
}

/** A pattern that names a folder stands for all that is in it. */
function folderToo(pattern: string): string[] {
  const bare = pattern.replace(/\/$/, '')
  return bare.endsWith('*') ? [bare] : [bare, `${bare}/**`]
}

/** Whether a condition looks at files. */
export function looksAtFiles(when: When | undefined): boolean {
  return typeof when === 'object' || typeof when === 'function'
}

/** A hook in a plan: "bin/migrate (when migrations/** changed; point of no return)". */
export function describeHook({ title, when, noReturn = false, local = false }: Hook): string {
  const notes = [
    ...(local ? ['on this machine'] : []),
    ...(when === undefined ? [] : [describeWhen(when)]),
    ...(noReturn ? ['point of no return'] : []),
  ]
  return notes.length === 0 ? title : `${title} (${notes.join('; ')})`
}

function describeWhen(when: When): string {
  if (when === 'first') return 'on a first release'
  if (typeof when === 'string') return `on ${when === 'upgrade' ? 'an upgrade' : 'a downgrade'}`
  return typeof when === 'function' ? 'when its condition holds' : `when ${when.changed.join(', ')} changed`
}

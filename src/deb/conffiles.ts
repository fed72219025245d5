/**
 * Files that belong to the administrator once installed: dpkg asks before it replaces a changed one. Everything in /etc is one, as policy
 * (10.7) asks; nothing of a release is, for an upgrade must replace it whole.
 */
import { ShipError } from '../errors.ts'
import type { DataItem } from './data.ts'

const FLAG = 'remove-on-upgrade '

/** Lines of `conffiles`, sorted. `given`: absolute paths besides those of /etc, or `remove-on-upgrade /path`. Rejects (reason `config`). */
export function conffilesOf(items: readonly DataItem[], given: readonly string[]): readonly string[] {
  const files = new Map(items.filter((i) => i.type === 'file').map((i) => [`/${i.path}`, i]))
  const own = [...files.keys()].filter((path) => path.startsWith('/etc/'))
  for (const line of given) {
    const isGone = line.startsWith(FLAG)
    const path = isGone ? line.slice(FLAG.length) : line
    const problem = problemOf(path, { isGone, isThere: files.has(path) })
    if (problem !== undefined) throw new ShipError('config', `deb.conffiles: "${path}" ${problem}`)
  }
  const odd = own.find((path) => path.trimEnd() !== path)
  if (odd !== undefined) throw new ShipError('config', `"${odd}" of the .deb ends in a space, which no conffile may`)
  return [...new Set([...own, ...given])].toSorted()
}

function problemOf(
  path: string,
  { isGone, isThere }: { readonly isGone: boolean; readonly isThere: boolean },
): string | undefined {
  if (!path.startsWith('/')) return 'is not absolute'
  if (isGone) return isThere ? 'is to be removed on upgrade, and the package has it' : undefined
  if (!isThere) return 'is no file of the package'
  if (path.startsWith('/opt/')) return 'is part of a release, which an upgrade replaces whole; put it below /etc'
  return undefined
}

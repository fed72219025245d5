/** Files outside of the tree that a package ships for its services: units, users, folders. */
import { ShipError } from '../errors.ts'
import type { PackageFacts } from './facts.ts'
import { unitName, unitText } from './service.ts'
import { sysusersText, withEnd } from './users.ts'

export interface SystemFile {
  /** Relative to the root of the system, without a leading `/`. */
  readonly path: string
  readonly content: string
  readonly mode: number
}

/** Sorted by path. Throws (reason `config`) when two services have one name, or a service is none. */
export function systemFiles(facts: PackageFacts): readonly SystemFile[] {
  const sysusers = sysusersText(facts)
  const files = new Map<string, string>()
  // dpkg takes /lib as it is on this machine; the folder that is no link is the same on all.
  for (const service of facts.services) {
    const path = `usr/lib/systemd/system/${unitName(service)}`
    if (files.has(path)) throw new ShipError('config', `two services are named "${service.name}"`)
    files.set(path, unitText(service, facts.package))
  }
  if (sysusers !== undefined) files.set(`usr/lib/sysusers.d/${facts.package}.conf`, sysusers)
  if (facts.tmpfiles !== undefined) files.set(`usr/lib/tmpfiles.d/${facts.package}.conf`, withEnd(facts.tmpfiles))
  return [...files]
    .map(([path, content]) => ({ path, content, mode: 0o644 }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** What the scripts need installed, as entries of Depends; the same alternatives that debhelper names. */
export function scriptDepends(facts: PackageFacts): readonly string[] {
  const depends: string[] = []
  if (sysusersText(facts) !== undefined) depends.push('systemd | systemd-standalone-sysusers | systemd-sysusers')
  if (facts.tmpfiles !== undefined) depends.push('systemd | systemd-standalone-tmpfiles | systemd-tmpfiles')
  if (facts.debconf === true) depends.push('debconf | debconf-2.0')
  return depends
}

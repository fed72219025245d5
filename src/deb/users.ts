/** The package's sysusers.d(5) fragment: what the project wrote, and the users and groups that its services name. */
import type { PackageFacts } from './facts.ts'

/** Users that exist on every Debian (base-passwd) or are made otherwise by everyone who has systemd. */
const GIVEN = new Set(['root', 'daemon', 'nobody', 'nogroup', 'www-data', 'mail', 'backup', 'adm', 'users'])

/** Text of the fragment; undefined when there is nothing to make. */
export function sysusersText(facts: Pick<PackageFacts, 'package' | 'services' | 'sysusers'>): string | undefined {
  const own = facts.sysusers === undefined ? '' : withEnd(facts.sysusers)
  const declared = new Set([...GIVEN, ...own.split('\n').map((line) => /^[ugr]!?\s+(\S+)/.exec(line)?.[1] ?? '')])
  const lines: string[] = []
  const add = (name: string | undefined, line: (name: string) => string): void => {
    if (name === undefined || declared.has(name)) return
    declared.add(name)
    lines.push(line(name))
  }
  const services = facts.services.filter((service) => service.unit === undefined)
  // A user brings a group of its name.
  for (const { user } of services) add(user, (name) => `u ${name} - "${facts.package} service" /opt/${facts.package}\n`)
  for (const { group } of services) add(group, (name) => `g ${name} -\n`)
  const text = own + lines.join('')
  return text === '' ? undefined : text
}

/** With line ends of Unix, the last one too. */
export function withEnd(text: string): string {
  const lines = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
  return lines === '' || lines.endsWith('\n') ? lines : `${lines}\n`
}

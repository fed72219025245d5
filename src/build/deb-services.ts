/** The services of a package: those of the configuration, and the recipe's processes. */
import type { DebService, DebSettings } from '../config/deb.ts'
import type { ServiceSpec } from '../deb/service.ts'
import { ShipError } from '../errors.ts'
import type { AppProcess } from '../recipe.ts'
import { namedText } from './deb-files.ts'
import type { PackageSettings } from './deb-settings.ts'

export interface ServiceFacts {
  /** Folder of the project. */
  readonly dir: string
  readonly layout: 'plain' | 'omnibus'
  /** All packages of the build. */
  readonly packages: readonly PackageSettings[]
  readonly processes: readonly AppProcess[]
}

export interface Services {
  readonly services: readonly ServiceSpec[]
  /** Paths in the tree that must be programs. */
  readonly programs: readonly string[]
  /** The package whose tree the programs are in, when it is another. */
  readonly from: string | undefined
}

/** Rejects (reason `config`) a service without a program. */
export async function servicesOf({ name, settings }: PackageSettings, facts: ServiceFacts): Promise<Services> {
  const home = settings.tree === false ? facts.packages.find((p) => p.settings.tree !== false)?.name : name
  const declared = declaredServices(name, settings)
  const processes = facts.processes.filter((p) => belongs(p, name, facts))
  const wanted = new Map<string, DebService>(processes.map((p) => [p.name, { exec: `bin/${p.bin}` }]))
  for (const [key, service] of declared) wanted.set(key, { ...wanted.get(key), ...service })
  const services: ServiceSpec[] = []
  const programs: string[] = []
  for (const [key, { unit, ...service }] of wanted) {
    const { exec = '', workingDirectory } = service
    if (exec === '' && unit === undefined)
      throw new ShipError('config', `the service "${key}" of the package "${name}" has no program`, {
        next: [`say which: exec: "bin/${key}"`],
      })
    if (exec !== '' && !exec.startsWith('/')) programs.push(exec)
    const place = (path: string): string =>
      path.startsWith('/') || home === name ? path : `/opt/${home}/current/${path}`
    if (home === undefined && exec !== '' && !exec.startsWith('/'))
      throw new ShipError('config', `the service "${key}" runs "${exec}", and no package has the tree`)
    const folder = workingDirectory ?? (facts.layout === 'omnibus' ? 'app' : home === name ? undefined : '')
    services.push({
      ...service,
      name: unitNameOf(name, key),
      exec: place(exec),
      workingDirectory: folder === undefined ? undefined : place(folder).replace(/\/$/, ''),
      unit: unit === undefined ? undefined : await namedText(facts.dir, `unit of the service "${key}"`, unit),
    })
  }
  return { services, programs, from: home === name || programs.length === 0 ? undefined : home }
}

/** `service` is the one that has the package's own name. */
function declaredServices(
  name: string,
  { service, services = {} }: DebSettings,
): readonly (readonly [string, DebService])[] {
  return [...(service === undefined ? [] : [[name, service] as const]), ...Object.entries(services)]
}

/** A process goes where it is named; a process that nobody names, to the first package with a tree. */
function belongs(process: AppProcess, name: string, { packages }: ServiceFacts): boolean {
  const named = packages.find((p) => p.settings.services?.[process.name] !== undefined)
  return (named ?? packages.find((p) => p.settings.tree !== false))?.name === name
}

/** Units of all packages share one folder. */
function unitNameOf(name: string, key: string): string {
  if (key === name || key.startsWith(`${name}-`)) return key
  return name.endsWith(`-${key}`) ? name : `${name}-${key}`
}

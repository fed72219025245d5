/** The settings of each package: what holds for all, then for a processor, then the package's own. */
import type { DebConfig, DebSettings } from '../config/deb.ts'
import { ShipError } from '../errors.ts'
import { isPackageName } from '../deb/relations.ts'

export interface PackageSettings {
  readonly name: string
  readonly settings: DebSettings
}

/** What a package inherits of no other: two packages with the same of these could not be installed together. */
const OWN = ['files', 'dirs', 'links', 'service', 'services', 'sysusers', 'tmpfiles', 'scripts', 'debconf'] as const

/** `architecture`: Debian's name of the processor that is built for. Rejects (reason `config`) names that no package can have. */
export function packagesOf(app: string, config: DebConfig, architecture: string): readonly PackageSettings[] {
  const { package: own = app, packages, architectures } = config
  const common = { ...config, ...architectures?.[architecture] }
  if (!packages) return [{ name: checkedName(own), settings: common }]
  const owned = OWN.find((key) => common[key] !== undefined)
  if (owned !== undefined)
    throw new ShipError('config', `deb.${owned} would be in each of deb.packages`, {
      next: [`move it to the package that it is for: deb.packages.${Object.keys(packages)[0] ?? own}.${owned}`],
    })
  return Object.entries(packages).map(([name, { architectures: others, ...settings }]) => ({
    name: checkedName(name),
    settings: { ...common, ...settings, ...others?.[architecture] },
  }))
}

function checkedName(name: string): string {
  if (isPackageName(name)) return name
  throw new ShipError('config', `"${name}" is no name for a Debian package`, {
    next: ['name it with deb.package: lower-case letters, digits, "+", "-" and ".", two or more'],
  })
}

/** From the configuration to packages: read and judged before anything is built, put together when the tree is there. */
import type { DebSettings } from '../config/deb.ts'
import { debArchitecture } from '../deb/architecture.ts'
import { compressionWarning, parseCompression } from '../deb/compress.ts'
import { descriptionOf, descriptionProblem, fitted } from '../deb/description.ts'
import type { ScriptName } from '../deb/facts.ts'
import { assembleDeb, refuseShared, type DebPlan } from '../deb/package.ts'
import { RELATIONS, type RelationKey } from '../deb/relations.ts'
import { debVersion } from '../deb/version.ts'
import { debFileName, writeDeb } from '../deb/write.ts'
import { ShipError } from '../errors.ts'
import type { AppProcess } from '../recipe.ts'
import type { Io } from '../io.ts'
import type { Tree } from '../tree/manifest.ts'
import { changelogOf, type ChangelogRequest } from './deb-changelog.ts'
import { namedItems, namedText } from './deb-files.ts'
import { originOf, type Origin } from './deb-origin.ts'
import { servicesOf, type Services } from './deb-services.ts'
import { packagesOf, type PackageSettings } from './deb-settings.ts'
import type { Packer } from './packer.ts'

export interface DebRequest extends ChangelogRequest {
  /** The app's sources, in the checkout with `--ref`. */
  readonly sources: string
  /** Of the recipe. */
  readonly processes: readonly AppProcess[]
}

/** Rejects (reason `config`) by name whatever keeps a package from being made, as far as it can be known without the tree. */
export async function planDebs(request: DebRequest, io: Io): Promise<readonly DebPlan[]> {
  const { project, projectDir, sources } = request
  const origin = originOf([projectDir, sources])
  const packages = packagesOf(project.name, project.config.deb, debArchitecture(`linux-${process.arch}`))
  const plans: DebPlan[] = []
  const { layout } = project.config.build
  for (const one of packages) {
    const services = await servicesOf(one, { dir: projectDir, layout, packages, processes: request.processes })
    plans.push(await planDeb({ ...one, services }, origin, request, io))
  }
  return plans
}

/** What writes the packages of a tree. Rejects (reason `config`) what does not go with this tree. */
export function debPackers(plans: readonly DebPlan[], tree: Tree): readonly Packer[] {
  const debs = plans.map((plan) => ({ plan, deb: assembleDeb(plan, tree) }))
  refuseShared(debs.map(({ deb }) => deb))
  return debs.map(({ plan, deb }) => ({
    kind: 'deb',
    format: 'deb',
    label: debs.length === 1 ? 'deb' : `deb ${deb.control.package}`,
    file: debFileName(deb.control),
    write: (from, to, options) => writeDeb(to, from === tree ? deb : assembleDeb(plan, from), options),
  }))
}

async function planDeb(
  { name, settings, services }: PackageSettings & { readonly services: Services },
  origin: Origin,
  request: DebRequest,
  io: Io,
): Promise<DebPlan> {
  const { project, projectDir: dir, version, epoch } = request
  const { maintainer = origin.author, revision, keepMetadata, epoch: debEpoch } = project.config.deb
  if (maintainer === undefined) {
    const isDescribed = (settings.description ?? origin.description) !== undefined
    const more = isDescribed ? '' : ', description: "what it is, in one line"'
    throw new ShipError('config', 'deb.maintainer is missing: a package names who keeps it', {
      next: [`write deb: { maintainer: "Name <mail@host.example>"${more} }`],
    })
  }
  const { homepage = origin.homepage, license = origin.license } = settings
  const year = new Date(epoch * 1000).getUTCFullYear()
  const legal = { name: project.name, maintainer, homepage, license, text: origin.text, year }
  return {
    control: {
      package: name,
      source: name === project.name ? undefined : project.name,
      version: debVersion(version, { revision, keepMetadata, epoch: debEpoch }),
      architecture: settings.architecture,
      maintainer,
      relations: relationsOf(settings, services.from),
      section: settings.section ?? 'misc',
      priority: settings.priority ?? 'optional',
      multiArch: settings.multiArch,
      homepage,
      fields: fieldsOf(settings),
      description: describe(name, settings, origin, request),
    },
    hasTree: settings.tree ?? true,
    include: settings.include ?? [],
    exclude: settings.exclude ?? [],
    items: await namedItems(settings, { dir, allow: project.config.build.allow, signal: io.signal }),
    conffiles: settings.conffiles ?? [],
    triggers: settings.triggers ?? [],
    services: services.services,
    programs: services.programs,
    sysusers: await optionalText(dir, 'deb.sysusers', settings.sysusers),
    tmpfiles: await optionalText(dir, 'deb.tmpfiles', settings.tmpfiles),
    custom: await ownScripts(dir, settings),
    debconf: await debconfOf(dir, settings),
    compression: compressionFor(settings, project.config.build.targets, io),
    changelog: await changelogOf(request),
    copyright: (await optionalText(dir, 'deb.copyright', settings.copyright)) ?? legal,
    overrides: settings.lintianOverrides ?? [],
  }
}

function compressionFor(settings: DebSettings, targets: readonly string[], io: Io): DebPlan['compression'] {
  const compression = parseCompression(settings.compression ?? 'gzip')
  const warning = compressionWarning(compression, targets)
  if (warning !== undefined) io.emit({ event: 'warning', message: warning })
  return compression
}

/** `from`: the package whose programs the services of this one run. */
function relationsOf(settings: DebSettings, from: string | undefined): DebPlan['control']['relations'] {
  const needed = from === undefined ? [] : [`${from} (= \${binary:Version})`]
  const given = { ...settings, depends: [...needed, ...(settings.depends ?? [])] }
  const keys = Object.keys(RELATIONS) as RelationKey[]
  return Object.fromEntries(keys.map((key) => [key, given[key] ?? []]))
}

async function optionalText(dir: string, key: string, file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : namedText(dir, key, file)
}

async function ownScripts(dir: string, { scripts = {} }: DebSettings): Promise<DebPlan['custom']> {
  const texts: Partial<Record<ScriptName, string>> = {}
  for (const name of ['preinst', 'postinst', 'prerm', 'postrm'] as const) {
    const text = await optionalText(dir, `deb.scripts.${name}`, scripts[name])
    if (text !== undefined) texts[name] = text
  }
  return texts
}

async function debconfOf(dir: string, { debconf }: DebSettings): Promise<DebPlan['debconf']> {
  if (!debconf) return undefined
  const config = (await namedText(dir, 'deb.debconf.config', debconf.config)).replaceAll('\r\n', '\n')
  const templates = (await namedText(dir, 'deb.debconf.templates', debconf.templates)).replaceAll('\r\n', '\n')
  if (config.startsWith('#!')) return { config, templates }
  throw new ShipError('config', `deb.debconf.config is "${debconf.config}", which does not start with "#!"`)
}

/** Fields that have a key of their own, or are ours to say. */
const TAKEN =
  `${Object.values(RELATIONS).join(' ')} Package Source Version Architecture Maintainer Installed-Size Section
  Priority Multi-Arch Homepage Description`
    .toLowerCase()
    .split(/\s+/)

function fieldsOf({ fields = {} }: DebSettings): Readonly<Record<string, string>> {
  const taken = Object.keys(fields).find((name) => TAKEN.includes(name.toLowerCase()))
  if (taken === undefined) return fields
  throw new ShipError('config', `deb.fields: "${taken}" has a key of its own, or is made by ship`)
}

function describe(name: string, settings: DebSettings, origin: Origin, { project, version }: DebRequest) {
  const text = settings.description ?? (origin.description === undefined ? undefined : fitted(origin.description, name))
  if (text === undefined) {
    throw new ShipError('config', `the package "${name}" has no description`, {
      next: ['write deb: { description: "what it is, in one line" }, or "description" in package.json'],
    })
  }
  const problem = descriptionProblem(text, name)
  if (problem !== undefined) throw new ShipError('config', `deb.description of "${name}" ${problem}`)
  const what = `This package installs ${project.name} ${version}`
  const about =
    settings.tree === false ? `${what}.` : `${what} below /opt/${name}.\nThe version in use is /opt/${name}/current.`
  return descriptionOf(text, about)
}

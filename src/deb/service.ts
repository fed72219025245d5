/**
 * A service of a package as a systemd unit. What a unit line would read in another way than it is meant (line breaks, `%`, `$`, quotes)
 * is quoted here or refused by name; systemd itself judges the result in the tests (`systemd-analyze verify`).
 * Facts: systemd.service(5), systemd.exec(5), systemd.syntax(7).
 */
import { ShipError } from '../errors.ts'
import { escapeControls, parseRelPath } from '../names.ts'

export interface ServiceSpec {
  /** Name of the unit without `.service`. */
  readonly name: string
  /** Program: a path in the tree (`bin/shop`), or an absolute one. No arguments; those are `args`. */
  readonly exec: string
  readonly args?: readonly string[] | undefined
  readonly description?: string | undefined
  /** User and group it runs as; made on installation when they do not exist. Without it: root. */
  readonly user?: string | undefined
  readonly group?: string | undefined
  /** Folder in the tree (`app`) or an absolute one; default: the tree. */
  readonly workingDirectory?: string | undefined
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** Starts with the machine; default true. What an administrator changed later holds. */
  readonly enable?: boolean | undefined
  /** Starts on installation; default true. When false, an upgrade restarts it only if it runs. */
  readonly start?: boolean | undefined
  /** Default true: runs on until the new release is live, then restarts. False: stops before the upgrade and starts after it. */
  readonly restartAfterUpgrade?: boolean | undefined
  /** Name below `/var/lib`, owned by `user`, removed by purge. */
  readonly stateDirectory?: string | undefined
  /** Name below `/run`. */
  readonly runtimeDirectory?: string | undefined
  /** Units that it starts after; default `network.target`. */
  readonly after?: readonly string[] | undefined
  /** `Type=` of the unit; default `exec`. */
  readonly type?: string | undefined
  /** Lines that are added, or stand instead of ours with the same key. */
  readonly extra?: Readonly<Partial<Record<Section, Readonly<Record<string, string | readonly string[]>>>>> | undefined
  /** The whole unit instead of all above but name, enable, start and restartAfterUpgrade. */
  readonly unit?: string | undefined
}

type Section = 'Unit' | 'Service' | 'Install'
type Line = readonly [key: string, value: string]

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}$/
/** What useradd of Debian accepts. */
const USER = /^[a-z_][a-z0-9_-]{0,30}$/
const FOLDER = /^[A-Za-z0-9][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9][A-Za-z0-9_.-]*)*$/
const UNIT = /^[A-Za-z0-9:_.@\\-]+\.[a-z]+$/
const SETTING = /^[A-Za-z_][A-Za-z0-9_]*$/
const KEY = /^[A-Z][A-Za-z0-9]*$/
/** Rights that hardly any server needs. `extra` takes each back. */
const HARDENING: readonly Line[] = [
  ['NoNewPrivileges', 'yes'],
  ['PrivateTmp', 'yes'],
  ['ProtectSystem', 'full'],
  ['ProtectControlGroups', 'yes'],
  ['ProtectKernelModules', 'yes'],
  ['ProtectKernelTunables', 'yes'],
  ['RestrictSUIDSGID', 'yes'],
]

/** Name of the unit's file. */
export function unitName(service: ServiceSpec): string {
  checkName(service, 'name', service.name, NAME)
  return `${service.name}.service`
}

/** Text of the unit. Throws (reason `config`) what systemd would misread, with the service's name. */
export function unitText(service: ServiceSpec, packageName: string): string {
  unitName(service)
  if (service.unit !== undefined) return wholeUnit(service, service.unit)
  checkService(service)
  const tree = `/opt/${packageName}/current`
  const sections: Record<Section, Line[]> = {
    Unit: unitLines(service, packageName),
    Service: serviceLines(service, tree, packageName),
    Install: [['WantedBy', 'multi-user.target']],
  }
  return (['Unit', 'Service', 'Install'] as const)
    .map((section) => {
      const lines = merged(service, sections[section], service.extra?.[section] ?? {})
      return `[${section}]\n${lines.map(([key, value]) => `${key}=${value}\n`).join('')}`
    })
    .join('\n')
}

/** Folders with data of the services, which purge removes. Absolute, without doubles. */
export function stateFolders(services: readonly ServiceSpec[]): readonly string[] {
  const names = services.flatMap((s) =>
    s.unit === undefined && s.stateDirectory !== undefined ? [s.stateDirectory] : [],
  )
  return [...new Set(names)].toSorted().map((name) => `/var/lib/${name}`)
}

function unitLines({ description, after = ['network.target'] }: ServiceSpec, packageName: string): Line[] {
  const lines: Line[] = [['Description', specifiers(description ?? packageName)]]
  if (after.length > 0) lines.push(['After', after.join(' ')])
  return lines
}

function serviceLines(service: ServiceSpec, tree: string, packageName: string): Line[] {
  const { exec, args = [], user, group, workingDirectory, environment = {} } = service
  const folder = workingDirectory === undefined ? tree : below(tree, workingDirectory)
  const lines: Line[] = [
    ['Type', service.type ?? 'exec'],
    ['ExecStart', [program(below(tree, exec)), ...args.map(argument)].join(' ')],
    // The rest of the line is the path: no quotes here.
    ['WorkingDirectory', specifiers(folder)],
  ]
  if (user !== undefined) lines.push(['User', user])
  if (group !== undefined) lines.push(['Group', group])
  for (const [name, value] of Object.entries(environment).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(['Environment', quoted(specifiers(`${name}=${value}`))])
  }
  lines.push(['EnvironmentFile', `-/etc/default/${packageName}`], ['Restart', 'on-failure'])
  if (service.stateDirectory !== undefined) lines.push(['StateDirectory', service.stateDirectory])
  if (service.runtimeDirectory !== undefined) lines.push(['RuntimeDirectory', service.runtimeDirectory])
  return [...lines, ...HARDENING]
}

/** The user's lines in the place of ours with the same key, the others behind. */
function merged(
  service: ServiceSpec,
  ours: readonly Line[],
  extra: Readonly<Record<string, string | readonly string[]>>,
) {
  const theirs = Object.entries(extra).map(([key, value]) => {
    if (!KEY.test(key)) throw refusal(service, `extra "${escapeControls(key)}" is no key of a unit`)
    const values = typeof value === 'string' ? [value] : value
    return { key, lines: values.map((v): Line => [key, oneLine(service, key, v)]) }
  })
  const replaced = new Map(theirs.map(({ key, lines }) => [key, lines]))
  const seen = new Set<string>()
  const kept = ours.flatMap((line) => {
    const instead = replaced.get(line[0])
    if (!instead) return [line]
    if (seen.has(line[0])) return []
    seen.add(line[0])
    return instead
  })
  return [...kept, ...theirs.flatMap(({ key, lines }) => (seen.has(key) ? [] : lines))]
}

function checkService(service: ServiceSpec): void {
  const { exec, user, group, workingDirectory, after = [], environment = {} } = service
  const values = { exec, workingDirectory, description: service.description, type: service.type }
  for (const [key, value] of Object.entries(values)) if (value !== undefined) oneLine(service, key, value)
  for (const arg of service.args ?? []) oneLine(service, 'args', arg)
  for (const [name, value] of Object.entries(environment)) {
    checkName(service, 'environment', name, SETTING)
    oneLine(service, `environment ${name}`, value)
  }
  for (const unit of after) checkName(service, 'after', unit, UNIT)
  if (user !== undefined) checkName(service, 'user', user, USER)
  if (group !== undefined) checkName(service, 'group', group, USER)
  for (const key of ['stateDirectory', 'runtimeDirectory'] as const) {
    const value = service[key]
    if (value !== undefined) checkName(service, key, value, FOLDER)
  }
}

function wholeUnit(service: ServiceSpec, unit: string): string {
  const text = unit.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) throw refusal(service, 'unit holds a control character')
  if (!/^\[Service\]$/m.test(text)) throw refusal(service, 'unit has no [Service] section')
  return text.endsWith('\n') ? text : `${text}\n`
}

function checkName(service: ServiceSpec, key: string, value: string, form: RegExp): void {
  if (!form.test(value)) throw refusal(service, `${key} "${escapeControls(value)}" is not a name for it`)
}

function oneLine(service: ServiceSpec, key: string, value: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (/[\u0000-\u001f\u007f]/.test(value)) throw refusal(service, `${key} holds a line break or control character`)
  // systemd joins a line that ends so with the next one.
  if (value.endsWith('\\')) throw refusal(service, `${key} ends with a backslash`)
  return value
}

function refusal(service: ServiceSpec, problem: string): ShipError {
  return new ShipError('config', `service "${escapeControls(service.name)}": ${problem}`)
}

function below(tree: string, path: string): string {
  return path.startsWith('/') ? path : `${tree}/${parseRelPath(path)}`
}

/** `%` starts a specifier in nearly every value. */
function specifiers(value: string): string {
  return value.replaceAll('%', '%%')
}

/** The program itself: `$` stands for itself there. */
function program(path: string): string {
  return quoted(specifiers(path))
}

/** An argument: `$` would be a variable. */
function argument(value: string): string {
  return quoted(specifiers(value).replaceAll('$', '$$$$'))
}

function quoted(value: string): string {
  if (/^[A-Za-z0-9_./:=@%+,$-]+$/.test(value)) return value
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** The text of `control` (deb-control(5)): fields in the usual order, values that cannot break out of their field. */
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { RELATIONS, relationText, type RelationKey } from './relations.ts'

export interface ControlFields {
  readonly package: string
  /** Name of the source package, where it is another. */
  readonly source?: string | undefined
  /** Debian version. */
  readonly version: string
  readonly architecture: string
  readonly maintainer: string
  readonly relations: Readonly<Partial<Record<RelationKey, readonly string[]>>>
  readonly section: string
  readonly priority: string
  readonly multiArch?: string | undefined
  readonly homepage?: string | undefined
  /** Fields that have no key of their own. */
  readonly fields: Readonly<Record<string, string>>
  readonly description: Description
}

export interface Description {
  /** One line. */
  readonly synopsis: string
  /** Paragraphs and lines below it; empty lines divide paragraphs. */
  readonly extended: string
}

/** `installedKiB`: see installedSize. */
export function controlText(control: ControlFields, installedKiB: number): string {
  const { version, relations } = control
  const keys = Object.keys(RELATIONS) as RelationKey[]
  const fields: readonly (readonly [string, string | undefined])[] = [
    ['Package', control.package],
    ['Source', control.source],
    ['Version', version],
    ['Architecture', control.architecture],
    ['Maintainer', control.maintainer],
    ['Installed-Size', String(installedKiB)],
    ...keys.map((key) => [RELATIONS[key], relationText(relations[key] ?? [], version)] as const),
    ['Section', control.section],
    ['Priority', control.priority],
    ['Multi-Arch', control.multiArch],
    ['Homepage', control.homepage],
    ...Object.entries(control.fields),
    ['Description', descriptionText(control.description)],
  ]
  return fields.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [field(name, value)])).join('')
}

function field(name: string, value: string): string {
  const lines = value.replaceAll('\r\n', '\n').split('\n')
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(lines.join('')))
    throw new ShipError('config', `${name} of the .deb holds a control character: "${escapeControls(value)}"`)
  const [first = '', ...rest] = lines
  return `${[`${name}: ${first.trim()}`, ...rest.map((line) => continued(line))].join('\n')}\n`
}

/** A line that is empty or starts a field would end the field that it is in. */
function continued(line: string): string {
  const text = line.replace(/\s+$/, '')
  return text === '' ? ' .' : ` ${text}`
}

function descriptionText({ synopsis, extended }: Description): string {
  return `${synopsis}\n${extended.trim()}`
}

/** `copyright` in Debian's machine-readable form (DEP-5), as far as a build knows what it ships. */
import type { Component } from '../recipe.ts'

export interface CopyrightFacts {
  /** Name of the app. */
  readonly name: string
  readonly maintainer: string
  readonly homepage: string | undefined
  /** SPDX expression of the app itself. */
  readonly license: string | undefined
  /** The licence's text, when the sources have it. */
  readonly text: string | undefined
  /** Year of the sources. */
  readonly year: number
  /** What else is in the package. */
  readonly components: readonly Component[]
  /** Absolute folder with the components' licence texts, when the package has one. */
  readonly texts: string | undefined
}

const FORMAT = 'https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
/** SPDX ids whose text every Debian has, in /usr/share/common-licenses. Policy 12.5 wants a reference, not the text. */
const COMMON: readonly (readonly [RegExp, string])[] = [
  [/^Apache-2\.0$/, 'Apache-2.0'],
  [/^Artistic-1\.0/, 'Artistic'],
  [/^CC0-1\.0$/, 'CC0-1.0'],
  [/^GFDL-1\.2/, 'GFDL-1.2'],
  [/^GFDL-1\.3/, 'GFDL-1.3'],
  [/^GPL-1\.0/, 'GPL-1'],
  [/^GPL-2\.0/, 'GPL-2'],
  [/^GPL-3\.0/, 'GPL-3'],
  [/^LGPL-2\.0/, 'LGPL-2'],
  [/^LGPL-2\.1/, 'LGPL-2.1'],
  [/^LGPL-3\.0/, 'LGPL-3'],
  [/^MPL-1\.1$/, 'MPL-1.1'],
  [/^MPL-2\.0$/, 'MPL-2.0'],
]

export function copyrightText(facts: CopyrightFacts): string {
  const { name, maintainer, homepage, license, text, year } = facts
  const header = [
    ['Format', FORMAT],
    ['Upstream-Name', name],
    ['Upstream-Contact', maintainer],
    ['Source', homepage ?? ''],
    ['Comment', componentsText(facts)],
  ] as const
  const owners = holders(text)
  const own = [
    ['Files', '*'],
    ['Copyright', owners.length > 0 ? owners.join('\n') : `${year} ${maintainer}`],
    ['License', `${shortName(license)}\n${licenceBody(license, text)}`],
  ] as const
  return [header, own].map((fields) => fields.map(([key, value]) => fieldText(key, value)).join('')).join('\n')
}

function componentsText({ components, texts }: CopyrightFacts): string {
  if (components.length === 0) return ''
  const rows = components.map(({ name, version, license }) => ` ${name} ${version}: ${license ?? 'licence not known'}`)
  const where = texts === undefined ? [] : ['', `The texts of their licences are in ${texts}.`]
  return ['', 'The package contains other works, each under its own licence:', ...new Set(rows), ...where].join('\n')
}

/** `MIT or Apache-2.0`, as DEP-5 spells expressions. */
function shortName(license: string | undefined): string {
  if (license === undefined || /^(?:unlicensed|see licen[cs]e)/i.test(license)) return 'proprietary'
  const spelled = license.replaceAll(/[()]/g, '').replaceAll(/\b(?:OR|AND|WITH)\b/g, (word) => word.toLowerCase())
  return spelled.replaceAll(/[^A-Za-z0-9.+ -]/g, '-').trim()
}

function licenceBody(license: string | undefined, text: string | undefined): string {
  const common = COMMON.find(([id]) => license !== undefined && id.test(license))?.[1]
  if (common !== undefined) return `On Debian systems, the full text is in /usr/share/common-licenses/${common}.`
  if (text !== undefined) return text.trim()
  if (shortName(license) === 'proprietary') return 'All rights reserved.'
  return `The sources name this licence by its SPDX id: https://spdx.org/licenses/`
}

/** Lines of a licence that say who has the rights. */
function holders(text: string | undefined): readonly string[] {
  const lines = text?.split('\n').map((line) => line.trim()) ?? []
  return lines.flatMap((line) => /^copyright\s+(?:\(c\)\s*|©\s*)*(\d.*)$/i.exec(line)?.[1] ?? [])
}

function fieldText(key: string, value: string): string {
  if (value === '') return ''
  const [first = '', ...rest] = value.replaceAll('\r\n', '\n').split('\n')
  const lines = rest.map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
  return `${[`${key}:${first === '' ? '' : ` ${first}`}`, ...lines].join('\n')}\n`
}

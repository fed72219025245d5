/** The packages that pip installed into a tree, as components: what is there counts, not what was asked for. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuildStep, Component } from '../recipe.ts'
import { componentRef } from '../tree/components.ts'
import { compareBytes } from '../tree/entries.ts'
import { SITE_PACKAGES } from './python.ts'
import { normalName } from './requirements.ts'

/** SPDX ids of what classifiers call licences; those that mean several licences are left as they are. */
const CLASSIFIERS: Readonly<Record<string, string>> = {
  'MIT License': 'MIT',
  'Apache Software License': 'Apache-2.0',
  'ISC License (ISCL)': 'ISC',
  'Mozilla Public License 2.0 (MPL 2.0)': 'MPL-2.0',
  'Python Software Foundation License': 'PSF-2.0',
  'The Unlicense (Unlicense)': 'Unlicense',
  'zlib/libpng License': 'Zlib',
}
const MAX_LICENSE = 100

/** The packages below `site-packages` of the staged tree, in the order of their names, with what each needs. */
export async function pythonComponents(step: BuildStep): Promise<readonly Component[]> {
  const folder = join(step.out, SITE_PACKAGES)
  const infos = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.dist-info'))
  const found = await Promise.all(
    infos.map(async (info) => headers(await readFile(join(folder, info, 'METADATA'), 'utf8'))),
  )
  const all = found.map((fields) => ({ fields, component: componentOf(fields) }))
  const at = new Map(all.map(({ component }) => [normalName(component.name), componentRef(component)]))
  const components = all.map(({ fields, component }) => ({ ...component, dependsOn: needs(fields, at) }))
  return components.toSorted((a, b) => compareBytes(a.name, b.name))
}

type Fields = ReadonlyMap<string, readonly string[]>

/** Header fields of the form of e-mails (PEP 566): name -> values; the text after the first empty line is a description. */
function headers(text: string): Fields {
  const fields = new Map<string, string[]>()
  const [head = ''] = text.replaceAll('\r\n', '\n').split('\n\n')
  for (const line of head.split(/\n(?![ \t])/)) {
    const colon = line.indexOf(':')
    if (colon < 1) continue
    const name = line.slice(0, colon).toLowerCase()
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()])
  }
  return fields
}

function componentOf(fields: Fields): Component {
  const name = fields.get('name')?.[0] ?? ''
  const version = fields.get('version')?.[0] ?? '0'
  const purl = `pkg:pypi/${encodeURIComponent(normalName(name))}@${encodeURIComponent(version)}`
  return { name, version, license: licenseOf(fields), purl }
}

/** The expression (PEP 639), else what the classifiers say, else the free text when it is short: some put the whole licence there. */
function licenseOf(fields: Fields): string | undefined {
  const [expression] = fields.get('license-expression') ?? []
  if (expression !== undefined) return expression
  const classified = (fields.get('classifier') ?? []).flatMap((text) => {
    const [, name] = /^License :: (?:OSI Approved :: )?(.+)$/.exec(text) ?? []
    return name === undefined || name === 'OSI Approved' ? [] : [CLASSIFIERS[name] ?? name]
  })
  const [free = ''] = fields.get('license') ?? []
  const short =
    free !== '' && free !== 'UNKNOWN' && free.length <= MAX_LICENSE && !free.includes('\n') ? free : undefined
  return classified.length === 1
    ? classified[0]
    : (short ?? (classified.length > 1 ? classified.join(', ') : undefined))
}

/** What is asked for by an extra is left out: nobody may have asked for it. */
function needs(fields: Fields, at: ReadonlyMap<string, string>): readonly string[] | undefined {
  const wanted = (fields.get('requires-dist') ?? []).filter((text) => !/;.*\bextra\s*==/.test(text))
  const refs = wanted.flatMap((text) => at.get(normalName(/^[A-Za-z0-9._-]+/.exec(text)?.[0] ?? '')) ?? [])
  return refs.length > 0 ? [...new Set(refs)] : undefined
}

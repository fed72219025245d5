/** Components of a manifest: the parts of a tree that have a version of their own. */
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { publicUrl } from '../public-url.ts'
import type { Component } from '../recipe.ts'
import { allow, list, MAX_TEXT, record, shown, text } from './fields.ts'

/** In the order of the canonical text; those that are absent leave no trace there. */
export const COMPONENT_KEYS = ['name', 'version', 'license', 'kind', 'purl', 'source', 'digest', 'dependsOn']

type Kind = NonNullable<Component['kind']>
const KINDS: readonly string[] = ['application', 'library', 'runtime', 'file'] satisfies readonly Kind[]
const PURL = /^pkg:[a-z][a-z0-9.+-]*\/\S+$/
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/
const MAX_DEPENDENCIES = 1000
const WHERE = 'a component of the manifest'

/** How a component is named by others: `name@version`. */
export function componentRef({ name, version }: Pick<Component, 'name' | 'version'>): string {
  return `${name}@${version}`
}

/** In the order given, each name and version once: what a later one knows besides is added to the first. */
export function mergeComponents(components: readonly Component[]): readonly Component[] {
  const merged = new Map<string, Component>()
  for (const found of components) {
    const { name, version, license, kind, purl, source, digest, dependsOn } = found
    const ref = componentRef(found)
    const known = merged.get(ref)
    const needs = [...new Set([...(known?.dependsOn ?? []), ...(dependsOn ?? [])])].toSorted()
    merged.set(ref, {
      name,
      version,
      license: known?.license ?? license,
      kind: known?.kind ?? kind,
      purl: known?.purl ?? purl,
      source: known?.source ?? (source === undefined ? undefined : (publicUrl(source) ?? source)),
      digest: known?.digest ?? digest,
      dependsOn: needs.length > 0 ? needs : undefined,
    })
  }
  return [...merged.values()]
}

export function parseComponent(input: unknown): Component {
  const value = record(input, WHERE)
  allow(value, COMPONENT_KEYS, WHERE)
  const optional = (key: string): string | undefined =>
    value[key] === undefined ? undefined : text(value[key], `component ${key}`)
  const kind = optional('kind')
  if (kind !== undefined && !isKind(kind)) throw new ShipError('refused', `${WHERE} is of kind ${shown(kind)}`)
  return {
    name: text(value['name'], 'component name'),
    version: text(value['version'], 'component version'),
    license: optional('license'),
    kind,
    purl: optional('purl'),
    source: optional('source'),
    digest: optional('digest'),
    dependsOn: dependencies(value['dependsOn']),
  }
}

/** The rules that hold for built and for read components alike. */
export function checkComponents(components: readonly Component[], reason: 'build' | 'refused'): void {
  const refs = new Set(components.map(componentRef))
  for (const component of components) {
    const wrong = (what: string): ShipError =>
      new ShipError(reason, `component "${escapeControls(componentRef(component).slice(0, 200))}" has ${what}`)
    const { name, version, license, kind, purl, source, digest, dependsOn = [] } = component
    // A recipe may be plain JavaScript: types promise nothing there.
    if (typeof name !== 'string' || typeof version !== 'string') throw wrong('no name or no version')
    for (const field of [name, version, license, purl, source]) {
      if (field !== undefined && (field.length > MAX_TEXT || !field.isWellFormed()))
        throw wrong(`a text that is too long or no Unicode: ${shown(field)}`)
    }
    if (kind !== undefined && !isKind(kind)) throw wrong(`a kind that is none: ${shown(kind)}`)
    if (purl !== undefined && !PURL.test(purl)) throw wrong(`a package URL that is none: ${shown(purl)}`)
    if (digest !== undefined && !DIGEST.test(digest)) throw wrong(`a digest that is none: ${shown(digest)}`)
    // It may hold a password where none is looked for, so it is not shown.
    if (source !== undefined && publicUrl(source) !== source) throw wrong('a source that is no URL')
    const unknown = dependsOn.find((ref) => !refs.has(ref))
    if (unknown !== undefined) throw wrong(`a dependency that is not among the components: ${shown(unknown)}`)
  }
}

function dependencies(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined
  return list(value, 'dependencies of a component', MAX_DEPENDENCIES).map((ref) =>
    text(ref, 'a dependency', { max: 2 * MAX_TEXT + 1 }),
  )
}

function isKind(word: string): word is Kind {
  return KINDS.includes(word)
}

/** What a tree is made of, and from what: the components for the manifest, and the sources behind them for the provenance. */
import type { MadePart } from '../components/part.ts'
import type { Component } from '../recipe.ts'
import type { Resolved } from '../sources/index.ts'
import { componentRef } from '../tree/components.ts'
import type { NamedMaterial } from '../trust/provenance.ts'

/** Recipes that are components, each with what it depends on and what was found in it; then what was found in the app. */
export function componentsOf(parts: readonly MadePart[]): readonly Component[] {
  const refs = new Map(parts.filter((p) => p.node.role === 'component').map((p) => [p.name, componentRef(p)]))
  return parts.flatMap((part) => {
    if (part.node.role !== 'component') return part.parts
    const below = part.node.dependencies.flatMap((name) => refs.get(name) ?? [])
    const own = { name: part.name, version: part.version, license: part.license, ...originOf(part.resolved) }
    const dependsOn = [...below, ...topOf(part.parts)]
    return [{ ...own, dependsOn: dependsOn.length > 0 ? dependsOn : undefined }, ...part.parts]
  })
}

/** Where a component comes from. A digest is of one file; of several it would be told for one and be wrong for the rest. */
function originOf([first, ...others]: readonly Resolved[]): Pick<Component, 'purl' | 'source' | 'digest'> {
  if (!first) return {}
  const [material, ...more] = first.materials
  const source = material?.uri !== undefined && /^https?:/.test(material.uri) ? material.uri : undefined
  if (!material || more.length > 0 || others.length > 0) return { purl: first.purl, source }
  const [hash] = Object.entries(material.digest).filter(([algorithm]) => /^sha(?:256|384|512)$/.test(algorithm))
  return { purl: first.purl, source, digest: hash?.join(':') }
}

/** What nothing else in the list asked for. */
function topOf(components: readonly Component[]): readonly string[] {
  const needed = new Set(components.flatMap((c) => c.dependsOn ?? []))
  return components.map(componentRef).filter((ref) => !needed.has(ref))
}

/** By component and source, in a steady order. */
export function materialsOf(sources: ReadonlyMap<string, readonly Resolved[]>): readonly NamedMaterial[] {
  return [...sources]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([component, resolved]) =>
      resolved.flatMap(({ name, materials }) => materials.map((m) => ({ name: `${component}: ${name}`, ...m }))),
    )
}

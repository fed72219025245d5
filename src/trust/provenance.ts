/**
 * How a bundle came to be: an in-toto Statement v1 with the SLSA v1 provenance predicate. It holds no clock and no id of a run, so that
 * two builds of the same sources give the same bytes: who ran a build is told by the signature.
 */
import { publicRemote } from '../public-url.ts'
import type { Component } from '../recipe.ts'
import type { Manifest } from '../tree/manifest.ts'

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
export const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1'
/** What the parameters mean; it changes with their meaning. */
const BUILD_TYPE = 'urn:slipway:build:v1'

export interface ProvenanceFacts {
  readonly manifest: Manifest
  /** Name of the recipe. */
  readonly recipe: string
  /** Where the sources' repository comes from, as git knows it; credentials are cut off here. */
  readonly remote: string | undefined
  /** Archives and manifest of the bundle. */
  readonly subjects: readonly Subject[]
  /** What the lock says of the components' sources. */
  readonly materials: readonly NamedMaterial[]
  /** Who built: see `builderId`. */
  readonly builder: string
  readonly shipVersion: string
}

/** Something that bytes were taken from, and what identifies them. */
export interface NamedMaterial {
  readonly name: string
  readonly uri: string | undefined
  /** Algorithm -> hexadecimal. */
  readonly digest: Readonly<Record<string, string>>
}

interface Subject {
  readonly file: string
  readonly sha256: string
  /** Name of an archive's format. */
  readonly format?: string | undefined
}

export function provenanceFileName({ name, version }: Pick<Manifest, 'name' | 'version'>): string {
  return `${name}-${version}.provenance.json`
}

/** The whole text. Formats and subjects are sorted: in which order they were asked for is nobody's concern. */
export function provenanceText(facts: ProvenanceFacts): string {
  const { manifest, recipe, remote, subjects, materials, builder, shipVersion } = facts
  const { name, version, platform, epoch, commit, components } = manifest
  const formats = subjects.flatMap(({ format }) => (format === undefined ? [] : [format])).toSorted()
  // A component that has sources in the lock was told there, file by file.
  const locked = new Set(materials.flatMap(({ uri, digest }) => [uri, JSON.stringify(digest)]))
  const inside = components
    .flatMap(materialOf)
    .filter(({ uri, digest }) => !locked.has(uri) && !locked.has(JSON.stringify(digest)))
  const statement = {
    _type: STATEMENT_TYPE,
    subject: subjects
      .map(({ file, sha256 }) => ({ name: file, digest: { sha256 } }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        // A tag may move and a branch does: the commit that was meant is what counts, however it was named.
        externalParameters: { name, version, recipe, formats, ref: commit },
        internalParameters: { platform, sourceDateEpoch: epoch },
        resolvedDependencies: [...sourcesOf(manifest, remote), ...materials, ...inside],
      },
      runDetails: { builder: { id: builder, version: { ship: shipVersion } } },
    },
  }
  return `${JSON.stringify(statement, null, 2)}\n`
}

function sourcesOf({ commit, dirty }: Manifest, remote: string | undefined): readonly object[] {
  if (commit === undefined) return []
  const url = remote === undefined ? undefined : publicRemote(remote)
  return [
    {
      name: 'sources',
      uri: url === undefined ? undefined : `${url}@${commit}`,
      digest: { gitCommit: commit },
      // The work tree differed from the commit: somebody must not take the one for the other.
      annotations: dirty === true ? { dirty: true } : undefined,
    },
  ]
}

/** What a component was made from, when it is known to the byte. */
function materialOf(component: Component): readonly (Pick<NamedMaterial, 'name'> & Partial<NamedMaterial>)[] {
  const { name, version, purl, source, digest } = component
  const uri = source ?? purl
  if (uri === undefined || (digest === undefined && source === undefined)) return []
  const [algorithm = '', hex = ''] = digest?.split(':') ?? []
  return [{ name: `${name}@${version}`, uri, digest: digest === undefined ? undefined : { [algorithm]: hex } }]
}

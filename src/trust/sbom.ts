/** The bill of materials of a bundle, CycloneDX 1.6 as JSON. It follows from the manifest alone, so equal bundles have equal ones. */
import { createHash } from 'node:crypto'
import type { Component } from '../recipe.ts'
import { componentRef } from '../tree/components.ts'
import { manifestDigest, type Manifest } from '../tree/manifest.ts'
import { licenseOf, type License } from './licenses.ts'

/** Name of the property that holds the manifest's digest. */
export const DIGEST_PROPERTY = 'slipway:manifest:sha256'
/** Name space of the serial numbers: UUIDs of version 5 (RFC 9562) in a space of our own. */
const NAMESPACE = Buffer.from('8f3b1c52a6d94e0f9b7e5d0c41a2f863', 'hex')
const TYPES = {
  application: 'application',
  library: 'library',
  runtime: 'platform',
  file: 'file',
} satisfies Record<NonNullable<Component['kind']>, string>
const HASHES: Readonly<Record<string, string>> = { sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' }

export function sbomFileName({ name, version }: Pick<Manifest, 'name' | 'version'>): string {
  return `${name}-${version}.cdx.json`
}

/** The whole text. `shipVersion` stands in it as the tool that made it. */
export function sbomText(manifest: Manifest, shipVersion: string): string {
  const { name, version, epoch, platform, commit, components } = manifest
  const digest = manifestDigest(manifest)
  const app = componentRef({ name, version })
  const ref = bomRefs(manifest)
  const bom = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(digest)}`,
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      lifecycles: [{ phase: 'build' }],
      tools: { components: [{ type: 'application', name: 'slipway', version: shipVersion }] },
      component: {
        type: 'application',
        'bom-ref': app,
        name,
        version,
        purl: `pkg:generic/${encodeURIComponent(name)}@${encodeURIComponent(version)}`,
        properties: [
          { name: DIGEST_PROPERTY, value: digest },
          { name: 'slipway:platform', value: platform },
          ...(commit === undefined ? [] : [{ name: 'slipway:commit', value: commit }]),
        ],
      },
    },
    components: components.map((c) => ({ ...bomComponent(c), 'bom-ref': ref(componentRef(c)) })),
    dependencies: [
      { ref: app, dependsOn: topLevel(components).map(ref) },
      ...components.map((c) => ({ ref: ref(componentRef(c)), dependsOn: (c.dependsOn ?? []).map(ref) })),
    ],
  }
  return `${JSON.stringify(bom, null, 2)}\n`
}

/** How the SBOM calls a component of a manifest. One may be called like the app itself; references must be unique. */
export function bomRefs({ name, version, components }: Manifest): (component: string) => string {
  const app = componentRef({ name, version })
  const taken = new Set(components.map(componentRef))
  let other = `component:${app}`
  while (taken.has(other)) other = `component:${other}`
  return (component) => (component === app ? other : component)
}

/** A component as the SBOM tells it, without its reference. */
export function bomComponent({
  name,
  version,
  license,
  kind = 'library',
  purl,
  source,
  digest,
}: Component): BomComponent {
  const told = license === undefined ? undefined : licenseOf(license)
  const hashes = digest === undefined ? undefined : [hashOf(digest)]
  // The digest is that of what was fetched: it belongs to the address, when that is known.
  const fetched = source === undefined ? undefined : [{ type: 'distribution', url: source, hashes }]
  return {
    type: TYPES[kind],
    name,
    version,
    hashes: fetched === undefined ? hashes : undefined,
    licenses: told === undefined ? undefined : [told],
    purl,
    externalReferences: fetched,
  }
}

interface BomComponent {
  readonly type: string
  readonly name: string
  readonly version: string
  readonly hashes: readonly Hash[] | undefined
  readonly licenses: readonly License[] | undefined
  readonly purl: string | undefined
  readonly externalReferences: readonly object[] | undefined
}

interface Hash {
  readonly alg: string
  readonly content: string
}

function hashOf(digest: string): Hash {
  const [algorithm = '', content = ''] = digest.split(':')
  return { alg: HASHES[algorithm] ?? algorithm, content }
}

/** What nothing else asked for, so the app did; and one of each circle that would else hang in the air. */
function topLevel(components: readonly Component[]): readonly string[] {
  const needs = new Map(components.map((c) => [componentRef(c), c.dependsOn ?? []]))
  const needed = new Set([...needs].flatMap(([ref, all]) => all.filter((other) => other !== ref)))
  const top = [...needs.keys()].filter((ref) => !needed.has(ref))
  const reached = new Set<string>()
  const reach = (start: string): void => {
    for (const open = [start]; open.length > 0;) {
      const ref = open.pop() ?? ''
      if (reached.has(ref)) continue
      reached.add(ref)
      open.push(...(needs.get(ref) ?? []))
    }
  }
  for (const ref of top) reach(ref)
  for (const ref of needs.keys()) {
    if (reached.has(ref)) continue
    top.push(ref)
    reach(ref)
  }
  return top
}

function uuidOf(name: string): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

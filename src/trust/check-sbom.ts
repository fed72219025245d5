/** The SBOM against the manifest: the same components, told the same way. */
import { z } from 'zod'
import type { Component } from '../recipe.ts'
import { componentRef } from '../tree/components.ts'
import { checked, readDocument, type Beside, type Check } from './beside.ts'
import { bomComponent, bomRefs, DIGEST_PROPERTY, sbomFileName } from './sbom.ts'

/** Some ten times what the largest list of components takes. */
const LIMITS = { maxBytes: 128 * 1024 * 1024, maxValues: 5_000_000 }

const componentSchema = z.object({
  'bom-ref': z.string().optional(),
  name: z.string(),
  version: z.string().optional(),
  purl: z.string().optional(),
  licenses: z.unknown().optional(),
  hashes: z.unknown().optional(),
  externalReferences: z.unknown().optional(),
})
const sbomSchema = z.object({
  bomFormat: z.literal('CycloneDX'),
  metadata: z.object({
    component: z.object({
      name: z.string(),
      version: z.string(),
      properties: z.array(z.object({ name: z.string(), value: z.string().optional() })),
    }),
  }),
  components: z.array(componentSchema),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()).optional() })),
})
type Sbom = z.output<typeof sbomSchema>

export function checkSbom(beside: Beside): Promise<Check> {
  return checked('SBOM', async () => {
    const { manifest, digest } = beside.bundle
    const file = sbomFileName(manifest)
    const bom = await readDocument(beside, file, sbomSchema, LIMITS)
    if (!bom) return { result: 'missing', found: `there is no ${file}` }
    const { name, version, properties } = bom.metadata.component
    const wrong = (why: string) => ({ result: 'wrong', found: `${file} ${why}` }) as const
    if (name !== manifest.name || version !== manifest.version) return wrong(`is of ${name} ${version}`.slice(0, 200))
    if (properties.find((p) => p.name === DIGEST_PROPERTY)?.value !== digest) return wrong('is of another manifest')
    const difference = componentsDiffer(bom, manifest.components) ?? edgesDiffer(bom, manifest)
    if (difference !== undefined) return wrong(difference)
    return { result: 'ok', found: `${file} belongs to the manifest, components: ${manifest.components.length}` }
  })
}

function componentsDiffer(bom: Sbom, components: readonly Component[]): string | undefined {
  const listed = new Map(bom.components.map((c) => [componentRef({ name: c.name, version: c.version ?? '' }), c]))
  if (listed.size !== bom.components.length) return 'lists a component twice'
  for (const wanted of components) {
    const ref = componentRef(wanted)
    const found = listed.get(ref)
    if (!found) return `does not list ${ref}, which is in the manifest`
    const { purl, licenses, hashes, externalReferences } = bomComponent(wanted)
    const same = JSON.stringify({ purl, licenses, hashes, externalReferences })
    const told = { purl: found.purl, licenses: found.licenses, hashes: found.hashes }
    if (JSON.stringify({ ...told, externalReferences: found.externalReferences }) !== same)
      return `tells of ${ref} something else than the manifest`
    listed.delete(ref)
  }
  const [extra] = listed.keys()
  return extra === undefined ? undefined : `lists ${extra.slice(0, 200)}, which is not in the manifest`
}

function edgesDiffer(bom: Sbom, manifest: Beside['bundle']['manifest']): string | undefined {
  const edges = new Map(bom.dependencies.map((d) => [d.ref, d.dependsOn ?? []]))
  const ref = bomRefs(manifest)
  for (const component of manifest.components) {
    const wanted = (component.dependsOn ?? []).map(ref)
    const found = edges.get(ref(componentRef(component)))
    if (JSON.stringify(found?.toSorted()) !== JSON.stringify(wanted.toSorted()))
      return `tells other dependencies of ${componentRef(component)} than the manifest`
  }
  return undefined
}

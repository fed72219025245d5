/** The bill of materials against the official schema of CycloneDX 1.6, with packages that npm really installed. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Spec } from '@cyclonedx/cyclonedx-library'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { beforeAll, describe, expect, it } from 'vitest'
import { npmComponents } from '../../src/build/npm-components.ts'
import { parseAppName, type RelPath } from '../../src/names.ts'
import type { BuildStep, Component } from '../../src/recipe.ts'
import { componentRef } from '../../src/tree/components.ts'
import { makeManifest, manifestDigest, type Manifest } from '../../src/tree/manifest.ts'
import { licenseOf } from '../../src/trust/licenses.ts'
import { sbomText } from '../../src/trust/sbom.ts'
import { parseVersion } from '../../src/version.ts'

const ROOT = join(import.meta.dirname, '../..')

interface Bom {
  readonly serialNumber: string
  readonly metadata: { readonly component: { readonly 'bom-ref': string } }
  readonly components: readonly {
    readonly 'bom-ref': string
    readonly name: string
    readonly version: string
    readonly purl?: string
    readonly type: string
    readonly licenses?: readonly { readonly license?: { id?: string; name?: string }; readonly expression?: string }[]
    readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
  }[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

/** The schema that the library of CycloneDX carries, with what it refers to. */
function schema(): ValidateFunction {
  const library = dirname(createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json'))
  const read = (name: string): object =>
    JSON.parse(readFileSync(join(library, 'res/schema', `${name}.SNAPSHOT.schema.json`), 'utf8')) as object
  const ajv = new Ajv({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addFormat('iri-reference', true)
  ajv.addSchema(read('spdx'), 'http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json')
  ajv.addSchema(read('jsf-0.82'), 'http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json')
  return ajv.compile(read(`bom-${Spec.Version.v1dot6}`))
}

function manifest(components: readonly Component[], more: Partial<Manifest> = {}): Manifest {
  const file = { path: 'a' as RelPath, type: 'file', mode: 0o644, size: 0, sha256: '0'.repeat(64) } as const
  const facts = { name: parseAppName('shop'), version: parseVersion('1.0.0'), platform: 'any', epoch: 1_700_000_000 }
  return makeManifest({ ...facts, components, entries: [file], ...more })
}

function bomOf(components: readonly Component[], more: Partial<Manifest> = {}): Bom {
  return JSON.parse(sbomText(manifest(components, more), '1.2.3')) as Bom
}

let validate: ValidateFunction
let installed: readonly Component[]
beforeAll(async () => {
  validate = schema()
  installed = await npmComponents({ out: ROOT } as BuildStep)
})

function expectValid(bom: Bom): void {
  validate(bom)
  expect(validate.errors ?? []).toEqual([])
}

/** What can be reached from the app by its dependencies. */
function reached({ metadata, dependencies }: Bom): ReadonlySet<string> {
  const edges = new Map(dependencies.map((d) => [d.ref, d.dependsOn]))
  const seen = new Set<string>()
  const open = [metadata.component['bom-ref']]
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    if (seen.has(ref)) continue
    seen.add(ref)
    open.push(...(edges.get(ref) ?? []))
  }
  return seen
}

describe('the SBOM', () => {
  it('of the packages of this project is valid CycloneDX 1.6, and the schema would notice if it were not', () => {
    expect(installed.length).toBeGreaterThan(60)
    const bom = bomOf(installed, { commit: 'a'.repeat(40), platform: 'linux-x64' })
    expectValid(bom)
    const [first, ...others] = bom.components
    for (const wrong of [
      { ...bom, serialNumber: 'urn:uuid:1' },
      { ...bom, components: [{ ...first, licenses: [{ license: { id: 'No-Such-License' } }] }, ...others] },
      { ...bom, components: [{ ...first, hashes: [{ alg: 'sha512', content: 'ab' }] }, ...others] },
      { ...bom, components: [{ ...first, type: 'runtime' }, ...others] },
    ])
      expect(validate(wrong)).toBe(false)
  })

  it('tells each package as it is installed: package URL, licence, the digest of the lockfile', () => {
    const bom = bomOf(installed)
    const zod = JSON.parse(readFileSync(join(ROOT, 'node_modules/zod/package.json'), 'utf8')) as { version: string }
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { integrity?: string } | undefined>
    }
    const integrity = lock.packages['node_modules/zod']?.integrity ?? ''
    const sha512 = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')
    expect(bom.components.find((c) => c.name === 'zod')).toMatchObject({
      type: 'library',
      purl: `pkg:npm/zod@${zod.version}`,
      licenses: [{ license: { id: 'MIT' } }],
      hashes: [{ alg: 'SHA-512', content: sha512 }],
    })
    const scoped = bom.components.find((c) => c.name === '@types/semver')
    expect(scoped?.purl).toBe(`pkg:npm/%40types/semver@${scoped?.version}`)
  })

  it('has a graph without ends: each component once, all of them reached from the app', () => {
    const bom = bomOf(installed)
    const refs = bom.components.map((c) => c['bom-ref'])
    expect(new Set(refs).size).toBe(refs.length)
    expect(bom.dependencies.map((d) => d.ref).toSorted()).toEqual(['shop@1.0.0', ...refs].toSorted())
    expect([...reached(bom)].toSorted()).toEqual(['shop@1.0.0', ...refs].toSorted())
    const ajv = bom.dependencies.find((d) => d.ref.startsWith('ajv@'))
    expect(ajv?.dependsOn.map((ref) => ref.replace(/@[^@]*$/, ''))).toContain('fast-deep-equal')
  })

  it('reaches components that need each other, and one that is called like the app', () => {
    const circle = [
      { name: 'a', version: '1', dependsOn: ['b@1'] },
      { name: 'b', version: '1', dependsOn: ['a@1'] },
      { name: 'shop', version: '1.0.0', dependsOn: ['component:shop@1.0.0'] },
      { name: 'component:shop', version: '1.0.0' },
    ]
    const bom = bomOf(circle)
    expectValid(bom)
    const refs = bom.components.map((c) => c['bom-ref'])
    expect(new Set([...refs, 'shop@1.0.0']).size).toBe(5)
    expect(reached(bom).size).toBe(5)
    // The edge leads to the component, not to the app.
    const own = bom.components.find((c) => c.name === 'shop')
    expect(bom.dependencies.find((d) => d.ref === own?.['bom-ref'])?.dependsOn).toEqual(['component:shop@1.0.0'])
  })

  it('is the same text for the same manifest, and has another serial number for another', () => {
    const text = sbomText(manifest(installed), '1.2.3')
    expect(sbomText(manifest(installed.map((c) => ({ ...c }))), '1.2.3')).toBe(text)
    const bom = JSON.parse(text) as Bom
    // A UUID of version 5 (RFC 9562): of the manifest's digest, so of all that is in the bundle.
    expect(bom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(bomOf(installed, { epoch: 1_700_000_001 }).serialNumber).not.toBe(bom.serialNumber)
    expect(text).toContain(manifestDigest(manifest(installed)))
    expect(text).toContain('"timestamp": "2023-11-14T22:13:20.000Z"')
  })

  it.each<[string, object | undefined]>([
    ['MIT', { license: { id: 'MIT' } }],
    ['GPL-2.0-only WITH Classpath-exception-2.0', { expression: 'GPL-2.0-only WITH Classpath-exception-2.0' }],
    ['(MIT OR Apache-2.0)', { expression: 'MIT OR Apache-2.0' }],
    ['(MIT AND (BSD-3-Clause OR Zlib))', { expression: 'MIT AND (BSD-3-Clause OR Zlib)' }],
    ['LicenseRef-Our-Own', { expression: 'LicenseRef-Our-Own' }],
    ['SEE LICENSE IN LICENSE.md', { license: { name: 'SEE LICENSE IN LICENSE.md' } }],
    ['UNLICENSED', { license: { name: 'UNLICENSED' } }],
    ['apache 2', { license: { name: 'apache 2' } }],
    ['(MIT OR nonsense)', { license: { name: '(MIT OR nonsense)' } }],
    ['  ', undefined],
  ])('the licence %j is told as %j, and that is valid', (license, told) => {
    expect(licenseOf(license)).toEqual(told)
    const bom = bomOf([{ name: 'x', version: '1', license }])
    expectValid(bom)
    expect(bom.components[0]?.licenses).toEqual(told && [told])
  })

  it.each<Component>([
    { name: 'node', version: '24.1.0', kind: 'runtime' },
    {
      name: 'tool',
      version: '1',
      kind: 'application',
      source: 'https://example.org/tool.tgz',
      digest: `sha256:${'a'.repeat(64)}`,
    },
    { name: 'data', version: '2026-01', kind: 'file', digest: `sha384:${'b'.repeat(96)}` },
    { name: 'libssl3', version: '3.0.15-1~deb12u1', purl: 'pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64' },
    { name: 'Ünï cødé "<&>\n', version: '0' },
    { name: 'from git', version: '1', source: 'git+https://github.com/octo/shop' },
  ])('of a component %j is valid', (component) => {
    const bom = bomOf([component])
    expectValid(bom)
    expect(bom.components.map((c) => componentRef(c))).toEqual([componentRef(component)])
  })
})

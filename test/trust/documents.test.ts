/** SBOM and provenance that are well-formed and tell something else than the manifest, where no sums would notice. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ship } from '../support/cli.ts'
import { objections } from './judge.ts'

interface Component {
  name: string
  version: string
  purl?: string
  licenses?: object[]
  externalReferences?: { url: string; hashes?: { content: string }[] }[]
}

interface Bom {
  metadata: { component: { name: string; properties: { name: string; value: string }[] } }
  components: Component[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

interface Statement {
  _type: string
  predicateType: string
  subject: { name: string; digest: { sha256: string } }[]
  predicate: {
    buildDefinition: {
      externalParameters: { name: string; version: string; ref?: string }
      internalParameters: { platform: string }
    }
    runDetails?: object
  }
}

const RECIPE = `export default { name: 'shop', summary: 'app', build: (step) => step.copy(), components: async () => [
  { name: 'a', version: '1', license: 'MIT', purl: 'pkg:npm/a@1', dependsOn: ['b@2'],
    source: 'https://example.org/a.tgz', digest: 'sha256:${'a'.repeat(64)}' },
  { name: 'b', version: '2', license: 'Apache-2.0' },
] }`
const SBOM = 'shop-1.0.0.cdx.json'
const PROVENANCE = 'shop-1.0.0.provenance.json'

let home = ''
let dist = ''
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'ship-documents-'))
  dist = join(home, 'given')
  for (const folder of ['app', 'recipes']) mkdirSync(join(home, folder))
  writeFileSync(join(home, 'app/a.txt'), 'a\n')
  writeFileSync(join(home, 'recipes/shop.ts'), RECIPE.replace('(step)', '(step: any)'))
  const build = { from: 'app', recipe: 'shop' }
  writeFileSync(join(home, 'ship.config.json'), JSON.stringify({ name: 'shop', version: '1.0.0', build }))
  const { code, stderr } = await ship('build --format tar.gz', { cwd: home })
  expect(code, stderr).toBe(0)
})
afterAll(() => rmSync(home, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(dist, { recursive: true, force: true })
  cpSync(join(home, 'dist'), dist, { recursive: true })
  for (const name of ['SHA256SUMS', 'artifacts.json']) rmSync(join(dist, name))
})

async function against(file: string, change: (value: Bom & Statement) => unknown): Promise<string> {
  const value = JSON.parse(readFileSync(join(dist, file), 'utf8')) as Bom & Statement
  change(value)
  writeFileSync(join(dist, file), JSON.stringify(value))
  return (await objections(join(dist, 'shop-1.0.0.tar.gz'))).join('\n')
}

describe('a document that tells something else than the manifest', () => {
  it('is none as long as nothing was changed', async () => {
    expect(await against(SBOM, () => undefined)).toBe('')
    expect(await against(PROVENANCE, () => undefined)).toBe('')
    const { components } = JSON.parse(readFileSync(join(dist, SBOM), 'utf8')) as Bom
    expect(components.map((c) => c.name)).toEqual(['a', 'b'])
  })

  it.each<[string, (bom: Bom) => unknown, string]>([
    [
      'another licence',
      ({ components: [a] }) => a && (a.licenses = [{ license: { id: 'GPL-3.0-only' } }]),
      'tells of a@1 something else',
    ],
    ['no licence', ({ components: [, b] }) => b && delete b.licenses, 'tells of b@2 something else'],
    ['another package URL', ({ components: [a] }) => a && (a.purl = 'pkg:npm/evil@1'), 'tells of a@1 something else'],
    [
      'another address',
      ({ components: [a] }) => a?.externalReferences?.forEach((r) => (r.url = 'https://evil.example')),
      'tells of a@1 something else',
    ],
    [
      'another version',
      ({ components: [a] }) => a && (a.version = '1.1'),
      'does not list a@1, which is in the manifest',
    ],
    ['a component less', ({ components }) => components.pop(), 'does not list b@2, which is in the manifest'],
    [
      'a component more',
      ({ components }) => components.push({ name: 'c', version: '3' }),
      'lists c@3, which is not in the manifest',
    ],
    ['a component twice', ({ components }) => components.push(...components.slice(1)), 'lists a component twice'],
    [
      'other dependencies',
      ({ dependencies }) => dependencies.forEach((d) => (d.dependsOn = [])),
      'tells other dependencies of a@1',
    ],
    ['no dependencies', (bom) => (bom.dependencies = []), 'tells other dependencies of a@1'],
    ['another app', ({ metadata }) => (metadata.component.name = 'store'), 'is of store 1.0.0'],
    [
      'another manifest',
      ({ metadata }) => metadata.component.properties.forEach((p) => (p.value = '0')),
      'is of another manifest',
    ],
  ])('an SBOM with %s', async (_what, change, said) => {
    expect(await against(SBOM, change)).toContain(`${SBOM} ${said}`)
  })

  it.each<[string, (statement: Statement) => unknown, string]>([
    ['another app', (s) => (parameters(s).name = 'store'), 'is of store 1.0.0'],
    ['another version', (s) => (parameters(s).version = '1.0.1'), 'is of shop 1.0.1'],
    ['another commit', (s) => (parameters(s).ref = 'a'.repeat(40)), 'tells another commit or platform'],
    [
      'another platform',
      (s) => (s.predicate.buildDefinition.internalParameters.platform = 'linux-x64'),
      'tells another commit or platform',
    ],
    ['nothing of the archive', (s) => s.subject.pop(), 'says nothing of shop-1.0.0.tar.gz'],
    ['nothing at all', (s) => (s.subject = []), 'says nothing of shop-1.0.0.tar.gz, shop-1.0.0.manifest.json'],
    [
      'another digest',
      (s) => s.subject.forEach((one) => (one.digest.sha256 = '0'.repeat(64))),
      'is of another shop-1.0.0.manifest.json, shop-1.0.0.tar.gz',
    ],
    [
      'another kind of statement',
      (s) => Object.assign(s, { _type: 'https://in-toto.io/Statement/v0.1' }),
      'is not as ship writes it: _type',
    ],
    [
      'another kind of predicate',
      (s) => (s.predicateType = 'https://slsa.dev/provenance/v0.2'),
      'is not as ship writes it: predicateType',
    ],
    ['no builder', (s) => delete s.predicate.runDetails, 'is not as ship writes it: predicate.runDetails'],
  ])('a provenance with %s', async (_what, change, said) => {
    expect(await against(PROVENANCE, change)).toContain(`${PROVENANCE} ${said}`)
  })
})

function parameters(statement: Statement): { name: string; version: string; ref?: string } {
  return statement.predicate.buildDefinition.externalParameters
}

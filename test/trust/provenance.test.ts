/** The provenance of a real build: in-toto Statement v1 with the SLSA v1 predicate, from a git repository and sources in `ship.lock`. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { materialsOf } from '../../src/build/bill.ts'
import { resolveSource, type Resolved } from '../../src/sources/index.ts'
import type { Source } from '../../src/recipe.ts'
import { builderId } from '../../src/trust/builder.ts'
import { ship } from '../support/cli.ts'

interface Material {
  readonly name: string
  readonly uri?: string
  readonly digest: Readonly<Record<string, string>>
  readonly annotations?: object
}

interface Statement {
  readonly _type: string
  readonly predicateType: string
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[]
  readonly predicate: {
    readonly buildDefinition: {
      readonly buildType: string
      readonly externalParameters: object
      readonly internalParameters: object
      readonly resolvedDependencies: readonly Material[]
    }
    readonly runDetails: { readonly builder: { readonly id: string; readonly version: object } }
  }
}

const DATA = 'data from the web\n'
const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')
const server = createServer((_request, response) => void response.end(DATA))

let home = ''
let dir = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => void server.close())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ship-provenance-'))
  dir = join(home, 'shop')
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}

/** Makes a repository of a folder; answers its commit. */
function commit(folder: string): string {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trim()
  git('init', '-q', '-b', 'main')
  git('add', '-A')
  git('-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '-q', '-m', 'first')
  return git('rev-parse', 'HEAD')
}

async function build(env: Readonly<Record<string, string>> = {}, args = ''): Promise<Statement> {
  const result = await ship(`build ${args}`, { cwd: dir, env: { XDG_CACHE_HOME: join(home, 'cache'), ...env } })
  expect(result.code, result.stderr).toBe(0)
  return JSON.parse(readFileSync(join(dir, 'dist/shop-1.0.0.provenance.json'), 'utf8')) as Statement
}

describe('provenance', () => {
  it('tells what was built, by whom, from which commit and which locked sources, to the byte', async () => {
    write(join(home, 'lib'), { 'lib.txt': 'lib\n' })
    const libCommit = commit(join(home, 'lib'))
    const { port } = server.address() as AddressInfo
    const address = `http://127.0.0.1:${port}/data.txt`
    write(dir, {
      'app/a.txt': 'a\n',
      '.gitignore': 'dist\n',
      'ship.config.json': JSON.stringify({
        name: 'shop',
        version: '1.0.0',
        build: { from: 'app', recipe: 'shop', layout: 'omnibus', formats: ['tar.gz', 'zip'] },
      }),
      'recipes/shop.ts': `export default { name: 'shop', summary: 'app', license: 'MIT', dependencies: ['lib'],
        build: (step: any) => step.copy() }`,
      'recipes/lib.ts': `export default { name: 'lib', summary: 'lib', license: 'MIT', version: '2.1.0',
        dependencies: ['data'], sources: { code: { git: '../lib', ref: 'main' } },
        build: (step: any) => step.write('lib.txt', step.source('code') ? 'x' : '') }`,
      'recipes/data.ts': `export default { name: 'data', summary: 'data', license: 'CC0-1.0', version: '2026.1',
        sources: { file: { url: '${address}?token=secret' } },
        build: (step: any) => step.write('data.txt', 'x') }`,
    })
    const own = commit(dir)
    execFileSync('git', ['remote', 'add', 'origin', 'https://user:secret@example.org/octo/shop.git'], { cwd: dir })
    const statement = await build({}, '--allow-dirty')
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
    })
    const files = readdirSync(join(dir, 'dist'))
      .filter((name) => /\.(?:manifest\.json|tar\.gz|zip)$/.test(name))
      .toSorted()
    expect(files.length).toBe(3)
    const onDisk = files.map((name) => ({ name, digest: { sha256: sha256(readFileSync(join(dir, 'dist', name))) } }))
    expect(statement.subject).toEqual(onDisk)
    const { buildDefinition, runDetails } = statement.predicate
    expect(() => new URL(buildDefinition.buildType)).not.toThrow()
    expect(buildDefinition.externalParameters).toEqual({
      name: 'shop',
      version: '1.0.0',
      recipe: 'shop',
      ref: own,
      formats: ['tar.gz', 'zip'],
    })
    const epoch = Number(execFileSync('git', ['show', '-s', '--format=%ct'], { cwd: dir, encoding: 'utf8' }))
    expect(buildDefinition.internalParameters).toMatchObject({ sourceDateEpoch: epoch })
    expect(buildDefinition.resolvedDependencies).toEqual([
      { name: 'sources', uri: `git+https://example.org/octo/shop.git@${own}`, digest: { gitCommit: own } },
      { name: 'data: file', uri: address, digest: { sha256: sha256(DATA) } },
      { name: 'lib: code', digest: { gitCommit: libCommit } },
    ])
    expect(readFileSync(join(dir, 'ship.lock'), 'utf8')).toContain(libCommit)
    expect(runDetails.builder).toMatchObject({ id: 'urn:slipway:ship', version: { ship: expect.any(String) } })
    expect(JSON.stringify(statement)).not.toContain('secret')
    const sbom = readFileSync(join(dir, 'dist/shop-1.0.0.cdx.json'), 'utf8')
    expect(sbom).not.toContain('secret')
    const bom = JSON.parse(sbom) as { components: { name: string }[]; dependencies: object[] }
    expect(bom.components.find((c) => c.name === 'data')).toMatchObject({
      version: '2026.1',
      licenses: [{ license: { id: 'CC0-1.0' } }],
      externalReferences: [{ type: 'distribution', url: address, hashes: [{ alg: 'SHA-256', content: sha256(DATA) }] }],
    })
    expect(bom.dependencies).toEqual([
      { ref: 'shop@1.0.0', dependsOn: ['lib@2.1.0'] },
      { ref: 'data@2026.1', dependsOn: [] },
      { ref: 'lib@2.1.0', dependsOn: ['data@2026.1'] },
    ])
  })

  it('says that the work tree differed from the commit', async () => {
    write(dir, { 'app/a.txt': 'a\n', 'ship.config.json': '{"name":"shop","version":"1.0.0","build":{"from":"app"}}' })
    const own = commit(dir)
    write(dir, { 'app/a.txt': 'changed\n' })
    const { resolvedDependencies } = (await build({}, '--allow-dirty')).predicate.buildDefinition
    expect(resolvedDependencies).toEqual([
      { name: 'sources', digest: { gitCommit: own }, annotations: { dirty: true } },
    ])
  })

  it('names the workflow of GitHub Actions, and is the same text in every run of it', async () => {
    write(dir, { 'app/a.txt': 'a\n', 'ship.config.json': '{"name":"shop","version":"1.0.0","build":{"from":"app"}}' })
    const env = {
      GITHUB_ACTIONS: 'true',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_WORKFLOW_REF: 'octo/shop/.github/workflows/release.yml@refs/tags/v1.0.0',
    }
    const first = await build({ ...env, GITHUB_RUN_ID: '1' })
    expect(first.predicate.runDetails.builder.id).toBe(
      'https://github.com/octo/shop/.github/workflows/release.yml@refs/tags/v1.0.0',
    )
    expect(await build({ ...env, GITHUB_RUN_ID: '2', GITHUB_RUN_ATTEMPT: '3' })).toEqual(first)
  })

  it('believes only variables that look like those of GitHub', () => {
    const good = { GITHUB_ACTIONS: 'true', GITHUB_SERVER_URL: 'https://ghe.example.org:8443' }
    const workflow = 'o/s/.github/workflows/r.yaml@refs/heads/main'
    expect(builderId({ ...good, GITHUB_WORKFLOW_REF: workflow })).toBe(`https://ghe.example.org:8443/${workflow}`)
    for (const bad of [
      {},
      { ...good },
      { ...good, GITHUB_ACTIONS: undefined, GITHUB_WORKFLOW_REF: workflow },
      { ...good, GITHUB_SERVER_URL: 'https://user:secret@github.com', GITHUB_WORKFLOW_REF: workflow },
      { ...good, GITHUB_WORKFLOW_REF: 'o/s/x.yml@a b' },
    ])
      expect(builderId(bad)).toBe('urn:slipway:ship')
  })

  it.each<[string, Source, object, readonly Omit<Material, 'name'>[]]>([
    [
      'npm',
      { npm: '@octo/lib@^1' },
      { name: '@octo/lib', version: '1.2.3', integrity: `sha512-${Buffer.alloc(64, 1).toString('base64')}` },
      [{ uri: 'pkg:npm/%40octo/lib@1.2.3', digest: { sha512: '01'.repeat(64) } }],
    ],
    [
      'apt',
      { apt: ['libssl3'], dependencies: true },
      {
        packages: [
          { name: 'libssl3', version: '3.0.15-1~deb12u1', architecture: 'amd64', sha256: 'a'.repeat(64) },
          { name: 'libx', version: '1:2+b1', architecture: 'all', sha256: 'b'.repeat(64) },
        ],
      },
      [
        { uri: 'pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64', digest: { sha256: 'a'.repeat(64) } },
        { uri: 'pkg:deb/debian/libx@1%3A2%2Bb1?arch=all', digest: { sha256: 'b'.repeat(64) } },
      ],
    ],
    [
      'aptSource',
      { aptSource: 'zlib' },
      {
        name: 'zlib',
        version: '1:1.3-1',
        files: ['zlib_1.3-1.dsc', 'zlib_1.3.orig.tar.gz'].map((name) => ({ name, sha256: 'c'.repeat(64) })),
      },
      ['zlib_1.3-1.dsc', 'zlib_1.3.orig.tar.gz'].map((name) => ({
        uri: `pkg:deb/debian/zlib@1%3A1.3-1?arch=source&file_name=${name}`,
        digest: { sha256: 'c'.repeat(64) },
      })),
    ],
    [
      'git',
      { git: 'git@github.com:octo/lib.git', ref: 'main' },
      { commit: 'd'.repeat(40) },
      [{ uri: `git+https://github.com/octo/lib@${'d'.repeat(40)}`, digest: { gitCommit: 'd'.repeat(40) } }],
    ],
  ])('of a locked source by %s tells address and digest', async (_kind, source, locked, materials) => {
    const context = { projectDir: home, cache: home, signal: AbortSignal.timeout(1000), log: () => undefined }
    const resolved: Resolved = await resolveSource('lib', source, locked, context)
    expect(materialsOf(new Map([['lib', [resolved]]]))).toEqual(materials.map((m) => ({ name: 'lib: lib', ...m })))
  })
})

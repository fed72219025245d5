/** A project whose recipes are written by the test, with a cache of its own, and what its builds say of their parts. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ShipOptions } from './cli.ts'
import { smallProject, type SmallProject } from './project.ts'

export interface PartReport {
  readonly name: string
  readonly version: string
  readonly outcome: 'built' | 'kept'
  readonly reasons: readonly string[]
  readonly key: string
}

export interface Workbench extends SmallProject {
  /** SHIP_CACHE_DIR of its builds. */
  readonly cache: string
  /** Writes `recipes/<name>.js`; `body` is what stands in `build(step) { ... }`, `head` the lines above. */
  recipe(name: string, body: string, fields?: string, head?: string): void
  /** Builds and tells what became of each part. `args` may end in options; the version is a new one each time. */
  parts(args?: string, options?: ShipOptions): Promise<ReadonlyMap<string, PartReport>>
  /** Builds once more with a new version; expects an exit code and gives stdout and stderr together. */
  said(args?: string, code?: number, options?: ShipOptions): Promise<string>
  /** Paths of the last build's tree. */
  tree(): readonly string[]
}

/** `env` is what its builds are started with. */
export function workbench(env: Readonly<Record<string, string>> = {}): Workbench {
  const project = smallProject()
  const cache = mkdtempSync(join(tmpdir(), 'ship-cache-'))
  let turn = 0
  const withCache = (options: ShipOptions = {}): ShipOptions => ({
    ...options,
    env: { SHIP_CACHE_DIR: cache, ...env, ...options.env },
  })
  const next = (): string => `--version 1.0.${++turn}`
  const manifestFile = (): string => join(project.dir, `dist/shop-${project.built()}.manifest.json`)
  const bench: Workbench = {
    ...project,
    cache,
    recipe(name, body, fields = '', head = '') {
      const text = `${head}\nexport default { name: '${name}', summary: 'the ${name}', ${fields}\n  async build(step) { ${body} } }\n`
      project.write({ [`recipes/${name}.js`]: text })
    },
    ship: (args, code, options) => project.ship(args, code, withCache(options)),
    async parts(args = '', options = {}) {
      const { stdout } = await bench.ship(`build ${next()} --json ${args}`, 0, options)
      const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { data: { parts: PartReport[] } }
      return new Map(result.data.parts.map((part) => [part.name, part]))
    },
    async said(args = '', code = 0, options = {}) {
      const { stdout, stderr } = await bench.ship(`build ${next()} ${args}`, code, options)
      return `${stdout}\n${stderr}`
    },
    tree() {
      const manifest = JSON.parse(readFileSync(manifestFile(), 'utf8')) as { entries: { path: string }[] }
      return manifest.entries.map((e) => e.path)
    },
    dispose() {
      project.dispose()
      rmSync(cache, { recursive: true, force: true })
    },
  }
  mkdirSync(cache, { recursive: true })
  return bench
}

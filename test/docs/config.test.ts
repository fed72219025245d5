/** docs/config.md is what the schema says, and every example in it is accepted. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { environmentOf } from '../../src/config/environment.ts'
import { loadProject } from '../../src/config/load.ts'
import { configSchema } from '../../src/config/schema.ts'
import { EXAMPLES, FRAMES } from '../../tools/config-docs/examples.ts'
import { sections } from '../../tools/config-docs/keys.ts'
import { configPage, exampleOf } from '../../tools/config-docs/page.ts'
import { STATED } from '../../tools/config-docs/stated.ts'

const ROOT = join(import.meta.dirname, '../..')
const AROUND = {
  name: 'shop',
  signers: 'allowed_signers',
  environments: { production: { hosts: ['web1'] }, staging: { hosts: ['stage1'], soak: false } },
}
const ALL = sections()

describe('docs/config.md', () => {
  it('is what the schema says now', () => {
    expect(readFileSync(join(ROOT, 'docs/config.md'), 'utf8') === configPage(), 'run: npm run docs').toBe(true)
  })

  it('has words for every key', () => {
    const silent = ALL.flatMap(({ keys }) => keys.filter(({ means }) => means === '').map(({ path }) => path))
    expect(silent, 'describe() them in the schema').toEqual([])
  })

  it('has an example for every key, and none for a key that is not there', () => {
    const without = ALL.flatMap((one) =>
      one.keys.filter((key) => exampleOf(one, key) === undefined).map(({ path }) => path),
    )
    expect(without, 'give them one in tools/config-docs/examples.ts').toEqual([])
    const known = new Map(
      ALL.map(({ id, keys }) => [id, keys.map(({ path }) => (id === '' ? path : path.slice(id.length + 1)))]),
    )
    const strays = Object.entries(EXAMPLES).flatMap(([id, keys]) =>
      Object.keys(keys)
        .filter((name) => known.get(id)?.includes(name) !== true)
        .map((name) => `${id} ${name}`),
    )
    expect(strays).toEqual([])
    const paths = ALL.flatMap(({ keys }) => keys.map(({ path }) => path))
    expect(Object.keys(STATED).filter((path) => !paths.includes(path))).toEqual([])
  })

  it('has examples that the schema accepts, one by one', () => {
    const refused = Object.entries(EXAMPLES).flatMap(([id, keys]) =>
      Object.entries(keys).flatMap(([name, value]) => {
        const { environments, ...written } = FRAMES[id]?.({ [name]: value }) ?? {}
        const all = { ...AROUND.environments, ...(typeof environments === 'object' ? environments : {}) }
        const result = configSchema.safeParse({ ...AROUND, ...written, environments: all })
        return result.success ? [] : [`${id}.${name}: ${result.error.message}`]
      }),
    )
    expect(refused).toEqual([])
  })
})

describe('defaults that the page states', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ship-defaults-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  it('are those of an environment in which nothing is written', async () => {
    writeFileSync(
      join(dir, 'ship.config.json'),
      JSON.stringify({ name: 'shop', environments: { live: { hosts: ['web1'] } } }),
    )
    const { keep, reuse, returnAnyway, strategy, maxFailed, maxUnreachable, hosts } = await environmentOf(
      await loadProject({ cwd: dir }),
    )
    const now = {
      'release.keep': keep,
      'release.reuse': reuse,
      'release.returnAnyway': returnAnyway,
      'release.strategy': strategy.type,
      'release.maxFailed': 'hosts' in maxFailed && maxFailed.hosts,
      'release.maxUnreachable': 'hosts' in maxUnreachable && maxUnreachable.hosts,
      'release.transport': hosts[0]?.transport,
      'release.deployTo': hosts[0]?.deployTo.replace('shop', '<name>'),
    }
    const stated = Object.keys(now).map((path) => [path, STATED[path]?.replaceAll(/[`']/g, '')])
    expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(Object.entries(now).map(([k, v]) => [k, String(v)])))
  })
})

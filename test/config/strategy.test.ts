/** What may be written under `strategy`, `maxFailed` and `maxUnreachable`, what comes of it, and what is refused. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf, type Environment } from '../../src/config/environment.ts'
import { configJsonSchema } from '../../src/config/json-schema.ts'
import { loadProject } from '../../src/config/load.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeAll(() => void (project = smallProject()))
afterAll(() => project.dispose())

type Settings = Readonly<Record<string, unknown>>

function written(release: Settings, live: Settings = {}): Record<string, unknown> {
  return { name: 'shop', version: '1.0.0', release, environments: { live: { hosts: ['web1'], ...live } } }
}

async function environment(release: Settings, live: Settings = {}): Promise<Environment> {
  project.configure(written(release, live))
  return environmentOf(await loadProject({ cwd: project.dir }))
}

const GOOD: [unknown, unknown][] = [
  [undefined, { type: 'all' }],
  ['rolling', { type: 'rolling', batch: { hosts: 1 }, pauseMs: 0 }],
  [
    { type: 'rolling', batch: '25%', pause: '30s' },
    { type: 'rolling', batch: { share: 0.25 }, pauseMs: 30_000 },
  ],
  ['canary', { type: 'canary', count: { hosts: 1 }, bakeMs: 300_000, next: { type: 'all' } }],
  [
    { type: 'canary', count: '10%', bake: '10m', rest: { type: 'rolling', batch: 2 } },
    {
      type: 'canary',
      count: { share: 0.1 },
      bakeMs: 600_000,
      next: { type: 'rolling', batch: { hosts: 2 }, pauseMs: 0 },
    },
  ],
  [[1, '10%', '100%'], { type: 'waves', marks: [{ hosts: 1 }, { share: 0.1 }, { share: 1 }], bakeMs: 0, pauseMs: 0 }],
  [
    { type: 'waves', waves: [1, 5], bake: '1m', pause: '5s' },
    { type: 'waves', marks: [{ hosts: 1 }, { hosts: 5 }], bakeMs: 60_000, pauseMs: 5000 },
  ],
]

const BAD: [unknown, string][] = [
  ['canaries', 'is not a strategy'],
  [{ type: 'canary', bake: 5 }, 'a duration is text with its unit'],
  [{ type: 'canary', count: '0%' }, 'is not a share'],
  [{ type: 'canary', rest: 'canary' }, 'is no order'],
  [{ count: 1, bake: '5m' }, 'strategy.type: is none of "all", "rolling", "canary", "waves"'],
  [{ type: 'canary', baked: '5m' }, 'did you mean "bake"'],
  [['50%', '10%'], 'so they must grow'],
  [{ type: 'waves', waves: [2, '10%', 2] }, 'so they must grow'],
  [[], 'names no wave'],
]

describe('a strategy', () => {
  it.each(GOOD)('%j', async (strategy, expected) => {
    expect((await environment({ strategy })).strategy).toEqual(expected)
  })

  it.each(BAD)('%j is refused', async (strategy, said) => {
    await expect(environment({ strategy })).rejects.toMatchObject({
      reason: 'config',
      message: expect.stringContaining(said),
    })
  })

  it('is the same to editors', () => {
    const check = new Ajv2020({ strict: false, validateFormats: false }).compile(configJsonSchema())
    for (const [strategy] of GOOD) expect(check(written(strategy === undefined ? {} : { strategy }))).toBe(true)
    expect(check(written({ strategy: 'canaries' }))).toBe(false)
    expect(check(written({ strategy: { type: 'canary', baked: '5m' } }))).toBe(false)
  })
})

describe('what may go wrong', () => {
  it('is nothing unless it is said, and an environment may say something else', async () => {
    expect(await environment({})).toMatchObject({ maxFailed: { hosts: 0 }, maxUnreachable: { hosts: 0 } })
    const live = await environment({ maxFailed: 1, maxUnreachable: '10%' }, { maxFailed: 0 })
    expect(live).toMatchObject({ maxFailed: { hosts: 0 }, maxUnreachable: { share: 0.1 } })
  })

  it.each([-1, 1.5, '0%', '101%', 'some'])('%j is refused', async (maxFailed) => {
    await expect(environment({ maxFailed })).rejects.toMatchObject({ reason: 'config' })
  })
})

/** When nothing is released, from which branch, and after how long elsewhere: what may be written and what it means. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf, type Environment } from '../../src/config/environment.ts'
import { freeze, frozenAt } from '../../src/config/freeze.ts'
import { configJsonSchema } from '../../src/config/json-schema.ts'
import { loadProject } from '../../src/config/load.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeAll(() => void (project = smallProject()))
afterAll(() => project.dispose())

type Settings = Readonly<Record<string, unknown>>

function written(release: Settings, live: Settings = {}): Record<string, unknown> {
  const environments = { staging: { hosts: ['one', 'two'], soak: false }, live: { hosts: ['web1'], ...live } }
  return { name: 'shop', version: '1.0.0', release, environments }
}

async function environment(release: Settings, live: Settings = {}, name = 'live'): Promise<Environment> {
  project.configure(written(release, live))
  return environmentOf(await loadProject({ cwd: project.dir }), { name })
}

const BERLIN = 'Europe/Berlin'
const WEEKEND = { from: 'Fri 16:00', to: 'Mon 08:00', zone: BERLIN }
const XMAS = { from: '2026-12-20', to: '2027-01-02', zone: BERLIN }
const NIGHT = { from: '22:00', to: '06:30', zone: 'America/New_York' }

describe('a frozen time', () => {
  it.each<[Settings, string, boolean]>([
    // Winter: Berlin is an hour ahead of UTC.
    [WEEKEND, '2026-01-16T14:59:59Z', false],
    [WEEKEND, '2026-01-16T15:00:00Z', true],
    [WEEKEND, '2026-01-18T12:00:00Z', true],
    [WEEKEND, '2026-01-19T06:59:59Z', true],
    [WEEKEND, '2026-01-19T07:00:00Z', false],
    // Summer: two hours.
    [WEEKEND, '2026-07-17T13:59:59Z', false],
    [WEEKEND, '2026-07-17T14:00:00Z', true],
    // The clocks go forward in the middle of it.
    [WEEKEND, '2026-03-30T05:59:59Z', true],
    [WEEKEND, '2026-03-30T06:00:00Z', false],
    [XMAS, '2026-12-19T22:59:59Z', false],
    [XMAS, '2026-12-19T23:00:00Z', true],
    [XMAS, '2027-01-02T22:59:59Z', true],
    [XMAS, '2027-01-02T23:00:00Z', false],
    [{ from: '2026-06-01 09:00', to: '2026-06-01 17:30' }, '2026-06-01T09:00:00Z', true],
    [{ from: '2026-06-01T09:00', to: '2026-06-01T17:30' }, '2026-06-01T17:30:00Z', false],
    [{ from: 'Saturday', to: 'sun' }, '2026-01-18T23:59:00Z', true],
    [{ from: 'Saturday', to: 'sun' }, '2026-01-19T00:00:00Z', false],
    [NIGHT, '2026-01-16T03:00:00Z', true],
    [NIGHT, '2026-01-16T11:29:00Z', true],
    [NIGHT, '2026-01-16T11:30:00Z', false],
    [NIGHT, '2026-01-16T20:00:00Z', false],
  ])('%j at %s: %s', (window, at, isFrozen) => {
    expect(frozenAt(freeze.parse([window]), new Date(at)) !== undefined).toBe(isFrozen)
  })

  it('is one of several', () => {
    const found = frozenAt(
      freeze.parse([XMAS, { ...WEEKEND, why: 'nobody is there' }]),
      new Date('2026-01-17T12:00:00Z'),
    )
    expect(found).toMatchObject({
      title: 'Fri 16:00 to Mon 08:00',
      ends: 'Mon 08:00',
      zone: BERLIN,
      why: 'nobody is there',
    })
  })

  it.each([
    [{ from: 'Friday evening', to: 'Mon' }, 'is no time'],
    [{ from: 'Fri 25:00', to: 'Mon' }, 'is no time'],
    [{ from: '2026-02-30', to: '2026-03-01' }, 'is no time'],
    [{ from: 'Friyay 16:00', to: 'Mon' }, 'is no time'],
    [{ from: 'Fri 16:00', to: '2026-03-01' }, 'another kind of time'],
    [{ from: '22:00', to: 'Mon 06:00' }, 'another kind of time'],
    [{ from: '2026-03-02', to: '2026-03-01' }, 'does not lie behind'],
    [{ from: 'Fri 16:00', to: 'Fri 16:00' }, 'is the same time'],
    [{ from: 'Fri 16:00', to: 'Mon', zone: 'Europe/Bonn' }, 'is no time zone'],
    [{ from: 'Fri 16:00', until: 'Mon' }, 'unknown key (known: from, to, zone, why)'],
  ])('%j is refused: %s', async (window, said) => {
    const error = await environment({ freeze: [window] }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ reason: 'config' })
    expect(JSON.stringify([String(error), (error as { details?: unknown }).details])).toContain(
      JSON.stringify(said).slice(1, -1),
    )
  })
})

describe('branch, soak and confirm', () => {
  it('are what they are, inherited or taken away', async () => {
    const release = { branch: 'main', soak: { environment: 'staging', for: '2h' }, confirm: '30s', freeze: [WEEKEND] }
    const live = await environment(release)
    expect(live).toMatchObject({
      confirmMs: 30_000,
      guards: { branches: ['main'], soak: { environment: 'staging', forMs: 7_200_000 } },
    })
    expect(live.guards?.freeze).toHaveLength(1)
    expect((await live.guards?.soak?.hosts())?.map(({ name }) => name)).toEqual(['one', 'two'])
    const off = await environment(release, { branch: false, soak: false, confirm: false, freeze: [] })
    expect(off).toMatchObject({ confirmMs: undefined, guards: { branches: [], freeze: [], soak: undefined } })
    expect((await environment({ branch: ['main', 'release/1.x'] })).guards?.branches).toEqual(['main', 'release/1.x'])
    expect((await environment({})).guards).toEqual({ branches: [], freeze: [], soak: undefined })
  })

  it.each([
    [{ branch: '--all' }, 'is no name of a branch'],
    [{ branch: 'main~3' }, 'is no name of a branch'],
    [{ branch: [] }, 'release.branch'],
    [
      { soak: { environment: 'stagin', for: '2h' } },
      'there is no environment \\"stagin\\"; did you mean \\"staging\\"?',
    ],
    [{ soak: { environment: 'live', for: '2h' } }, 'would soak in itself'],
    [{ soak: { environment: 'staging' } }, 'for: is missing'],
    [{ confirm: '1s' }, 'is too short'],
    [{ confirm: 30 }, 'is no duration'],
    [{ confirm: '30' }, 'is no duration'],
  ])('%j: %s', async (release, said) => {
    const error = await environment(release).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ reason: 'config' })
    expect(JSON.stringify([String(error), (error as { details?: unknown }).details])).toContain(said)
  })

  it('have their schema for editors', () => {
    const valid = new Ajv2020({ strict: false, validateFormats: false }).compile(configJsonSchema())
    const soak = { environment: 'staging', for: '2h' }
    expect(
      valid(written({ branch: 'main', freeze: [WEEKEND], soak, confirm: '30s' })),
      JSON.stringify(valid.errors),
    ).toBe(true)
    expect(valid(written({ freeze: [{ from: 'Fri 16:00' }] }))).toBe(false)
    expect(valid(written({ soak: { ...soak, fro: '2h' } }))).toBe(false)
  })
})

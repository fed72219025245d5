/** What shells complete as releases of the hosts: as they were when they were asked, and as the last run left them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { keepAfter, keepKnown, knownReleases } from '../../src/release/known.ts'
import type { Plan } from '../../src/release/plan.ts'
import { parseVersion } from '../../src/version.ts'
import { hostState, linkTo, record } from './states.ts'

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ship-known-'))
  process.env['SHIP_CACHE_DIR'] = dir
})
afterAll(() => rmSync(dir, { recursive: true }))

const releases = [record('1.0.0', 'verified', 1), record('1.1.0', 'verified', 2), record('1.2.0', 'staged', 0)]
const observed = [{ host: 'web1', state: hostState({ releases, current: linkTo('1.1.0') }) }]
const plan = (kind: Plan['kind'], target: string): Plan =>
  ({ app: 'shop', environment: 'live', kind, target: parseVersion(target) }) as unknown as Plan
const known = async (): Promise<string[]> =>
  (await knownReleases('shop', 'live')).map(({ version, state }) => `${version} ${state}`)

it('a release is verified once it is through, and the newest', async () => {
  await keepKnown('shop', 'live', releases)
  expect(await known()).toEqual(['1.1.0 verified', '1.0.0 verified', '1.2.0 staged'])
  await keepAfter(plan('release', '1.2.0'), observed)
  expect(await known()).toEqual(['1.2.0 verified', '1.1.0 verified', '1.0.0 verified'])
})

it('what a rollback left is bad', async () => {
  await keepAfter(plan('rollback', '1.0.0'), observed)
  expect(await known()).toEqual(['1.0.0 verified', '1.1.0 bad', '1.2.0 staged'])
})

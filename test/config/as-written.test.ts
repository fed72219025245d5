/** `ship config` shows what a file may say: each shown value of a check, written back, is read as the same. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { durationText, parseDuration, rateText } from '../../src/units.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeAll(() => void (project = smallProject()))
afterAll(() => project.dispose())

it.each([
  [0, '0s'],
  [500, '500ms'],
  [1500, '1500ms'],
  [30_000, '30s'],
  [90_000, '90s'],
  [300_000, '5m'],
  [86_400_000, '1d'],
])('%i ms are %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
  expect(parseDuration(text)).toBe(ms)
})

it.each([
  [5_000_000, '5MB/s'],
  [2_500_000, '2500kB/s'],
  [125, '0.125kB/s'],
])('%i bytes a second are %s', (bytes, text) => expect(rateText(bytes)).toBe(text))

it('keys and values of checks, drains and limits are those of a file', async () => {
  const health = [
    { exec: 'true', timeout: '1m30s' },
    { tcp: 'localhost:80', hold: '2s' },
  ]
  const release = { limit: '20Mbit/s', confirm: '1m', strategy: { type: 'rolling', pause: '1500ms' }, health }
  project.configure({ name: 'shop', version: '1.0.0', release, environments: { live: { hosts: ['web1'] } } })
  const shown = (await project.data('config -e live')) as unknown as { path: string; value: unknown; origin: string }[]
  const valueOf = (path: string): unknown => shown.find((one) => one.path === `environments.live.${path}`)?.value
  expect(['limit', 'confirm', 'strategy.pause', 'health.0.exec', 'health.0.timeout'].map(valueOf)).toEqual([
    '2500kB/s',
    '1m',
    '1500ms',
    'true',
    '90s',
  ])
  expect(['health.0.interval', 'health.1.tcp', 'health.1.hold'].map(valueOf)).toEqual(['1s', 'localhost:80', '2s'])
  expect(shown.filter(({ path }) => /Ms$|options|kind/.test(path))).toEqual([])
})

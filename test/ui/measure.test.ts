import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ago, count, duration, meter, progressText } from '../../src/ui/measure.ts'
import { size } from '../../src/size.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [12_345_678, '12.3 MB'],
  [99_949_999, '99.9 MB'],
  [99_950_000, '100 MB'],
  [999_500_000, '1.0 GB'],
  [1.5e12, '1.5 TB'],
])('%d bytes read "%s"', (bytes, text) => {
  expect(size(bytes)).toBe(text)
})

test('a size never needs more than three digits before the unit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e17 }), (n) => {
      expect(size(n)).toMatch(/^\d{1,3}(\.\d)? (B|kB|MB|GB|TB|PB)$/)
    }),
  )
})

test.each([
  [3, '3 ms'],
  [140, '0.1 s'],
  [2100, '2.1 s'],
  [9960, '10 s'],
  [59_960, '1 min'],
  [200_000, '3 min 20 s'],
  [7_500_000, '2 h 5 min'],
  [90_000_000, '1 d 1 h'],
])('%d ms read "%s"', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

test.each([
  [0, 'just now'],
  [45, '45 s ago'],
  [600, '10 min ago'],
  [7200, '2 h ago'],
  [400_000, '5 d ago'],
  [-60, 'just now'],
])('%d seconds before now is "%s"', (seconds, text) => {
  const now = Date.parse('2026-01-02T03:04:05Z')
  expect(ago(new Date(now - seconds * 1000).toISOString(), now)).toBe(text)
})

test('what is no time is shown as it is', () => {
  expect(ago('yesterday', 0)).toBe('yesterday')
})

test('one and many', () => {
  expect([count(1, 'host'), count(3, 'host'), count(2, 'entry', 'entries')]).toEqual(['1 host', '3 hosts', '2 entries'])
})

test('a rate is that of the last seconds, not of the whole run', () => {
  const speed = meter()
  expect(speed.rate()).toBeUndefined()
  for (let s = 0; s <= 100; s += 1) speed.add(s <= 50 ? s * 1e6 : 50e6 + (s - 50) * 4e6, s * 1000)
  expect(speed.rate()).toBeCloseTo(4e6, 0)
})

test('progress tells amount, rate and what is left', () => {
  expect(progressText({ done: 12e6, total: 120e6, unit: 'bytes' }, 12e6)).toBe('12.0 MB of 120 MB, 12.0 MB/s, 9 s left')
  expect(progressText({ done: 12e6, unit: 'bytes' }, undefined)).toBe('12.0 MB')
  expect(progressText({ done: 40, total: 80, unit: 'files' }, 10)).toBe('40 of 80 files, 10/s, 4 s left')
})

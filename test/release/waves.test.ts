import { describe, expect, it } from 'vitest'
import { parseHostName } from '../../src/names.ts'
import { waves } from '../../src/release/waves.ts'

const hosts = ['a', 'b', 'c', 'd', 'e'].map(parseHostName)
const rolling = (batch: { hosts: number } | { share: number }) => ({ type: 'rolling', batch, pauseMs: 0 }) as const

describe('waves', () => {
  it.each([
    ['all at once', { type: 'all' } as const, [5]],
    ['two by two', rolling({ hosts: 2 }), [2, 2, 1]],
    ['a quarter, rounded up', rolling({ share: 0.25 }), [2, 2, 1]],
    ['more than there are', rolling({ hosts: 50 }), [5]],
    ['a tiny share is one host', rolling({ share: 0.01 }), [1, 1, 1, 1, 1]],
  ])('%s', (_title, strategy, sizes) => {
    const result = waves(hosts, strategy)
    expect(result.map((w) => w.length)).toEqual(sizes)
    expect(result.flat()).toEqual(hosts)
  })

  it('has no wave without hosts', () => {
    expect(waves([], { type: 'all' })).toEqual([])
  })
})

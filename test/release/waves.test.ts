import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { amountOf, roundedDown, roundedUp, type Amount } from '../../src/config/amount.ts'
import type { Rest, Strategy } from '../../src/config/strategy.ts'
import { parseHostName, type HostName } from '../../src/names.ts'
import { waves } from '../../src/release/waves.ts'

const rolling = (batch: Amount, pauseMs = 0) => ({ type: 'rolling', batch, pauseMs }) as const
const canary = (count: Amount, next: Rest, bakeMs = 9) => ({ type: 'canary', count, bakeMs, next }) as const
const marked = (...marks: (number | string)[]) =>
  ({ type: 'waves', marks: marks.map(amountOf), bakeMs: 7, pauseMs: 3 }) as const

function named(total: number): HostName[] {
  return Array.from({ length: total }, (_, i) => parseHostName(`h${i}`))
}

function sizes(total: number, strategy: Strategy): number[] {
  return waves(named(total), strategy).map(({ hosts }) => hosts.length)
}

describe('waves', () => {
  it.each<[string, number, Strategy, number[]]>([
    ['all at once', 5, { type: 'all' }, [5]],
    ['two by two', 5, rolling({ hosts: 2 }), [2, 2, 1]],
    ['a quarter, rounded up', 5, rolling({ share: 0.25 }), [2, 2, 1]],
    ['more than there are', 5, rolling({ hosts: 50 }), [5]],
    ['a tiny share is one host', 5, rolling({ share: 0.01 }), [1, 1, 1, 1, 1]],
    ['a share that binary cannot hold', 100, rolling({ share: 0.07 }), [...Array<number>(14).fill(7), 2]],
    ['a canary, then all', 5, canary({ hosts: 1 }, { type: 'all' }), [1, 4]],
    [
      'canaries, then the others by two of the rest',
      10,
      canary({ share: 0.2 }, rolling({ share: 0.25 })),
      [2, 2, 2, 2, 2],
    ],
    ['a canary that is all there is', 1, canary({ hosts: 1 }, { type: 'all' }), [1]],
    ['marks say how many are through', 40, marked(1, '10%', '50%', '100%'), [1, 3, 16, 20]],
    ['the rest is the last wave', 10, marked(1, 4), [1, 3, 6]],
    ['marks that are passed already make no wave', 4, marked(1, '10%', '50%', '100%'), [1, 1, 2]],
    ['marks beyond the fleet', 3, marked(2, 10, 20), [2, 1]],
  ])('%s', (_title, total, strategy, expected) => {
    expect(sizes(total, strategy)).toEqual(expected)
  })

  it('bakes behind a canary, and pauses between batches but not after the last', () => {
    const rules = waves(named(5), canary({ hosts: 1 }, rolling({ hosts: 2 }, 8))).map(
      ({ bakeMs, pauseMs, mayFail }) => ({ bakeMs, pauseMs, mayFail }),
    )
    expect(rules).toEqual([
      { bakeMs: 9, pauseMs: 0, mayFail: false },
      { bakeMs: 0, pauseMs: 8, mayFail: true },
      { bakeMs: 0, pauseMs: 0, mayFail: true },
    ])
  })

  it('bakes after each wave but the last, whose first is a trial', () => {
    const rules = waves(named(10), marked(1, 5)).map(({ bakeMs, pauseMs, mayFail }) => [bakeMs, pauseMs, mayFail])
    expect(rules).toEqual([
      [7, 3, false],
      [7, 3, true],
      [0, 0, true],
    ])
    expect(waves(named(1), marked(1, 5))).toMatchObject([{ bakeMs: 0, mayFail: true }])
  })

  it('bakes even when all hosts are canaries', () => {
    expect(waves(named(2), canary({ hosts: 2 }, { type: 'all' }))).toMatchObject([{ bakeMs: 9, mayFail: false }])
  })
})

const amount = fc.oneof(
  fc.integer({ min: 1, max: 400 }).map((hosts): Amount => ({ hosts })),
  fc.integer({ min: 1, max: 100 }).map((percent): Amount => ({ share: percent / 100 })),
)
const rest: fc.Arbitrary<Rest> = fc.oneof(
  fc.constant({ type: 'all' } as const),
  amount.map((batch) => rolling(batch, 2)),
)
const strategy: fc.Arbitrary<Strategy> = fc.oneof(
  rest,
  fc.tuple(amount, rest).map(([count, next]) => canary(count, next)),
  fc
    .array(amount, { minLength: 1, maxLength: 6 })
    .map((marks) => ({ type: 'waves', marks, bakeMs: 7, pauseMs: 3 }) as const),
)
const total = fc.integer({ min: 0, max: 300 })

describe('waves, for all fleets and strategies', () => {
  it('hold every host once, in its order, and are never empty', () => {
    fc.assert(
      fc.property(total, strategy, (n, s) => {
        const result = waves(named(n), s)
        expect(result.flatMap(({ hosts }) => hosts)).toEqual(named(n))
        expect(result.every(({ hosts }) => hosts.length > 0)).toBe(true)
      }),
    )
  })

  it('wait for nothing after the last one, but for a canary', () => {
    fc.assert(
      fc.property(total, strategy, (n, s) => {
        const last = waves(named(n), s).at(-1)
        const waits = last?.mayFail === false ? [0, 0] : [last?.bakeMs ?? 0, last?.pauseMs ?? 0]
        expect(waits).toEqual([0, 0])
      }),
    )
  })

  it('round shares up where hosts switch and down where they may fail, to the host', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 100 }), (n, percent) => {
        const share = amountOf(`${percent}%`)
        expect(roundedUp(share, n)).toBe(Math.floor((n * percent + 99) / 100))
        expect(roundedDown(share, n)).toBe(Math.floor((n * percent) / 100))
      }),
    )
  })
})

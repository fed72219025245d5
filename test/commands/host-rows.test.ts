import { expect, test } from 'vitest'
import { hostRows, inOrder } from '../../src/commands/host-rows.ts'
import { styleWith } from '../../src/ui/style.ts'

interface Host {
  readonly host: string
  readonly result: string
  readonly ms: number
}

const hosts = Array.from({ length: 20 }, (_, i): Host => {
  const result = [3, 11].includes(i) ? 'failed' : 'put back'
  return { host: `web${20 - i}`, result, ms: i }
})
const rowsOf = (some: readonly Host[], width: number) =>
  hostRows(some, {
    view: { style: styleWith(false), width, now: 0 },
    row: ({ result, ms }) => [result, String(ms)],
    same: ({ result }) => [result],
    shown: (equal) => equal.toSorted((a, b) => b.ms - a.ms)[0],
  })

test('names are put in the order of their numbers', () => {
  expect(
    inOrder(hosts)
      .map(({ host }) => host)
      .slice(0, 3),
  ).toEqual(['web1', 'web2', 'web3'])
})

test('on a screen equal rows of many hosts are one, and whoever differs keeps a name', () => {
  expect(rowsOf(hosts, 80)).toEqual([
    ['18 hosts', 'put back', '19'],
    ['web9', 'failed', '11'],
    ['web17', 'failed', '3'],
  ])
})

test('a pipe gets every host, and so does a screen that has room for them', () => {
  expect(rowsOf(hosts, Number.POSITIVE_INFINITY)).toHaveLength(20)
  expect(rowsOf(hosts.slice(0, 12), 80)).toHaveLength(12)
})

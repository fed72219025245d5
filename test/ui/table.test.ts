import { stripVTControlCharacters } from 'node:util'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { styleWith } from '../../src/ui/style.ts'
import { cut, table, type Column } from '../../src/ui/table.ts'

const plain = styleWith(false)
const COLUMNS: readonly Column[] = [
  { title: 'HOST' },
  { title: 'SIZE', align: 'right' },
  { title: 'EMPTY' },
  { title: 'NOTE', shrink: true },
]

test('columns are aligned, empty ones left out, no trailing blanks', () => {
  const rows = [
    ['web01', '1 MB', '', 'first'],
    ['web02.example', '12 MB', '', ''],
  ]
  expect(table(COLUMNS, rows, { width: Number.POSITIVE_INFINITY, style: plain })).toEqual([
    'HOST            SIZE  NOTE',
    'web01           1 MB  first',
    'web02.example  12 MB',
  ])
})

test('no row, no header', () => {
  expect(table(COLUMNS, [], { width: 80, style: plain })).toEqual([])
})

test('control characters of a host cannot move the cursor', () => {
  const [, line] = table([{ title: 'NOTE' }], [['\u001b[2Jgone\nnext']], { width: 80, style: plain })
  expect(line).toBe('\\x1b[2Jgone\\x0anext')
})

test('on a narrow terminal only notes are cut: names stay whole, lines fit', () => {
  const name = fc.stringMatching(/^[a-z]{10,20}$/)
  const note = fc.stringMatching(/^[a-z ]{40,120}$/)
  fc.assert(
    fc.property(fc.array(fc.tuple(name, note), { minLength: 1, maxLength: 9 }), (pairs) => {
      const rows = pairs.map(([host, text]) => [host, '1 MB', '', text])
      const lines = table(COLUMNS, rows, { width: 36, style: plain })
      expect(lines.filter((l) => l.length > 36)).toEqual([])
      expect(lines.slice(1).map((l) => l.split(' ')[0])).toEqual(pairs.map(([host]) => host))
    }),
  )
})

test('where names alone are wider than the terminal, each row is a block', () => {
  const rows = [
    ['web01.example', '1 MB', '', { text: 'a note', paint: 'red' }],
    ['web02.example', '12 MB', '', ''],
  ] as const
  const lines = ['web01.example', '  SIZE  1 MB', '  NOTE  a note', 'web02.example', '  SIZE  12 MB']
  expect(table(COLUMNS, rows, { width: 20, style: plain })).toEqual(lines)
  expect(table(COLUMNS, rows, { width: 20, style: styleWith(true) })[2]).toContain('\u001b[31ma note')
})

test('colours do not change widths', () => {
  const rows = [
    [{ text: 'web01', paint: 'green' }, '1 MB', '', 'x'],
    ['web002', '1 MB', '', 'x'],
  ] as const
  const lines = table(COLUMNS, rows, { width: 80, style: styleWith(true) })
  expect(lines.map((l) => stripVTControlCharacters(l))).toEqual(table(COLUMNS, rows, { width: 80, style: plain }))
  expect(lines[1]).toContain('\u001b[32m')
})

test('cut keeps the width', () => {
  expect([cut('abcdef', 4), cut('abc', 4), cut('abc', 0)]).toEqual(['abc…', 'abc', ''])
})

import { expect, test } from 'vitest'
import type { Event } from '../../src/events.ts'
import { board, rowText, sectionText } from '../../src/ui/board.ts'

const started = (step: string, host?: string): Event => ({ event: 'step.started', step, ...(host ? { host } : {}) })
const finished = (step: string, host?: string, note?: string): Event => ({
  event: 'step.finished',
  step,
  ...(host ? { host } : {}),
  durationMs: 2000,
  note,
})

/** The sections after some events, as text; open ones are marked. */
function after(...events: readonly Event[]): readonly string[] {
  const state = board()
  for (const event of events) state.apply(event, 0)
  return state.sections.map((s) => `${s.open ? 'open ' : ''}${sectionText(s, 0)}`)
}

test('a step of the whole run ends with its own end', () => {
  expect(after(started('version'), finished('version', undefined, '1.4.2'), started('recipe'))).toEqual([
    'version  1.4.2 (2.0 s)',
    'open recipe',
  ])
})

test('a step told for hosts only stays open until the next one begins: hosts may come late', () => {
  const first = [started('stage', 'a'), finished('stage', 'a'), started('stage', 'b')]
  expect(after(...first)).toEqual(['open stage  1 of 2 hosts'])
  expect(after(...first, finished('stage', 'b'), started('switch', 'a'))).toEqual([
    'stage  2 hosts (2.0 s)',
    'open switch  0 of 1 host',
  ])
})

test('a host ahead of the others does not end their step', () => {
  expect(after(started('switch', 'a'), started('switch', 'b'), finished('switch', 'a'), started('gate', 'a'))).toEqual([
    'open switch  1 of 2 hosts',
    'open gate  0 of 1 host',
  ])
})

const batch = (host: string): readonly Event[] => [
  started('switch', host),
  finished('switch', host),
  started('gate', host),
  finished('gate', host),
]

test('the next batch gets a section of its own', () => {
  expect(after(...batch('a'), ...batch('b'))).toEqual([
    'switch  a  (2.0 s)',
    'gate  a  (2.0 s)',
    'switch  b  (2.0 s)',
    'open gate  1 of 1 host',
  ])
})

test('a step of the run with hosts in it ends when the last of both has ended', () => {
  expect(
    after(started('lock'), started('lock', 'a'), finished('lock'), finished('lock', 'a', 'taken over'), started('x')),
  ).toEqual(['lock  a  taken over (2.0 s)', 'open x'])
})

test('what hosts said is told when all said the same', () => {
  const all = (note: string) =>
    ['a', 'b'].flatMap((h) => [started('gate', h), finished('gate', h, h === 'b' ? note : '200')])
  expect(after(...all('200'), started('x'))[0]).toBe('gate  2 hosts: 200 (2.0 s)')
  expect(after(...all('204'), started('x'))[0]).toBe('gate  2 hosts (2.0 s)')
})

test('an end without a start is shown all the same', () => {
  expect(after({ event: 'step.skipped', step: 'hooks', reason: 'none configured' })).toEqual([
    'hooks  skipped: none configured',
  ])
})

test('text of hosts is escaped', () => {
  const state = board()
  const change = state.apply(finished('gate', 'a', '\u001b[2J'), 0)
  expect(change && rowText(change.row, 0)).toBe('a  \\x1b[2J (2.0 s)')
})

import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import { errorLines, mergedReports } from '../../src/ui/error.ts'
import { styleWith } from '../../src/ui/style.ts'

const style = styleWith(false)
const lines = (error: unknown, verbose = false): string[] => errorLines(error, { style, verbose })

test('an error tells what, where, why, the state and what to type', () => {
  const error = new ShipError('not-switched', 'no space left on device', {
    host: 'web03',
    step: 'stage',
    state: '"current" was not touched on any host',
    details: ['/opt/shop has 12 MB free'],
    next: ['ship prune -e production', 'ship release -e production'],
    cause: new Error('ENOSPC: write failed'),
  })
  expect(lines(error)).toEqual([
    'error: web03, stage: no space left on device',
    '  cause: ENOSPC: write failed',
    '  /opt/shop has 12 MB free',
    '  state: "current" was not touched on any host',
    '  next:  ship prune -e production',
    '         ship release -e production',
  ])
})

test('a cause that the message tells already is not told again', () => {
  const cause = new Error('connection refused')
  expect(lines(new ShipError('unreachable', 'web01: connection refused', { cause }))).toEqual([
    'error: web01: connection refused',
  ])
})

test('text of hosts cannot rewrite the terminal', () => {
  const error = new ShipError('not-switched', 'hook failed\u001b[1A\u202edeliaf', { details: ['ok\r\u001b[Kfine'] })
  const text = lines(error).join('\n')
  for (const evil of ['\u001b', '\r', '\u202e']) expect(text).not.toContain(evil)
})

test('anything else is a defect: it asks to be reported, with its stack only when asked', () => {
  const defect = new TypeError('x is not a function')
  expect(lines(defect)).toEqual(['defect: x is not a function', expect.stringMatching(/please report.*-v/)])
  expect(lines(defect, true).some((l) => l.includes('error.test.ts'))).toBe(true)
  expect(lines('a thrown string')[0]).toBe('defect: a thrown string')
})

test('equal errors of many hosts are told once', () => {
  const refused = { reason: 'unreachable', message: 'connection refused' } as const
  const denied = { reason: 'auth', message: 'permission denied' } as const
  expect(
    mergedReports([
      { host: 'web01', error: refused },
      { host: 'web02', error: denied },
      { host: 'web03', error: refused },
    ]).map((r) => [r.host, r.message]),
  ).toEqual([
    ['web01, web03', 'connection refused'],
    ['web02', 'permission denied'],
  ])
})

test('on a terminal lines break between words, below where they began; paths and commands stay whole', () => {
  const path = `/home/me/.cache/ship/${'x'.repeat(50)}.log`
  const error = new ShipError('put-back', 'the health check did not answer well in the time that it had', {
    host: 'web01',
    details: ['  answered with something that nobody expected of it', `kept in ${path}`],
    state: 'all of the switched hosts were put back and are well',
    next: [
      'ship release 1.4.2 -e production --hosts web01 --yes',
      'when the hosts are to blame: mend them, then again',
    ],
  })
  const bold = styleWith(true)
  const text = errorLines(error, { style: bold, verbose: false, width: 40 }).map(stripVTControlCharacters)
  expect(text).toEqual([
    'error: web01: the health check did not',
    '  answer well in the time that it had',
    '    answered with something that nobody',
    '      expected of it',
    '  kept in',
    `    ${path}`,
    '  state: all of the switched hosts were',
    '         put back and are well',
    '  next:  ship release 1.4.2 -e production --hosts web01 --yes',
    '         when the hosts are to blame:',
    '         mend them, then again',
  ])
})

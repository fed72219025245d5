/** The log of a run: all that it said, for its user alone, named when it fails. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import type { Ending, Renderer } from '../../src/ui/renderer.ts'
import { withRunLog } from '../../src/ui/run-log.ts'

let dir: string
let folder: string
const endings: Ending[] = []
const silent: Renderer = {
  emit: () => undefined,
  settle: () => Promise.resolve(),
  end: (ending) => Promise.resolve(void endings.push(ending)),
  abandon: () => undefined,
}
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ship-log-'))
  folder = join(dir, 'logs')
  endings.length = 0
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function open(run = 'abc', now = '2026-01-02T03:04:05Z'): Renderer {
  return withRunLog(silent, { folder, command: 'release', run, now: () => Date.parse(now) })
}

it('holds what was said, and is named when the run failed', async () => {
  const renderer = open()
  renderer.emit({ event: 'step.started', step: 'gate', host: 'web1' })
  renderer.emit({ event: 'log', step: 'gate', host: 'web1', text: 'one\ntwo \u001b[2J\n' })
  renderer.emit({ event: 'step.progress', step: 'stage', progress: { done: 1, unit: 'bytes' } })
  renderer.emit({ event: 'step.finished', step: 'stage', host: 'web1', durationMs: 1234, note: '1 MB sent' })
  const error = new ShipError('put-back', 'answered 500', { host: 'web1', step: 'gate', next: ['ship status'] })
  await renderer.end({ command: 'release', exitCode: 6, error })
  const file = join(folder, '2026-01-02T03-04-05-release-abc.run.log')
  expect(endings).toEqual([{ command: 'release', exitCode: 6, error, log: file }])
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  expect(lines.map((line) => line.replace('2026-01-02T03:04:05.000Z ', ''))).toEqual([
    'gate web1: started',
    'gate web1 | one',
    'gate web1 | two \\x1b[2J',
    'stage web1: ok 1 MB sent (1.2 s)',
    'error: web1, gate: answered 500',
    '  next:  ship status',
    'ship release ended with 6',
  ])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
})

it('is not named when all went well, and the fifty newest stay', async () => {
  for (let n = 0; n < 52; n++) {
    const renderer = open(`run${n}`, `2026-01-02T03:${String(n).padStart(2, '0')}:00Z`)
    renderer.emit({ event: 'step.started', step: 'x' })
    await renderer.end({ command: 'release', exitCode: 0 })
  }
  expect(endings.some((ending) => ending.log !== undefined)).toBe(false)
  const names = readdirSync(folder)
  expect(names).toHaveLength(50)
  expect(names.toSorted((a, b) => (a < b ? -1 : 1))[0]).toContain('run2.')
})

it('is not named when the run was only refused', async () => {
  const renderer = open()
  renderer.emit({ event: 'step.started', step: 'plan' })
  await renderer.end({ command: 'release', exitCode: 9, error: new ShipError('refused', 'other bytes') })
  expect(endings.map(({ log }) => log)).toEqual([undefined])
  expect(readdirSync(folder)).toHaveLength(1)
})

it('is not there when nothing was done', async () => {
  await open().end({ command: 'release', exitCode: 2, error: new ShipError('usage', 'which environment?') })
  expect(endings.map(({ log }) => log)).toEqual([undefined])
  expect(readdirSync(dir)).toEqual([])
})

it('is left alone where it cannot be written', async () => {
  writeFileSync(folder, 'a file in its place')
  const renderer = open()
  renderer.emit({ event: 'step.started', step: 'x' })
  const error = new ShipError('unreachable', 'no')
  await renderer.end({ command: 'release', exitCode: 4, error })
  expect(endings).toEqual([{ command: 'release', exitCode: 4, error, log: undefined }])
})

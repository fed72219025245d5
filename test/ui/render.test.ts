import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import type { Event } from '../../src/events.ts'
import { workflowCommand } from '../../src/ui/actions.ts'
import { chooseLook, openRenderer, type Look } from '../../src/ui/render.ts'
import type { Screen } from '../../src/ui/renderer.ts'
import { styleWith, wantsColor } from '../../src/ui/style.ts'

const none = { json: false, quiet: false, verbose: false }

test.each<[Partial<typeof none>, boolean, Record<string, string>, Look]>([
  [{}, true, {}, 'live'],
  [{}, false, {}, 'lines'],
  [{ verbose: true }, true, {}, 'lines'],
  [{}, true, { TERM: 'dumb' }, 'lines'],
  [{}, true, { CI: 'true' }, 'lines'],
  [{}, true, { CI: 'false' }, 'live'],
  [{}, true, { GITHUB_ACTIONS: 'true', CI: 'true' }, 'actions'],
  [{}, false, { GITHUB_ACTIONS: 'true' }, 'actions'],
  [{ quiet: true }, true, {}, 'quiet'],
  [{ json: true }, true, {}, 'ndjson'],
  [{ json: true, quiet: true }, true, { GITHUB_ACTIONS: 'true' }, 'ndjson-quiet'],
])('flags %o, terminal %s, env %o: %s', (flags, isTTY, env, look) => {
  expect(chooseLook({ ...none, ...flags }, { isTTY, env })).toBe(look)
})

test.each([
  [true, {}, undefined, true],
  [false, {}, undefined, false],
  [true, { NO_COLOR: '1' }, undefined, false],
  [true, { NO_COLOR: '' }, undefined, true],
  [true, { NO_COLOR: '1', FORCE_COLOR: '1' }, undefined, false],
  [false, { FORCE_COLOR: '1' }, undefined, true],
  [true, { FORCE_COLOR: '0' }, undefined, false],
  [true, { TERM: 'dumb' }, undefined, false],
  [true, { FORCE_COLOR: '1' }, false, false],
])('colour on terminal %s with %o and flag %s: %s', (isTTY, env, flag, wanted) => {
  expect(wantsColor(isTTY, env, flag)).toBe(wanted)
})

let now = 0
beforeEach(() => {
  now = Date.parse('2026-01-02T03:04:05Z')
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** What a run over these events leaves on stdout and stderr. */
async function drawn(look: Look, events: readonly (Event | number)[], error?: unknown, verbose = false) {
  const written = { out: '', err: '' }
  const out = (name: 'out' | 'err') => ({
    write: (text: string) => void (written[name] += text),
    isTTY: false,
    columns: 80,
  })
  const style = styleWith(false)
  const screen: Screen = { out: out('out'), err: out('err'), outStyle: style, errStyle: style, verbose, now: () => now }
  const renderer = await openRenderer(look, screen)
  for (const event of events) {
    if (typeof event !== 'number') renderer.emit(event)
    else {
      for (let passed = 0; passed < event; passed += 1000) {
        now += 1000
        vi.advanceTimersByTime(1000)
      }
    }
  }
  await renderer.end({
    command: 'release',
    exitCode: error ? 6 : 0,
    text: () => ['the answer'],
    data: { version: '1.4.2' },
    error,
  })
  return { stdout: written.out, stderr: written.err.split('\n').slice(0, -1) }
}

const RUN: readonly (Event | number)[] = [
  { event: 'step.started', step: 'stage', host: 'web01' },
  { event: 'step.started', step: 'stage', host: 'web02' },
  { event: 'step.finished', step: 'stage', host: 'web01', durationMs: 1200, note: '12.3 MB sent' },
  { event: 'step.skipped', step: 'stage', host: 'web02', reason: 'already there' },
  { event: 'step.started', step: 'gate', host: 'web01' },
  { event: 'log', step: 'gate', host: 'web01', text: 'line 1\n\u001b[31mline 2' },
  { event: 'warning', host: 'web02', message: 'clock is off', next: ['set it'] },
  {
    event: 'step.failed',
    step: 'gate',
    host: 'web01',
    durationMs: 30_000,
    error: { reason: 'put-back', message: 'answered 500' },
  },
]
const FAILURE = new ShipError('put-back', 'answered 500', { host: 'web01', step: 'gate', next: ['ship status'] })

test('lines: one per step and host at its end, the output of what failed, then the answer and the error', async () => {
  expect(await drawn('lines', RUN, FAILURE)).toEqual({
    stdout: 'the answer\n',
    stderr: [
      'stage         web01: ok 12.3 MB sent (1.2 s)',
      'stage         web02: skipped: already there',
      'warning: web02: clock is off',
      '  next:  set it',
      'gate          web01: failed: answered 500 (30 s)',
      '    line 1',
      '    \\x1b[31mline 2',
      'error: web01, gate: answered 500',
      '  next:  ship status',
    ],
  })
})

test('lines with -v show output as it comes, and not again', async () => {
  const { stderr } = await drawn('lines', RUN, undefined, true)
  expect(stderr.filter((l) => l.includes('line 1'))).toEqual(['gate          web01: | line 1'])
})

const progress = (done: number): Event => ({
  event: 'step.progress',
  step: 'stage',
  host: 'web01',
  progress: { done, total: 40e6, unit: 'bytes' },
})

test('lines show a sign of life every five seconds', async () => {
  const { stderr } = await drawn('lines', [
    { event: 'step.started', step: 'stage', host: 'web01' },
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].flatMap((s) => [progress(s * 1e6), 1000]),
  ])
  expect(stderr).toEqual([
    'stage         web01: 5.0 MB of 40.0 MB, 1.0 MB/s, 35 s left',
    'stage         web01: 10.0 MB of 40.0 MB, 1.0 MB/s, 30 s left',
  ])
})

test('lines say that silent work goes on', async () => {
  const { stderr } = await drawn('lines', [{ event: 'step.started', step: 'recipe' }, 61_000])
  expect(stderr).toEqual(['recipe        still running after 30 s', 'recipe        still running after 1 min'])
})

test('lines of fifty hosts under way are one line', async () => {
  const hosts = Array.from({ length: 50 }, (_, i) => `web${i}`)
  const { stderr } = await drawn('lines', [
    ...hosts.map((host): Event => ({ event: 'step.started', step: 'stage', host })),
    ...hosts.map((host): Event => ({
      event: 'step.progress',
      step: 'stage',
      host,
      progress: { done: 1e6, total: 2e6, unit: 'bytes' },
    })),
    5000,
  ])
  expect(stderr).toEqual(['stage  0 of 50 hosts, 50.0 MB of 100 MB'])
})

test('-q leaves warnings, the answer and the error', async () => {
  expect(await drawn('quiet', RUN, FAILURE)).toEqual({
    stdout: 'the answer\n',
    stderr: [
      'warning: web02: clock is off',
      '  next:  set it',
      'error: web01, gate: answered 500',
      '  next:  ship status',
    ],
  })
})

test('Actions: a group per step, annotations for warnings and the error', async () => {
  const { stderr } = await drawn('actions', RUN, FAILURE)
  expect(stderr.filter((l) => l.startsWith('::'))).toEqual([
    '::group::stage',
    '::endgroup::',
    '::group::gate',
    '::warning::web02: clock is off',
    '::endgroup::',
    '::error title=ship release::web01, gate: answered 500%0Anext: ship status',
  ])
})

test('a workflow command cannot be ended by its values', () => {
  expect(workflowCommand('error', 'a%\r\nb', { title: 'x:y,z' })).toBe('::error title=x%3Ay%2Cz::a%25%0D%0Ab')
})

test('NDJSON: every event on stdout with schema and time, the result last, nothing on stderr', async () => {
  const { stdout, stderr } = await drawn('ndjson', RUN, FAILURE)
  const parsed = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(parsed.map((p) => p.event)).toEqual([...RUN.map((e) => (e as Event).event), 'result'])
  expect(parsed.every((p) => p.schema === 1 && p.time === '2026-01-02T03:04:05.000Z')).toBe(true)
  expect(parsed.at(-1)).toEqual({
    schema: 1,
    time: '2026-01-02T03:04:05.000Z',
    event: 'result',
    command: 'release',
    exitCode: 6,
    error: {
      reason: 'put-back',
      message: 'answered 500',
      host: 'web01',
      step: 'gate',
      next: ['ship status'],
      details: [],
    },
    data: { version: '1.4.2' },
    // As on a screen, those of the error.
    next: ['ship status'],
  })
  expect(stderr).toEqual([])
})

test('NDJSON with -q is the result alone', async () => {
  const { stdout } = await drawn('ndjson-quiet', RUN)
  expect(JSON.parse(stdout)).toMatchObject({ event: 'result', exitCode: 0 })
})

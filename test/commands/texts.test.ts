/** What commands say of plans, reports and hosts: pure functions of what the domain returns. */
import { expect, test } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import type { HistoryLine, ReleaseRecord } from '../../src/host/session.ts'
import { identify } from '../../src/commands/identity.ts'
import { noneReached, unreachedLines, withCommands } from '../../src/commands/hosts-answer.ts'
import { historyRows, resultOf } from '../../src/commands/history.ts'
import { headline, planLines } from '../../src/commands/plan-text.ts'
import { releaseRows } from '../../src/commands/releases.ts'
import { reportAnswer } from '../../src/commands/report-text.ts'
import { problemsOf } from '../../src/commands/status.ts'
import type { AppName, HostName } from '../../src/names.ts'
import type { HostPlan, Plan } from '../../src/release/plan.ts'
import type { HostStatus } from '../../src/release/status.ts'
import { styleWith } from '../../src/ui/style.ts'
import type { Version } from '../../src/version.ts'

const view = { style: styleWith(false), width: Number.POSITIVE_INFINITY, now: Date.parse('2026-01-02T00:00:00Z') }

function hostPlan(host: string, parts: Partial<HostPlan> = {}): HostPlan {
  return {
    host: host as HostName,
    action: 'stage',
    why: 'not on this host',
    from: 'releases/1.4.1',
    fromVersion: '1.4.1' as Version,
    back: 'releases/1.4.1',
    changes: { added: 3, changed: 5, removed: 1, bytes: 12_300_000 },
    treeBytes: 12_300_000,
    links: ['uploads', '.env'],
    hooks: [{ point: 'afterSwitch', title: 'systemctl reload shop' }],
    drains: [],
    gates: ['http http://127.0.0.1:8080/ expects 200'],
    prune: [],
    lock: undefined,
    ...parts,
  }
}

function plan(hosts: readonly HostPlan[], parts: Partial<Plan> = {}): Plan {
  return {
    schema: 1,
    kind: 'release',
    app: 'shop' as AppName,
    environment: 'production',
    target: '1.4.2' as Version,
    digest: 'd',
    observed: 'o',
    hosts,
    local: [],
    waves: [hosts.map((h) => h.host)],
    waveRules: [],
    behind: [],
    allowances: { unreachable: 0, failed: 0 },
    ...parts,
  }
}

test('a plan tells what differs per host in a table and what is common once', () => {
  const hosts = [
    hostPlan('db01', { hooks: [{ point: 'beforeSwitch', title: 'bin/migrate' }], prune: ['1.3.0' as Version] }),
    hostPlan('web01'),
    hostPlan('web02', { action: 'none', why: 'already live', changes: undefined, treeBytes: 0 }),
  ]
  const waves = [['db01'], ['web01', 'web02']] as HostName[][]
  expect(planLines(plan(hosts, { waves }), view)).toEqual([
    'release shop 1.4.2 to production: 2 of 3 hosts in 2 waves',
    'HOST   NOW    DOES             FILES     UNPACKED  WHY',
    'db01   1.4.1  send and switch  +3 ~5 -1   12.3 MB  not on this host',
    'web01  1.4.1  send and switch  +3 ~5 -1   12.3 MB  not on this host',
    'web02  1.4.1  nothing                              already live',
    'waves   db01 | web01, web02',
    'links   uploads, .env',
    'hook    beforeSwitch: bin/migrate (db01)',
    'hook    afterSwitch: systemctl reload shop (web01)',
    'gate    http http://127.0.0.1:8080/ expects 200',
    'prunes  1.3.0 (db01)',
  ])
})

test('a plan tells what must hold between waves, what may go wrong, and who is left out', () => {
  const hosts = ['web01', 'web02', 'web03'].map((host) => hostPlan(host, { links: [], hooks: [], gates: [] }))
  const lines = planLines(
    plan(hosts, {
      waves: hosts.map((h) => [h.host]),
      waveRules: [
        { bakeMs: 300_000, pauseMs: 0, mayFail: false },
        { bakeMs: 0, pauseMs: 30_000, mayFail: true },
        { bakeMs: 0, pauseMs: 0, mayFail: true },
      ],
      behind: [
        { host: 'web04' as HostName, kind: 'unreachable', why: 'connection refused', runs: undefined },
        { host: 'web05' as HostName, kind: 'failed', why: 'not enough disk space', runs: '1.4.1' },
      ],
      allowances: { failed: 1, unreachable: 2 },
    }),
    view,
  )
  expect(lines[0]).toBe('release shop 1.4.2 to production: 3 of 5 hosts in 3 waves')
  expect(lines.slice(5)).toEqual([
    'web04         left out                                        connection refused',
    'web05  1.4.1  left out, cannot take part                      not enough disk space',
    'waves   web01 | web02 | web03',
    'bake    5 min after wave 1, in which the gates must hold',
    'pause   30 s between waves',
    'allowed 1 host may fail, 2 hosts may be missing; such a host stays behind',
  ])
})

test('a rollback is named as one', () => {
  expect(headline(plan([hostPlan('a', { action: 'reuse' })], { kind: 'rollback' }))).toBe(
    'roll back shop to 1.4.2 on production: 1 host',
  )
})

test('a report closes with what is live', () => {
  const hosts = ['web01', 'web02'].map((host) => ({
    host,
    before: '1.4.1',
    after: '1.4.2',
    outcome: 'released' as const,
    durationMs: 2100,
  }))
  const answer = reportAnswer({
    plan: plan([hostPlan('web01'), hostPlan('web02')]),
    hosts,
    behind: [],
    durationMs: 2100,
  })
  expect(answer.text?.(view)).toEqual([
    'HOST   BEFORE  NOW    RESULT     TIME',
    'web01  1.4.1   1.4.2  released  2.1 s',
    'web02  1.4.1   1.4.2  released  2.1 s',
    'shop 1.4.2 is live on 2 hosts, verified in 2.1 s',
  ])
  expect(answer.error).toBeUndefined()
})

test('a report of a run that went on without hosts says who stays behind, and how they come level', () => {
  const hosts = [
    { host: 'web01', before: '1.4.1', after: '1.4.2', outcome: 'released' as const, durationMs: 2100 },
    {
      host: 'web02',
      before: undefined,
      after: undefined,
      outcome: 'unreachable' as const,
      durationMs: 0,
      note: 'refused',
    },
  ]
  const behind = [{ host: 'web02' as HostName, kind: 'unreachable' as const, why: 'refused', runs: undefined }]
  const allowances = { failed: 0, unreachable: 1 }
  const answer = reportAnswer({
    plan: plan([hostPlan('web01')], { behind, allowances }),
    hosts,
    behind,
    durationMs: 2100,
  })
  expect(answer.data).toMatchObject({ behind })
  expect(answer.text?.(view).slice(2)).toEqual([
    'web02  unknown  unknown  unreachable         refused',
    'shop 1.4.2 is live on 1 of 2 hosts, verified in 2.1 s',
    '1 host is behind: web02 (0 may fail, 1 may be missing)',
    'bring it level: ship release --catch-up -e production',
  ])
})

test('a report of nothing to do says so; a failed one claims nothing and carries the error', () => {
  const host = { host: 'web01', before: '1.4.2', after: '1.4.2', durationMs: 3 }
  const idle = reportAnswer({ plan: plan([]), hosts: [{ ...host, outcome: 'unchanged' }], behind: [], durationMs: 3 })
  expect(idle.text?.(view).at(-1)).toBe('shop 1.4.2 is already live on 1 host: nothing to do')
  const error = new ShipError('put-back', 'answered 500')
  const failed = reportAnswer({
    plan: plan([]),
    hosts: [{ ...host, outcome: 'put-back' }],
    behind: [],
    durationMs: 3,
    error,
  })
  expect(failed.text?.(view).at(-1)).toMatch(/^web01 .* put back/)
  expect(failed.error).toBe(error)
})

test('a run that goes on where another one died does not take its own version for the one before', () => {
  const host = { host: 'web01', before: '1.4.2', after: '1.4.2', outcome: 'released' as const, durationMs: 3 }
  const answer = reportAnswer({ plan: plan([hostPlan('web01')]), hosts: [host], behind: [], durationMs: 3 })
  expect(answer.next).toEqual(['ship status -e production'])
  const upgraded = { plan: plan([hostPlan('web01')]), hosts: [{ ...host, before: '1.4.1' }], behind: [], durationMs: 3 }
  expect(reportAnswer(upgraded).next).toEqual([
    'ship status -e production',
    'ship rollback -e production    # back to 1.4.1',
  ])
})

const well: HostStatus = { host: 'a', version: '1.4.2', digest: 'd', state: 'verified', health: 'ok', releases: 2 }

test.each<[string, readonly Partial<HostStatus>[], readonly string[]]>([
  ['all the same', [{}, {}], []],
  ['not checked is not ill', [{ health: 'not checked' }], []],
  ['different versions', [{}, { version: '1.4.1' }], ['hosts run different versions: 1.4.2, 1.4.1']],
  ['different bytes', [{}, { digest: 'e' }], ['hosts run different bytes under one version']],
  ['failing', [{}, { health: 'failing' }], ['1 host not healthy']],
  ['unverified', [{ state: 'live' }, { state: 'live' }], ['2 hosts not on a verified release']],
  [
    'behind',
    [{}, { version: '1.4.1', behind: '1.4.2' as Version }],
    [
      'hosts run different versions: 1.4.2, 1.4.1',
      '1 host behind 1.4.2: h1 (bring level: ship release --catch-up -e production)',
    ],
  ],
  ['nothing there', [{ version: undefined, digest: undefined, state: undefined }], ['1 host without a release']],
  ['silent', [{}, { error: { reason: 'unreachable', message: 'x' } }], ['1 host could not be asked']],
])('status, %s', (_, hosts, problems) => {
  expect(
    problemsOf(
      hosts.map((parts, i) => ({ ...well, host: `h${i}`, ...parts })),
      'production',
    ),
  ).toEqual(problems)
})

const record = (version: string, state: ReleaseRecord['state']) => ({ version, state, digest: version, pinned: false })

function held(...records: unknown[]): { releases: ReleaseRecord[]; foreign: string[] } {
  return { releases: records as ReleaseRecord[], foreign: [] }
}

test('releases that hosts hold alike are one row', () => {
  const live = '1.4.2' as Version
  const rows = releaseRows([
    { host: 'a', live, ...held(record('1.4.2', 'verified'), record('1.4.1', 'verified')) },
    { host: 'b', live, ...held(record('1.4.2', 'verified'), record('1.4.1', 'bad')) },
  ])
  expect(rows.map((r) => [r.release.version, r.release.state, r.live, r.hosts.join()])).toEqual([
    ['1.4.2', 'verified', true, 'a,b'],
    ['1.4.1', 'verified', false, 'a'],
    ['1.4.1', 'bad', false, 'b'],
  ])
})

function line(run: string, at: string, outcome: HistoryLine['outcome']): HistoryLine {
  return { schema: 1, at, run, by: 'me', action: 'release', version: '1.4.2', from: null, outcome }
}

test('history says of a release that was taken back what failed: the release, and not the way back', () => {
  const back = { ...line('r1', '2026-01-01T00:00:00Z', 'failed'), action: 'put-back' as const }
  expect(resultOf(back)).toBe('failed, put back')
  expect(resultOf(line('r1', '2026-01-01T00:00:00Z', 'failed'))).toBe('failed')
})

test('history merges what a run did alike, in the order of time', () => {
  const rows = historyRows([
    { host: 'a', lines: [line('r1', '2026-01-01T00:00:00Z', 'ok'), line('r2', '2026-01-03T00:00:00Z', 'failed')] },
    { host: 'b', lines: [line('r1', '2026-01-01T00:00:01Z', 'ok'), line('r3', '2026-01-02T00:00:00Z', 'ok')] },
  ])
  expect(rows.map((r) => [r.line.run, r.hosts.join()])).toEqual([
    ['r1', 'a,b'],
    ['r3', 'b'],
    ['r2', 'a'],
  ])
})

test('hosts that could not be asked are part of the answer, unless there is no other', () => {
  const error = { reason: 'unreachable', message: 'connection refused' } as const
  expect(
    unreachedLines(withCommands([{ host: 'a', error }, { host: 'b' }, { host: 'c', error }], 'staging'), view),
  ).toEqual(['error: a, c: connection refused'])
  const unknown = {
    reason: 'host-key',
    message: 'not known',
    details: ['it showed x'],
    next: ['then: ship trust'],
  } as const
  expect(unreachedLines(withCommands([{ host: 'a', error: unknown }], 'staging'), view).at(-1)).toBe(
    '  next:  then: ship trust -e staging',
  )
  // The answer has told the details.
  expect(noneReached([{ host: 'a', error: unknown }])).toMatchObject({ details: [], next: ['then: ship trust'] })
  expect(noneReached([{ host: 'a', error }, { host: 'b' }])).toBeUndefined()
  expect(noneReached([{ host: 'a', error }])?.reason).toBe('unreachable')
})

test('who and where: a CI run by its actor and URL, a person by name and machine', () => {
  const ci = {
    GITHUB_ACTOR: 'octo\u001b[2J',
    GITHUB_SERVER_URL: 'https://g',
    GITHUB_REPOSITORY: 'a/b',
    GITHUB_RUN_ID: '7',
  }
  expect(identify(ci)).toEqual({
    run: expect.stringMatching(/^[\da-f]{8}$/),
    by: 'octo\\x1b[2J',
    url: 'https://g/a/b/actions/runs/7',
  })
  expect(identify({})).toMatchObject({ by: expect.stringMatching(/^\S+@\S+$/), url: undefined })
})

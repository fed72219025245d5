/** From flags and a configuration to an answer, with commands that need no host; and what signals do. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostsOf, strategyOf } from '../../src/commands/strategy-text.ts'
import { ship } from '../support/cli.ts'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ship-project-'))
  await mkdir(join(dir, 'a/b'), { recursive: true })
  await mkdir(join(dir, 'hangs'))
  const config = {
    name: 'shop',
    version: '1.0.0',
    release: { transport: 'local', keep: 3 },
    environments: { staging: { hosts: [{ host: 'here', deployTo: join(dir, 'target'), env: { SECRET: 'xyzzy' } }] } },
  }
  await writeFile(join(dir, 'ship.config.json'), JSON.stringify(config))
  await writeFile(
    join(dir, 'hangs/ship.config.mjs'),
    'console.error("loading"); setInterval(() => {}, 1000); await new Promise(() => {})',
  )
})
afterAll(() => rm(dir, { recursive: true, force: true }))

test('config: from a subfolder, by --cwd, by --config; values with origins; secrets masked', async () => {
  const inside = await ship('config', { cwd: join(dir, 'a/b') })
  expect(inside).toMatchObject({ code: 0, stderr: '' })
  expect(inside.stdout).toMatch(/^release\.keep += 3 {2}\(ship\.config\.json\)$/m)
  expect(inside.stdout).not.toContain('xyzzy')
  expect((await ship(['--cwd', join(dir, 'a'), 'config'])).stdout).toBe(inside.stdout)
  expect((await ship(['config', '-c', 'ship.config.json'], { cwd: dir })).stdout).toBe(inside.stdout)
})

test('config --json: the answer under data of the result', async () => {
  const { stdout } = await ship('config --json', { cwd: dir })
  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  expect(result).toMatchObject({ schema: 1, event: 'result', command: 'config', exitCode: 0 })
  expect(result.data).toContainEqual({ path: 'release.keep', value: 3, origin: 'file' })
})

test('schema: JSON alone on stdout, in any folder', async () => {
  const { stdout, stderr, code } = await ship('schema', { cwd: tmpdir() })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(JSON.parse(stdout).properties).toHaveProperty('environments')
})

test('without a configuration: exit 2 and where it was looked for', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'ship-empty-'))
  const { code, stderr, stdout } = await ship('status', { cwd: empty })
  await rm(empty, { recursive: true })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(empty)
})

test.each([
  ['status -e stagin', 'did you mean "staging"'],
  ['status --hosts her', 'did you mean "here"'],
  ['status --roles db', 'no host'],
  ['history -n 0', '"0" is no number of lines'],
  ['plan --strategy blue', 'use all, rolling, rolling:2'],
  ['plan --max-failed some', '"some" is no number of hosts'],
  ['rollback --max-unreachable 110%', '"110%" is no number of hosts'],
  ['pin 1.x', 'is not a semantic version'],
  ['inspect nofile.tgz', 'and there is no file "nofile.tgz"'],
  ['verify ship.config.json', '"ship.config.json" is no archive that ship builds'],
  ['rollback 1.0.0 --pick', 'exclude each other'],
  ['rollback --pick', '--pick needs a terminal'],
])('%s: exit 2 with what to do', async (args, said) => {
  const { code, stdout, stderr } = await ship(args, { cwd: dir })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(said)
})

test.each([
  ['all', { type: 'all' }],
  ['rolling', { type: 'rolling', batch: { hosts: 1 }, pauseMs: 0 }],
  ['rolling:3', { type: 'rolling', batch: { hosts: 3 }, pauseMs: 0 }],
  ['rolling:25%', { type: 'rolling', batch: { share: 0.25 }, pauseMs: 0 }],
  ['rolling:2:30s', { type: 'rolling', batch: { hosts: 2 }, pauseMs: 30_000 }],
  ['canary', { type: 'canary', count: { hosts: 1 }, bakeMs: 300_000, next: { type: 'all' } }],
  ['canary:10%:90s', { type: 'canary', count: { share: 0.1 }, bakeMs: 90_000, next: { type: 'all' } }],
  ['waves:1,50%', { type: 'waves', marks: [{ hosts: 1 }, { share: 0.5 }], bakeMs: 0, pauseMs: 0 }],
  ['waves:2:1m', { type: 'waves', marks: [{ hosts: 2 }], bakeMs: 60_000, pauseMs: 0 }],
])('--strategy %s', (text, strategy) => {
  expect(strategyOf(text)).toEqual(strategy)
})

test.each(
  [
    ['', 'ALL', 'all:2', 'rolling:', 'rolling:0', 'rolling:0%', 'rolling:101%', 'rolling:2:3', 'rolling:2:3s:4'],
    ['canary:0', 'canary:1:', 'waves', 'waves:', 'waves:1,,3', 'waves:3,1', 'waves:50%,10%', 'waves:2,2'],
  ].flat(),
)('--strategy %s is refused', (text) => {
  expect(() => strategyOf(text)).toThrow(/is no strategy/)
})

test('numbers of hosts behind a flag may be none, and shares', () => {
  expect([hostsOf('max-failed', '0'), hostsOf('max-failed', '12'), hostsOf('max-failed', '5%')]).toEqual([
    { hosts: 0 },
    { hosts: 12 },
    { share: 0.05 },
  ])
  expect(() => hostsOf('max-failed', '-1')).toThrow('--max-failed: "-1" is no number of hosts')
})

describe('signals', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('%s ends a configuration that hangs: exit %d', async (signal, exit) => {
    const { code, stderr } = await ship('config', { cwd: join(dir, 'hangs'), when: 'loading', signal })
    expect(stderr).toContain(`error: interrupted by ${signal}`)
    expect(code).toBe(exit)
  })
})

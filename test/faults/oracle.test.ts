/** The oracle is believed because it finds fault: every kind of loss, done by hand to a good host, is named by the program. */
import { execFile, execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BEFORE, LIVE, makeTemplate, type Template } from '../hosts/lane.ts'
import type { Expectation } from '../hosts/oracle.ts'
import { NODE } from '../support/cli.ts'

const ORACLE = join(import.meta.dirname, '../hosts/oracle.ts')
let template: Template
let dir = ''
let root = ''
beforeAll(async () => {
  template = await makeTemplate()
  dir = mkdtempSync(join(tmpdir(), 'ship-oracle-'))
  root = join(dir, 'host')
})
afterAll(() => {
  for (const folder of [template.dir, dir]) rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  rmSync(root, { recursive: true, force: true })
  execFileSync('cp', ['-a', template.hostAt(LIVE), root])
})

function oracle(
  flag: '--snapshot' | '--expect',
  file: string,
): Promise<{ readonly code: number; readonly stdout: string }> {
  return new Promise((resolve) => {
    execFile(NODE, [ORACLE, root, flag, file], (error, stdout) =>
      resolve({ code: error ? Number(error.code) : 0, stdout }),
    )
  })
}

/** What the program says of a host to which this was done. */
async function said(damage: () => void, more: Partial<Expectation> = {}): Promise<{ code: number; stdout: string }> {
  const snapshot = join(dir, 'snapshot.json')
  await oracle('--snapshot', snapshot)
  damage()
  const before = JSON.parse(execFileSync('cat', [snapshot], { encoding: 'utf8' })) as Expectation['before']
  const expectation: Expectation = { before, goals: [LIVE], mayCome: [], code: 0, settled: true, mayGo: [], ...more }
  const file = join(dir, 'expect.json')
  writeFileSync(file, JSON.stringify(expectation))
  return oracle('--expect', file)
}

const at = (...path: string[]): string => join(root, ...path)
function pointTo(target: string): void {
  rmSync(at('current'), { force: true })
  symlinkSync(target, at('current'))
}

const DAMAGES: Readonly<Record<string, readonly [() => void, string]>> = {
  'current is gone': [() => rmSync(at('current')), 'current is "null"'],
  'current names a third release': [() => pointTo('releases/1.0.0'), 'neither old nor new'],
  'current leads nowhere': [() => rmSync(at('releases', LIVE), { recursive: true }), 'which is not there'],
  'a byte of the live release': [
    () => appendFileSync(at('releases', LIVE, 'VERSION'), 'x'),
    `${LIVE} is not its manifest: VERSION`,
  ],
  'a byte of an old release': [
    () => appendFileSync(at('releases', BEFORE, 'deep/page'), 'x'),
    `${BEFORE} is not what it was: deep/page`,
  ],
  'a time of an old release': [
    () => utimesSync(at('releases', BEFORE, 'same'), 1, 1),
    `${BEFORE} is not what it was: same`,
  ],
  'a mode': [() => chmodSync(at('releases', LIVE, 'same'), 0o666), `${LIVE} is not its manifest: same`],
  'a file too many': [() => writeFileSync(at('releases', LIVE, 'more'), ''), `${LIVE} is not its manifest: more`],
  'an old release is gone': [() => rmSync(at('releases', BEFORE), { recursive: true }), `release ${BEFORE} is gone`],
  'a record is gone': [() => rmSync(at('.ship/releases', `${LIVE}.json`)), `${LIVE} has no record`],
  'half a record': [
    () => writeFileSync(at('.ship/releases', `${LIVE}.json`), '{"schema":1,'),
    `the record of ${LIVE} is none`,
  ],
  'half a line in the journal': [
    () => appendFileSync(at('.ship/history.ndjson'), '{"schema":1,'),
    'ends within a line',
  ],
  'no line in the journal': [
    () => appendFileSync(at('.ship/history.ndjson'), 'what\n'),
    'a line of the journal is none: what',
  ],
  'a lock that is held': [
    () => mkdirSync(at('.ship/lock', 'a'.repeat(32)), { recursive: true }),
    'the lock is still held',
  ],
  'something outside .ship': [() => writeFileSync(at('stray'), ''), '"stray" should not be there'],
  'a release that nobody made': [() => mkdirSync(at('releases/9.9.9')), '"releases/9.9.9" should not be there'],
  'something half in .ship': [() => mkdirSync(at('.ship/incoming/half')), '.ship/incoming/half was left behind'],
  'a list of no release': [
    () => writeFileSync(at('.ship/manifests/9.9.9.sums'), ''),
    '.ship/manifests/9.9.9.sums was left behind',
  ],
}

describe('the oracle', () => {
  it('says nothing of a host that is well', async () => {
    expect(await said(() => undefined)).toEqual({ code: 0, stdout: '' })
  })

  it.for(Object.entries(DAMAGES))('names what is wrong: %s', async ([, [damage, line]]) => {
    const { code, stdout } = await said(damage)
    expect(stdout).toContain(line)
    expect(code).toBe(1)
  })

  it('holds the exit code against what is live', async () => {
    const lied = await said(() => undefined, { goals: ['1.3.0'] })
    expect(lied.stdout).toContain('exit code 0, but current is "releases/1.2.0"')
    const back = await said(() => pointTo(`releases/${BEFORE}`), { goals: [BEFORE], code: 6, settled: false })
    expect(back.stdout).toContain('exit code 6, but current is "releases/1.1.0"')
  })

  it('lets a dead run keep its lock and its leavings until the next one', async () => {
    const leave = (): void => {
      mkdirSync(at('.ship/incoming/half'))
      const token = 'a'.repeat(32)
      mkdirSync(at('.ship/lock', token), { recursive: true })
      writeFileSync(at('.ship/lock', token, 'owner'), `${JSON.stringify({ token, user: 'x', client: {} })}\n`)
    }
    expect(await said(leave, { code: null, settled: false })).toEqual({ code: 0, stdout: '' })
  })
})

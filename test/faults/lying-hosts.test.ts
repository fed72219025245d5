/**
 * A host that lies, one question at a time: without end, with control characters, with another's frames, with half of one. The host is a
 * fake: a folder of this machine whose `sh` answers honestly but for the one question. ship ends by name, in bounded memory and time.
 */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeShop, runs, type Shop } from '../stories/shop.ts'
import { ship, type ShipResult } from '../support/cli.ts'
import { watchPeaks } from '../support/peaks.ts'

/** By what stands in the script of each question. */
const QUESTIONS = {
  lock: 'acquire() {',
  probe: 'settle 30 -',
  stage: 'begin_receiving',
  switch: 'mv -fT "$mine/cur"',
  mark: 'write_history "$history"',
  unlock: '>"$ship/reserve/$n"',
  run: 'take_settings "$ship_count"',
  drift: 'sha256sum -c "$lists.sums"',
} as const
type Question = keyof typeof QUESTIONS

/** What is said instead; $4 is the marker. */
const LIES = {
  noise: 'exec yes "no answer at all, and no end of it"',
  answer: 'exec yes "$4 record 1.0.0 {}"',
  controls: `printf '\\033[2J\\033]0;owned\\007%s current link \\033[31mreleases/1.0.0\\n%s record 9.9.9 {"by":"\\033[2J"}\\n' "$4" "$4"; printf '\\033[8m' >&2; printf '%s end write \\033[2J\\r\\302\\233owned\\n' "$4"`,
  wrong: `printf 'ship-%024d end ok \\n%s-x end ok \\n' 0 "$4"`,
  half: `printf '%s current absent\\n%s end o' "$4" "$4"`,
} as const
type Lie = keyof typeof LIES

const IS_LONG = process.env['SHIP_FAULTS'] === 'long'
/** Which questions are lied to in a short run. */
const SHORT: Readonly<Record<Lie, readonly Question[]>> = {
  noise: ['probe', 'run'],
  answer: ['lock', 'switch', 'mark'],
  controls: ['probe', 'stage', 'drift', 'switch', 'mark', 'unlock'],
  wrong: ['probe', 'switch', 'mark'],
  half: ['lock', 'stage', 'switch', 'run'],
}

/** More than an honest run takes, far less than what is sent. */
const MAX_RSS = 420 * 1024 * 1024
const MAX_MS = 60_000

describe('a host that lies', () => {
  let dir = ''
  let shop: Shop
  let host = ''
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ship-liar-'))
    host = join(dir, 'host')
    mkdirSync(join(dir, 'bin'))
    const cases = Object.entries(QUESTIONS).map(([name, text]) => `*${shellPattern(text)}*) question=${name} ;;`)
    const lies = Object.entries(LIES).map(([name, text]) => `${name}) ${text} ;;`)
    const lines = [
      '#!/bin/dash',
      'question=',
      'case $2 in',
      ...cases,
      'esac',
      '[ "$question" = "$LIE_AT" ] || exec /bin/dash "$@"',
      'case $LIE in',
      ...lies,
      'esac',
    ]
    writeFileSync(join(dir, 'bin/sh'), `${lines.join('\n')}\n`)
    chmodSync(join(dir, 'bin/sh'), 0o755)
    shop = await makeShop(join(dir, 'shop'))
    const health = [{ exec: ['true'], deadline: '200ms', interval: '100ms' }]
    await shop.configure({
      name: 'shop',
      build: { from: 'app' },
      release: { health },
      environments: { production: { hosts: [{ host: 'liar', local: host }] } },
    })
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      await shop.write(version)
      for (const args of version === '1.2.0' ? ['build'] : ['build', 'release'])
        expect((await run(args)).stderr).not.toContain('error')
    }
    cpSync(host, join(dir, 'before'), { recursive: true, verbatimSymlinks: true })
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  interface Ended extends ShipResult {
    readonly rss: number
    readonly ms: number
  }
  async function run(args: string, lie?: Lie, at?: Question): Promise<Ended> {
    let peaks = (): { readonly rssBytes: number } => ({ rssBytes: 0 })
    const env = {
      NO_COLOR: '1',
      PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? ''}`,
      LIE: lie ?? '',
      LIE_AT: at ?? 'nothing',
    }
    const since = performance.now()
    const result = await ship(args, { cwd: shop.dir, env, onStart: ({ pid }) => void (peaks = watchPeaks(pid)) })
    return { ...result, rss: peaks().rssBytes, ms: performance.now() - since }
  }

  const tries = (Object.keys(LIES) as Lie[]).flatMap((lie) =>
    (Object.keys(QUESTIONS) as Question[])
      .filter((at) => IS_LONG || SHORT[lie].includes(at))
      .map((at): [Question, Lie] => [at, lie]),
  )
  it.each(tries)('asked to "%s" and answering with %s is told by name', { timeout: 60_000 }, async (at, lie) => {
    rmSync(host, { recursive: true })
    cpSync(join(dir, 'before'), host, { recursive: true, verbatimSymlinks: true })
    const args = at === 'drift' ? 'rollback' : 'release 1.2.0'
    const result = await run(args, lie, at)
    const said = result.stdout + result.stderr
    // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
    expect(said).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/)
    expect(said).not.toMatch(/\n {4}at |defect|Error:/)
    expect({ at, lie, code: result.code, said }).toEqual({
      at,
      lie,
      code: expect.toSatisfy((code) => codesOf(at).includes(code)),
      said,
    })
    expect(result.rss).toBeLessThan(MAX_RSS)
    expect(result.ms).toBeLessThan(MAX_MS)
    expect(result.code === 0 || /error: liar(?:, [\w-]+)?: .*\S/.test(said)).toBe(true)
    // Whatever it was told, the host has one whole release.
    const now = await runs(host)
    expect(now.whole).toBe(true)
    // And an honest one is released to as ever.
    for (const again of ['release 1.2.0 --yes', 'rollback 1.1.0 --yes']) {
      const { code, stderr } = await run(again)
      expect({ again, code, stderr: code === 0 ? '' : stderr }).toEqual({ again, code: 0, stderr: '' })
    }
  })
})

/** Codes that a run may end with: what is asked before the switch leaves `current` alone. What a program prints is its own affair. */
function codesOf(at: Question): readonly number[] {
  const after = [5, 6, 7]
  const codes: Readonly<Record<Question, readonly number[]>> = {
    probe: [4, 5],
    lock: [4, 5],
    stage: [4, 5],
    drift: [4, 5, 9],
    switch: after,
    run: [0, ...after],
    mark: [0, ...after],
    unlock: [0],
  }
  return codes[at]
}

/** A text as a pattern of `case` that matches it alone. */
function shellPattern(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

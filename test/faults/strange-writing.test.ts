/**
 * Row (m): what other versions of ship, a power cut or a person left in a host's journal and records. What an older one wrote is read; what
 * a newer one added is carried along; what a newer one wrote in another form is left alone, by name; and no line is ever lost.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { snapshotOf } from '../hosts/oracle.ts'
import { whyNoStrangers } from '../hosts/strange.ts'
import { makeStrangeStory, type StrangeStory } from '../hosts/strange-story.ts'
import { runs } from '../stories/shop.ts'

const lacking = whyNoStrangers()

/** Text of the journal, and of a record by version, as they are made of those that are there. */
interface Writing {
  readonly journal?: (text: string) => string
  readonly record?: readonly [version: string, change: (text: string) => string]
}

const changed = (parts: Record<string, unknown>) => (text: string) =>
  `${JSON.stringify({ ...(JSON.parse(text) as object), ...parts })}\n`
/** As the first ship wrote them: nothing that became optional later. */
const FIRST_KEYS = 'schema version digest state seq previous pinned shared by run stagedAt'.split(' ')
const asFirst = (text: string): string => `${JSON.stringify(JSON.parse(text), FIRST_KEYS)}\n`
const OLD_LINE = JSON.stringify({
  schema: 1,
  at: '2019-01-01T00:00:00Z',
  run: 'r0',
  by: 'somebody',
  action: 'release',
  version: '0.9.0',
  from: null,
  outcome: 'ok',
})
const FUTURE = { future: { list: [1, 'two', null], deep: { er: true } } }
const NEW_LINE = `${JSON.stringify({ schema: 2, when: 1, what: 'ascended', ...FUTURE })}\n`

/** These go on as ever. */
const GOING_ON: Readonly<Record<string, Writing>> = {
  older: { journal: (text) => `${OLD_LINE}\n${text}`, record: ['1.1.0', asFirst] },
  empty: { journal: () => '' },
  cut: { journal: (text) => text.slice(0, -30) },
  cutonce: { journal: (text) => text.slice(0, -1) },
  torn: { journal: (text) => `${text}\0\0\0\0`, record: ['1.0.0', () => ''] },
  added: { journal: (text) => `${text}${OLD_LINE.slice(0, -1)},"future":[1]}\n`, record: ['1.1.0', changed(FUTURE)] },
  lines: { journal: (text) => `${NEW_LINE}${text}${NEW_LINE}` },
}
/** These are refused. */
const REFUSED: Readonly<Record<string, Writing>> = {
  newer: { record: ['1.0.0', changed({ schema: 2, ...FUTURE })] },
  newlive: { record: ['1.1.0', changed({ schema: 3, state: 'ascended' })] },
}
const ALL = { ...GOING_ON, ...REFUSED }

describe.skipIf(lacking !== undefined)(
  `hosts with another's writing${lacking === undefined ? '' : ` (${lacking})`}`,
  () => {
    let story: StrangeStory
    const left = new Map<string, string>()
    const journal = (name: string): string => join(story.host(name).deployTo, '.ship/history.ndjson')
    const record = (name: string, version: string): string =>
      join(story.host(name).deployTo, '.ship/releases', `${version}.json`)

    beforeAll(async () => {
      story = await makeStrangeStory(Object.fromEntries(Object.keys(ALL).map((name) => [name, {}])))
      await story.configure({
        health: [{ exec: '[ "$SHIP_VERSION" != 1.3.0 ]', deadline: '200ms', interval: '100ms' }],
      })
      for (const version of ['1.0.0', '1.1.0']) {
        await story.build(version)
        await story.play('release', 0, version)
      }
      for (const [name, { journal: change, record: other }] of Object.entries(ALL)) {
        if (change) writeFileSync(journal(name), change(readFileSync(journal(name), 'utf8')))
        if (other) {
          const [version, of] = other
          writeFileSync(record(name, version), of(readFileSync(record(name, version), 'utf8')))
        }
        left.set(name, readFileSync(journal(name), 'utf8'))
      }
    })
    afterAll(() => story?.dispose())

    it('of a newer form are refused by name, whatever is wanted, and left as they are', async () => {
      await story.build('1.2.0')
      const only = `--hosts ${Object.keys(REFUSED).join(',')}`
      const files = Object.entries(REFUSED).flatMap(([name, { record: other }]) => [
        journal(name),
        record(name, other?.[0] ?? ''),
      ])
      const before = files.map((file) => readFileSync(file, 'utf8'))
      for (const args of ['release', 'rollback', 'rollback 1.0.0', 'prune --yes', 'pin 1.0.0', 'plan']) {
        const { code, stderr } = await story.run(`${args} ${only}`)
        expect({ args, code }).toEqual({ args, code: 9 })
        expect(stderr).toMatch(/the record of release 1\.[01]\.0 was written by a newer ship/)
        expect(stderr).toContain('run it with that ship')
      }
      expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(before)
      for (const name of Object.keys(REFUSED))
        expect(await runs(story.host(name).deployTo)).toMatchObject({ version: '1.1.0', whole: true })
      // Who only looks is told what there is.
      expect((await story.run(`status ${only}`)).code).toBe(0)
    })

    it('of an older form, cut off, torn or added to go on: release, return by itself, pin, rollback', async () => {
      const only = `--hosts ${Object.keys(GOING_ON).join(',')}`
      const before = new Map(Object.keys(GOING_ON).map((name) => [name, snapshotOf(story.host(name).deployTo)]))
      const codes: [string, number][] = [
        ['release', 0],
        ['pin 1.1.0', 0],
        ['release', 6],
        ['rollback', 0],
      ]
      for (const [args, code] of codes) {
        if (code === 6) await story.build('1.3.0')
        const result = await story.run(`${args} ${only}`)
        expect({ args, code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({
          args,
          code,
          stderr: '',
        })
      }
      for (const name of Object.keys(GOING_ON)) {
        const { deployTo } = story.host(name)
        expect(await runs(deployTo), name).toMatchObject({ version: '1.1.0', whole: true })
        expect(snapshotOf(deployTo).releases, name).toMatchObject(before.get(name)?.releases ?? {})
      }
    })

    it.each(Object.keys(GOING_ON))('"%s" has every line that it had, and every line that came since', (name) => {
      const now = readFileSync(journal(name), 'utf8')
      const was = left.get(name) ?? ''
      expect(now.startsWith(was)).toBe(true)
      // What was cut off ends where it was cut: nothing was written into it.
      const added = now.slice(was.length).replace(/^\n/, '').split('\n').slice(0, -1)
      expect(added.map((line) => (JSON.parse(line) as { action: string }).action)).toEqual([
        'release',
        'pin',
        'put-back',
        'rollback',
      ])
      expect(JSON.parse(added[0] ?? '')).toMatchObject({ version: '1.2.0', from: '1.1.0' })
    })

    it('are told of by "history", with the lines of before', async () => {
      const { stdout } = await story.run('history --json --limit 100')
      const { data } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
        data: { hosts: { host: string; lines: { action: string; version: string }[] }[] }
      }
      const told = new Map(data.hosts.map(({ host, lines }) => [host, lines.map(({ version }) => version)]))
      expect(told.get('older')).toEqual(['0.9.0', '1.0.0', '1.1.0', '1.2.0', '1.1.0', '1.3.0', '1.1.0'])
      expect(told.get('cut')).toEqual(['1.0.0', '1.2.0', '1.1.0', '1.3.0', '1.1.0'])
    })

    it('keep what a newer ship added to a record, through every change of it', () => {
      expect(JSON.parse(readFileSync(record('added', '1.1.0'), 'utf8'))).toMatchObject({ ...FUTURE, pinned: true })
      expect(readFileSync(record('torn', '1.0.0'), 'utf8')).toBe('')
    })
  },
)

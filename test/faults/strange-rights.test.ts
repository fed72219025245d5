/**
 * Row (c) for the rights of a plain user: folders and files below deployTo that belong to somebody else. What cannot work is refused by the
 * name of the folder and of the user, before anything is touched; going back works as far as the rights go.
 */
import { chmodSync, chownSync, existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { losses, snapshotOf } from '../hosts/oracle.ts'
import { whyNoStrangers } from '../hosts/strange.ts'
import { makeStrangeStory, type StrangeStory } from '../hosts/strange-story.ts'
import { runs } from '../stories/shop.ts'

const lacking = whyNoStrangers()
const closed = (path: string): void => {
  chownSync(path, 0, 0)
  chmodSync(path, 0o755)
}

interface Closing {
  /** What root took, below deployTo; `''` is deployTo itself. */
  readonly path: string
  readonly release: number
  readonly rollback: number
  /** In what a refused release says, if not the path. */
  readonly says?: RegExp
}

const CLOSED: Readonly<Record<string, Closing>> = {
  itself: { path: '', release: 5, rollback: 5 },
  releases: { path: 'releases', release: 5, rollback: 0 },
  shared: { path: 'shared', release: 5, rollback: 0 },
  ship: { path: '.ship', release: 5, rollback: 5 },
  records: { path: '.ship/releases', release: 5, rollback: 5 },
  manifests: { path: '.ship/manifests', release: 5, rollback: 0, says: /manifests.*ermission denied/ },
  incoming: { path: '.ship/incoming', release: 5, rollback: 0, says: /incoming.*ermission denied/ },
}

describe.skipIf(lacking !== undefined)(`a plain user${lacking === undefined ? '' : ` (${lacking})`}`, () => {
  let story: StrangeStory
  beforeAll(async () => {
    const names = [...Object.keys(CLOSED), 'sticky', 'journal', 'trash', 'old']
    story = await makeStrangeStory(Object.fromEntries(names.map((name) => [name, {}])))
    await story.configure({ shared: { dirs: ['uploads'] } })
    for (const version of ['1.0.0', '1.1.0']) {
      await story.build(version)
      await story.play('release', 0, version)
    }
    await story.build('1.2.0')
  })
  afterAll(() => story?.dispose())

  /** Runs it on one host, whose `current` leads to a whole release and whose releases stay, whatever the exit code. */
  async function tries(
    name: string,
    args: string,
    code: number,
    goal: string,
    mayGo: readonly string[] = [],
  ): Promise<string> {
    const { deployTo } = story.host(name)
    const before = { [deployTo]: snapshotOf(deployTo) }
    const result = await story.run(`${args} --hosts ${name}`)
    const said = result.stdout + result.stderr
    expect({ args, code: result.code, said: result.code === code ? '' : said }).toEqual({ args, code, said: '' })
    expect(said).not.toMatch(/\n {4}at /)
    expect(losses([deployTo], { before, goals: [goal], mayCome: [], code, settled: false, mayGo })).toEqual([])
    return said
  }

  it.concurrent.each(Object.entries(CLOSED))(
    'without rights on "%s" is refused by name, and goes back as far as it can',
    async (name, closing) => {
      const { deployTo, own } = story.host(name)
      const path = join(deployTo, closing.path)
      closed(path)
      const said = await tries(name, 'release', closing.release, '1.2.0')
      expect(said).toMatch(closing.says ?? new RegExp(`no right to write "${path}" as user deploy`))
      expect(existsSync(join(deployTo, 'releases/1.2.0'))).toBe(false)
      await tries(name, 'rollback', closing.rollback, '1.0.0')
      const version = closing.rollback === 0 ? '1.0.0' : '1.1.0'
      expect(await runs(deployTo)).toMatchObject({ version, whole: true })
      own(path)
      // Of what was rolled back from nothing is kept.
      await tries(name, 'release', 0, '1.2.0', version === '1.0.0' ? ['1.1.0'] : [])
      await tries(name, 'rollback', 0, version)
    },
  )

  it('in a folder of many users cannot replace a link of another one, and says so', async () => {
    const { deployTo } = story.host('sticky')
    const current = join(deployTo, 'current')
    rmSync(current)
    symlinkSync('releases/1.1.0', current)
    chownSync(deployTo, 0, 0)
    chmodSync(deployTo, 0o1777)
    const said = await tries('sticky', 'release', 5, '1.2.0')
    expect(said).toMatch(/current.*peration not permitted/)
    expect(await tries('sticky', 'rollback', 5, '1.0.0')).toMatch(/current.*peration not permitted/)
    expect(await runs(deployTo)).toMatchObject({ version: '1.1.0', whole: true })
  })

  it('who may not write the journal is told so, and gets the release', async () => {
    const { deployTo } = story.host('journal')
    const journal = join(deployTo, '.ship/history.ndjson')
    closed(journal)
    const before = readFileSync(journal, 'utf8')
    expect(await tries('journal', 'release', 0, '1.2.0')).toMatch(/history\.ndjson.*ermission denied/)
    expect(readFileSync(journal, 'utf8')).toBe(before)
    expect(await runs(deployTo)).toMatchObject({ version: '1.2.0', whole: true })
  })

  it('who may not remove an old release is warned, and gets the new one', async () => {
    const { deployTo } = story.host('old')
    await story.configure({ shared: { dirs: ['uploads'] }, keep: 2 })
    execFileSync('chown', ['-R', '0:0', join(deployTo, 'releases/1.0.0')])
    const said = await tries('old', 'release', 0, '1.2.0')
    expect(said).toMatch(/1\.0\.0.*ermission denied/)
    expect(await runs(deployTo)).toMatchObject({ version: '1.2.0', whole: true })
  })
})

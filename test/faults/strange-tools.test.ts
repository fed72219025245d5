/**
 * Row (m): hosts that lack a program. What can be done by another one is; everything else is refused by its name, before anything is
 * touched: a program that is missing in the middle of a pipe looks like one that found nothing.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whyNoStrangers } from '../hosts/strange.ts'
import { makeStrangeStory, type StrangeStory } from '../hosts/strange-story.ts'
import { snapshotOf } from '../hosts/oracle.ts'
import { runs } from '../stories/shop.ts'

const lacking = whyNoStrangers()
const why = lacking === undefined ? '' : ` (${lacking})`

/** None of these may be missing. */
const NEEDED =
  'awk cat chmod cp cut df find grep head ln mkdir mv readlink rm rmdir sed sha256sum sort sync tail tar tee tr wc xargs'.split(
    ' ',
  )
/** Any one of these may. */
const SPARE = 'date du gzip id ls mktemp nohup rsync setsid sleep stat touch uname zstd flock'.split(' ')
const ALL = ['sh', ...NEEDED, ...SPARE]
/** An upload by differences, so that everything is made use of. */
const big = (version: string): Record<string, string> => ({ big: `${version}\n${'0123456789abcdef\n'.repeat(4000)}` })

const hostsWithout = (tools: readonly string[]): Record<string, { programs: readonly string[] }> =>
  Object.fromEntries(tools.map((tool) => [`no-${tool}`, { programs: ALL.filter((program) => program !== tool) }]))

describe.skipIf(lacking !== undefined)(`hosts that lack what is needed${why}`, () => {
  let story: StrangeStory
  beforeAll(async () => {
    story = await makeStrangeStory({ ...hostsWithout(NEEDED), 'no-gzip': { programs: [...NEEDED, 'sh'] } })
    await story.configure({})
    await story.build('1.0.0', big('1.0.0'))
  })
  afterAll(() => story?.dispose())

  it('are refused by the name of it, all of them, and nothing is made there', async () => {
    const said = await story.play('release', 5, '1.0.0')
    for (const tool of [...NEEDED, 'gzip']) {
      const name = tool === 'mv' ? '(?:"mv -T"|mv)' : tool === 'gzip' ? 'gzip or zstd' : tool
      expect(said).toMatch(new RegExp(`no-${tool}\\b.*the host lacks ${name}$`, 'm'))
    }
    expect(said).toMatch(/next:.*\n?.*install coreutils/)
    for (const { deployTo } of story.hosts.values()) expect(existsSync(deployTo)).toBe(false)
  })

  it('are refused for a rollback as well, and go on when they have it again', async () => {
    const host = story.host('no-grep')
    await story.configure({}, ({ name }) => (name === host.name ? {} : { roles: ['other'] }))
    host.give('grep')
    for (const version of ['1.0.0', '1.1.0']) {
      await story.build(version, big(version))
      expect((await story.run('release --hosts no-grep')).code).toBe(0)
    }
    await story.build('1.2.0', big('1.2.0'))
    const before = snapshotOf(host.deployTo)
    const left = readdirSync(join(host.deployTo, '.ship'))
    host.take('grep')
    for (const args of ['release --hosts no-grep', 'rollback --hosts no-grep', 'prune --yes --hosts no-grep']) {
      const { code, stderr } = await story.run(args)
      expect({ args, code }).toEqual({ args, code: 5 })
      expect(stderr).toContain('the host lacks grep')
      expect(snapshotOf(host.deployTo)).toEqual(before)
      expect(readdirSync(join(host.deployTo, '.ship'))).toEqual(left)
    }
    host.give('grep')
    expect((await story.run('release --hosts no-grep')).code).toBe(0)
    expect(await runs(host.deployTo)).toMatchObject({ version: '1.2.0', whole: true })
  })
})

describe.skipIf(lacking !== undefined)(`hosts that lack what can be done without${why}`, () => {
  let story: StrangeStory
  beforeAll(async () => {
    story = await makeStrangeStory(hostsWithout(SPARE))
    await story.configure({ health: [{ exec: '[ "$SHIP_VERSION" != 1.2.0 ]', deadline: '200ms', interval: '100ms' }] })
  })
  afterAll(() => story?.dispose())

  it('release, upgrade, go back from a failing check by themselves, roll back and prune', async () => {
    for (const version of ['1.0.0', '1.1.0']) {
      await story.build(version, big(version))
      await story.play('release', 0, version)
    }
    await story.build('1.2.0', big('1.2.0'))
    await story.play('release', 6, '1.2.0')
    await story.play('rollback', 0, '1.0.0')
    for (const { deployTo } of story.hosts.values()) {
      expect(await runs(deployTo)).toMatchObject({ version: '1.0.0', whole: true })
    }
    expect((await story.run('prune --yes')).code).toBe(0)
  })
})

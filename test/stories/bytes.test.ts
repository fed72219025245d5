/** What goes over the wire: for a small change less than rsync sends, and of a big file that changed a little hardly anything. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makeCounted, type Counted } from './counted.ts'
import { leftovers } from './shop.ts'

const BIG = 50_000_000

let place: Counted

describeOverSsh('a next release', () => {
  beforeAll(async () => void (place = await makeCounted()))
  afterAll(() => place.dispose())
  beforeEach(() => place.fresh())

  it('sends less than rsync -az for one changed file of 10,000', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, i) => [`d${i % 100}/file-${i}.txt`, `${i}\n`.repeat(20)]),
    )
    const change = { 'd7/file-7.txt': 'changed\n' }
    await place.configure([{ host: 'counted', deployTo: place.root }])
    await place.build('1.0.0', files)
    await place.expectCode('release', 0)
    await place.build('1.0.1', change)
    const ours = await place.wire(() => place.expectCode('release', 0))
    expect(readFileSync(join(place.root, 'current/d7/file-7.txt'), 'utf8')).toBe('changed\n')
    // From one release to the other, as kindly as it can be for rsync: it takes what has the same size for the same.
    const releases = join(place.root, 'releases')
    const theirs = await place.wire(() => {
      const rsh = `ssh -F ${place.fleet.sshConfigFile}`
      const folders = [`${releases}/1.0.1/`, `counted:${releases}/1.0.0/`]
      return inBackground(['rsync', '-az', '--size-only', '--delete', '-e', rsh, ...folders])
    })
    expect(readFileSync(join(releases, '1.0.0/d7/file-7.txt'), 'utf8')).toBe('changed\n')
    expect(ours).toBeGreaterThan(1000)
    expect(ours).toBeLessThan(theirs)
  }, 120_000)

  it('sends less than 1 MB for one byte in the middle of 50 MB, over rsync', async () => {
    const noise = randomBytes(BIG)
    await place.configure([{ host: 'counted', deployTo: place.root, transport: 'rsync' }])
    await place.build('1.0.0', { 'data.bin': noise })
    expect(await place.wire(() => place.expectCode('release', 0))).toBeGreaterThan(BIG)
    const changed = Buffer.concat([noise.subarray(0, BIG / 2), Buffer.from('!'), noise.subarray(BIG / 2)])
    await place.build('1.0.1', { 'data.bin': changed })
    const sent = await place.wire(async () => {
      const { stderr } = await place.expectCode('release', 0)
      expect(stderr).toMatch(/sent \(.* of it by rsync\), the rest from 1\.0\.0/)
    })
    expect(sent).toBeLessThan(1_000_000)
    expect(readFileSync(join(place.root, 'current/data.bin')).equals(changed)).toBe(true)
    expect(await leftovers(place.root)).toEqual([])
  }, 120_000)
})

/** The relay runs in this process, so nothing may block it. */
async function inBackground([file = '', ...args]: readonly string[]): Promise<void> {
  await promisify(execFile)(file, args)
}

/**
 * The power goes at random moments of a real release over SSH. After it a host has the old release or the new one, whole, exit code 0 was
 * never a lie, and the same command again ends well. The control takes the sync away and must be found out: a test of durability that
 * cannot fail proves nothing.
 */
import { createHash, randomInt } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FILE_SYSTEMS, makeDisk, whyNoDisk, type Disk, type FileSystem } from '../hosts/power.ts'
import { makePlace, type Place } from '../stories/place.ts'
import { leftovers } from '../stories/shop.ts'

/** Of each file system. */
const CUTS = process.env.SHIP_FAULTS === 'long' ? 150 : 15
const SEED = Number(process.env.SHIP_SEED ?? randomInt(1_000_000_000))

const OLD = '1.0.0'
const NEW = '2.0.0'

type Tree = Readonly<Record<string, string>>

for (const kind of FILE_SYSTEMS) {
  const lacking = whyNoDisk(kind)
  describe.skipIf(lacking !== undefined)(`power cuts on ${kind}${lacking === undefined ? '' : ` (${lacking})`}`, () => {
    let scene: Scene
    beforeAll(async () => void (scene = await makeScene(kind)))
    afterAll(() => scene.dispose())

    it(`${CUTS} at random moments of a release: old or new, always whole, and the next run ends well`, async () => {
      const chance = dice(SEED)
      const reached = new Set<string>()
      for (let cut = 0; cut < CUTS; cut++) {
        // One in eight comes after the end: exit code 0 is a promise.
        const moment = cut % 8 === 0 ? undefined : chance() * scene.took
        const { lost, now, code } = await scene.cutAt(moment)
        reached.add(code === 0 ? `done, ${now}` : String(now))
        expect({ seed: SEED, cut, moment, code, lost }).toEqual({ seed: SEED, cut, moment, code, lost: [] })
        if (cut % 2 === 0) continue
        expect({ seed: SEED, cut, again: await scene.again() }).toEqual({ seed: SEED, cut, again: [] })
      }
      expect(reached).toContain(`releases/${OLD}`)
    })
  })

  describe.skipIf(lacking !== undefined)(`the power goes behind a rename, on ${kind}`, () => {
    let scene: Scene
    let renames: Renames
    beforeAll(async () => {
      scene = await makeScene(kind, (folder, disk) => {
        renames = cuttingRename(folder, disk)
        return folder
      })
    })
    afterAll(() => scene.dispose())

    it.each(['on the disk', 'unwritten'] as const)(
      'at each rename of a release, its log %s: what was told is true',
      async (log) => {
        renames.cutAt(0, log)
        expect(await scene.cutAt('by itself')).toMatchObject({ code: 0, lost: [] })
        const count = renames.counted()
        expect(count).toBeGreaterThan(5)
        for (let n = 1; n <= count; n++) {
          renames.cutAt(n, log)
          const { lost } = await scene.cutAt('by itself')
          expect(renames.hasCut()).toBe(true)
          expect({ rename: n, of: count, lost }).toEqual({ rename: n, of: count, lost: [] })
          renames.cutAt(0, log)
          // What the last one, of the lock that was given back, leaves is cleared with the next lock; a release that is there takes none.
          const again = (await scene.again()).filter((line) => n < count || !/^(?:lock$|trash\/)/.test(line))
          expect({ rename: n, again }).toEqual({ rename: n, again: [] })
        }
      },
    )
  })
}

const noDisk = whyNoDisk('ext4')
describe.skipIf(noDisk !== undefined)(`the control: a host whose sync does nothing${noDisk ?? ''}`, () => {
  let scene: Scene
  beforeAll(async () => void (scene = await makeScene('ext4', fakeSync)))
  afterAll(() => scene.dispose())

  // Another program's sync of all disks may save it now and then.
  const lossOf = async (after: number, what: RegExp): Promise<string | undefined> => {
    for (let tries = 0; tries < 6; tries++) {
      const { code, lost } = await scene.cutAt(undefined, after)
      expect(code).toBe(0)
      const found = lost.find((line) => what.test(line))
      if (found !== undefined) return found
    }
    return undefined
  }

  it('loses a release that exit code 0 had promised', async () => {
    expect(await lossOf(0, /^exit code 0, and "current" is /)).toBeDefined()
  })

  it('has a release of other files once the log was written and the content was not', async () => {
    expect(await lossOf(1500, /is not what was released/)).toBeDefined()
  })
})

interface Scene {
  /** Milliseconds from the lock to the end of a release that nothing disturbs. */
  readonly took: number
  /** Cuts at that moment after the lock, or after the end, or leaves that to the host; tells what it lost and where `current` leads. */
  cutAt(
    moment: number | undefined | 'by itself',
    after?: number,
  ): Promise<{ lost: string[]; now: string | undefined; code: number | null }>
  /** The same command again; what is wrong then. */
  again(): Promise<string[]>
  dispose(): Promise<void>
}

/** `programs` makes a folder of programs that stand before the host's own. */
async function makeScene(kind: FileSystem, programs?: (folder: string, disk: Disk) => string): Promise<Scene> {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ship-power-'))
  // The log of ext4 is written every second, so that what content lacks its sync shows soon.
  const disk = await makeDisk(dir, kind, kind === 'ext4' ? ['commit=1'] : [])
  const config = programs ? [`SetEnv SHLVL=2 PATH=${programs(join(dir, 'bin'), disk)}:${process.env.PATH}`] : []
  const place = await makePlace(1, { config })
  const deployTo = join(disk.dir, 'shop')
  place.deployTo.splice(0, 1, deployTo)
  await place.configure()
  await place.build(OLD)
  await release(place)
  await place.build(NEW)
  await disk.save()
  const { took } = await release(place)
  const trees = { [OLD]: treeOf(join(deployTo, 'releases', OLD)), [NEW]: treeOf(join(deployTo, 'releases', NEW)) }
  return {
    took,
    async cutAt(moment, after = 0) {
      await disk.restore()
      const { code } = await release(
        place,
        typeof moment === 'number' ? () => cutAfter(moment, disk, place) : undefined,
      )
      if (moment === undefined) {
        await sleep(after)
        disk.cut()
      }
      await disk.mountAgain()
      return { lost: losses(deployTo, trees, code), now: linkOf(deployTo), code }
    },
    async again() {
      const { code, stderr } = await release(place)
      const wrong = code === 0 ? [] : [`exit code ${code}: ${stderr}`]
      return [...wrong, ...losses(deployTo, trees, code), ...(await leftovers(deployTo))]
    },
    async dispose() {
      await place.dispose()
      await disk.dispose()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Called `onLock` when the host has given its lock. */
async function release(
  place: Place,
  onLock?: () => Promise<void>,
): Promise<{ code: number | null; stderr: string; took: number }> {
  let since = Date.now()
  let cut: Promise<void> | undefined
  const onSeen = (): void => {
    since = Date.now()
    cut = onLock?.()
  }
  const { code, stderr } = await place.ship('release --json', { when: '"step":"lock"', onSeen })
  // A release that was faster is cut after its end.
  await cut
  return { code, stderr, took: Date.now() - since }
}

async function cutAfter(moment: number, disk: Disk, place: Place): Promise<void> {
  await sleep(moment)
  disk.cut()
  await place.fleet.hosts[0]?.sshd.cut()
}

/** What must not be, after a cut: a line each. Reads the folders, with nothing of ship's own. */
function losses(deployTo: string, trees: Readonly<Record<string, Tree>>, code: number | null): string[] {
  const found: string[] = []
  const now = linkOf(deployTo)
  if (now !== `releases/${OLD}` && now !== `releases/${NEW}`) found.push(`"current" is ${now}`)
  if (code === 0 && now !== `releases/${NEW}`) found.push(`exit code 0, and "current" is ${now}`)
  const there = readdirSync(join(deployTo, 'releases'))
  if (!there.includes(OLD)) found.push(`release ${OLD} is gone`)
  for (const version of there) {
    if (JSON.stringify(treeOf(join(deployTo, 'releases', version))) !== JSON.stringify(trees[version])) {
      found.push(`release ${version} is not what was released`)
    }
    if (!isRecord(join(deployTo, '.ship/releases', `${version}.json`)))
      found.push(`the record of ${version} is no record`)
  }
  const journal = readFileSync(join(deployTo, '.ship/history.ndjson'), 'utf8')
  if (!/^\{.*\}$/.test(journal.split('\n')[0] ?? '')) found.push('the journal lost its first line')
  return found
}

function isRecord(file: string): boolean {
  try {
    return typeof JSON.parse(readFileSync(file, 'utf8')) === 'object'
  } catch {
    return false
  }
}

function linkOf(deployTo: string): string | undefined {
  try {
    return readlinkSync(join(deployTo, 'current'))
  } catch {
    return undefined
  }
}

/** Path -> sha256. */
function treeOf(root: string): Tree {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)).toSorted()
  const sum = (path: string): string =>
    createHash('sha256')
      .update(readFileSync(join(root, path)))
      .digest('hex')
  return Object.fromEntries(paths.map((path) => [path, sum(path)]))
}

/** A program "sync" that does nothing; returns its folder. */
function fakeSync(folder: string): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'sync'), '#!/bin/sh\nexit 0\n')
  chmodSync(join(folder, 'sync'), 0o755)
  return folder
}

interface Renames {
  /** The power goes after the nth rename from now on; 0: it stays. With the log on the disk nothing else is, and the other way round. */
  cutAt(nth: number, log: 'on the disk' | 'unwritten'): void
  /** How many there were since then. */
  counted(): number
  /** Whether the power went, and everything before it went well. */
  hasCut(): boolean
}

/** A program "mv" that renames, and takes the power away after one of them. The log goes to the disk by a sync of a file that has nothing to do with it. */
function cuttingRename(folder: string, disk: Disk): Renames {
  mkdirSync(folder, { recursive: true })
  const at = (name: string): string => join(folder, name)
  const [count, nth, other, done] = [at('renames'), at('nth'), at('other'), at('was-cut')]
  const text = `#!/bin/sh
/usr/bin/mv "$@" || exit
echo >>"${count}"
[ "$(wc -l <"${count}")" = "$(cat "${nth}")" ] || exit 0
[ ! -e "${other}" ] || { echo x >"${disk.dir}/other"; /usr/bin/sync "${disk.dir}/other"; }
${disk.cutLine} && echo >"${done}"
`
  writeFileSync(join(folder, 'mv'), text, { mode: 0o755 })
  const renames: Renames = {
    cutAt(moment, log) {
      writeFileSync(count, '')
      writeFileSync(nth, `${moment}\n`)
      for (const file of [done, other]) rmSync(file, { force: true })
      if (log === 'on the disk') writeFileSync(other, '')
    },
    counted: () => readFileSync(count, 'utf8').length,
    hasCut: () => existsSync(done),
  }
  renames.cutAt(0, 'unwritten')
  return renames
}

/** Numbers below 1, the same for the same seed. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

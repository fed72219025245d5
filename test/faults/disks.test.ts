/** Disks that refuse: each release says which cause it was and leaves the old one live, and going back works wherever a rename does. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeDisk, whyNoDisk, type Disk } from '../hosts/power.ts'
import { makePlace, type Place } from '../stories/place.ts'
import { runs } from '../stories/shop.ts'

const lacking = whyNoDisk('ext4')

describe.skipIf(lacking !== undefined)(`a disk${lacking === undefined ? '' : ` (${lacking})`}`, () => {
  let place: Place
  let disk: Disk
  let dir = ''
  let deployTo = ''
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ship-disks-'))
    place = await makePlace(1)
    disk = await makeDisk(dir, 'ext4')
    deployTo = join(disk.dir, 'shop')
    place.deployTo.splice(0, 1, deployTo)
    await place.configure()
    for (const version of ['1.0.0', '1.1.0']) {
      await place.build(version)
      await ends('release', 0)
    }
    await place.build('1.2.0')
  })
  afterEach(async () => {
    await place.dispose()
    await disk.dispose()
    rmSync(dir, { recursive: true, force: true })
  })

  async function ends(args: string, code: number): Promise<string> {
    const result = await place.ship(args)
    expect({ args, code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({
      args,
      code,
      stderr: '',
    })
    return result.stderr
  }

  it('without inodes is told as that, and does not keep a rollback from working', async () => {
    mkdirSync(join(disk.dir, 'filler'))
    expect(() => {
      for (let i = 0; ; i++) writeFileSync(join(disk.dir, 'filler', String(i)), '')
    }).toThrow(/ENOSPC/)
    expect(await ends('release', 5)).toMatch(/inode/)
    expect(await runs(deployTo)).toMatchObject({ version: '1.1.0', whole: true })
    await ends('rollback', 0)
    expect(await runs(deployTo)).toMatchObject({ version: '1.0.0', whole: true })
    rmSync(join(disk.dir, 'filler'), { recursive: true })
    await ends('release', 0)
  })

  it('that is mounted read-only is told as that', async () => {
    execFileSync('mount', ['-o', 'remount,ro', disk.dir])
    expect(await ends('release', 5)).toMatch(/read-only/)
    expect(await ends('rollback', 5)).toMatch(/read-only/)
    expect(await runs(deployTo)).toMatchObject({ version: '1.1.0', whole: true })
    execFileSync('mount', ['-o', 'remount,rw', disk.dir])
    await ends('release', 0)
  })

  it('that answers every call with an error leaves nobody in doubt', async () => {
    disk.cut()
    const said = await ends('release', 5)
    expect(said).toMatch(/web1.*(?:nput\/output error|annot|not |no )/)
    await disk.mountAgain()
    expect(await runs(deployTo)).toMatchObject({ version: '1.1.0', whole: true })
    await ends('release', 0)
  })

  it.skipIf(!existsSync('/usr/bin/chattr'))(
    'whose folder of releases is made immutable is told by that folder, before anything is touched, and is gone back in',
    async () => {
      execFileSync('chattr', ['+i', join(deployTo, 'releases')])
      try {
        expect(await ends('release', 5)).toContain(`no right to write "${join(deployTo, 'releases')}"`)
        expect(await runs(deployTo)).toMatchObject({ version: '1.1.0', whole: true })
        // Going back writes nothing there.
        await ends('rollback', 0)
        expect(await runs(deployTo)).toMatchObject({ version: '1.0.0', whole: true })
      } finally {
        execFileSync('chattr', ['-i', join(deployTo, 'releases')])
      }
      await ends('release', 0)
    },
  )
})

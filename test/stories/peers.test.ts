/**
 * What is known to go wrong with other tools, as tests that pass here. Those that are shown elsewhere:
 *
 *   Capistrano #1907, #2120, Deployer #579, #814   failed releases push good ones out          release: keeps N good ones; retention
 *   Capistrano #1498, Deployer #3671, deploy-rs #221  one dead host stops all                  strategies: hosts that are dead; bad-hosts
 *   Capistrano #1944, #1869                        a linked file is missing                    release: linked folders and files
 *   Capistrano #1565, Deployer #1488               a dry run that cannot know                  release: plans without touching anything
 *   Capistrano #547                                what failed is gone before it is looked at  release: goes to three hosts (1.1.0 bad)
 *   Capistrano #1529, #1122, Mina, pm2             host by host behind a balancer              drain, strategies
 *   sshkit #367, Kamal #1814                       jump hosts, hashed known_hosts              ssh/reach
 *   Capistrano, Deployer, Shipit                   killed at any step                          killed, switches
 *   Capistrano #1781, Mina #16                     a switch that readers see                   switches
 *   Deployer #3335, #1368, Kamal (bike_index#4313) a cancelled run keeps its lock              faults: SIGINT, SIGTERM; killed
 *   Deployer #958, Kamal #185, #689                whose lock it is                            faults: two releases at once; upkeep: unlock
 *   Deployer #1155, #1509, deploy-rs #226, #233    multiplexing hangs                          ssh/openssh, frozen-hosts
 *   Deployer #2407, #2737, #1419                   once, in groups and in parallel             hooks, strategies: a hook that runs once
 *   Deployer #3806                                 to go on at the step that failed            killed, hooks: not again
 *   Deployer #2889, Shipit #101, #59               needs git or rsync on the host; no SFTP     transports, files-only
 *   Kamal #270, #315                               pruned what a rollback needs                retention, upkeep: prune
 *   Kamal #1041, #915, #536                        an unhealthy app, and no cause              hooks: a release that fails
 *   Kamal #1587                                    a silent hang                               frozen-hosts, ui/render
 *   Kamal, Ansistrano #333                         some hosts stay on the new release          strategies: waves, hosts that fail
 *   deploy-rs #106, #385, #214                     confirm, its race and its exit code         confirm
 *   deploy-rs #68                                  the way back reloads less                   strategies: waves; hooks
 *   deploy-rs #78, #107                            a terminal that is garbled                  ui/live
 *   Shipit #66                                     hosts that are not alike block all          release/plan: a rollback without a version
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

let place: Place
beforeAll(async () => void (place = await makePlace(2)))
afterAll(() => place.dispose())
beforeEach(() => place.fresh())

async function expectCode(args: string | readonly string[], code: number) {
  const result = await place.ship(args)
  expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
  return result
}

async function released(...versions: readonly string[]): Promise<void> {
  for (const version of versions) {
    await place.build(version)
    await expectCode('release', 0)
  }
}

async function live(): Promise<string[]> {
  const found = await Promise.all(place.deployTo.map((dir) => runs(dir)))
  expect(found.every((f) => f.whole)).toBe(true)
  return found.map((f) => f.version)
}

const logins = (): number[] => place.fleet.hosts.map(({ sshd }) => sshd.log().match(/Accepted publickey/g)?.length ?? 0)

describeOverSsh('connections', () => {
  it('are one for a host and a run, whatever is done over it (sshkit, Capistrano #1139, Kamal #399, Shipit #196)', async () => {
    await place.configure({ hooks: { beforeSwitch: ['true'], afterSwitch: ['true'] }, health: [{ exec: 'true' }] })
    await place.build('1.0.0')
    const before = logins()
    await expectCode('release', 0)
    expect(logins().map((n, i) => n - (before[i] ?? 0))).toEqual([1, 1])
  })
})

describeOverSsh('releases that are kept and removed', () => {
  it('one that cannot be removed is a warning: the release is live, and exit 0 says so (Capistrano #2182)', async () => {
    await place.configure({ keep: 1 })
    await released('1.0.0', '1.1.0')
    const held = join(place.deployTo[0] ?? '', 'releases/1.0.0/held')
    mkdirSync(held)
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', held])
    try {
      await place.build('1.2.0')
      const { stderr } = await expectCode('release', 0)
      expect(stderr).toMatch(/warning: web1: .*(1\.0\.0 was not removed|could not be removed)/)
      expect(await live()).toEqual(['1.2.0', '1.2.0'])
    } finally {
      const moved = findHeld(place.deployTo[0] ?? '')
      execFileSync('umount', [moved])
    }
    await place.build('1.3.0')
    await expectCode('release', 0)
    expect(await leftovers(place.deployTo[0] ?? '')).toEqual([])
  })

  /** The folder may have been moved to the trash, with what is mounted in it. */
  function findHeld(deployTo: string): string {
    const mounts = readFileSync('/proc/mounts', 'utf8').replaceAll('\\040', ' ').split('\n')
    const line = mounts.find((one) => one.includes(deployTo) && one.includes('/held '))
    return /^\S+ (.*\/held) /.exec(line ?? '')?.[1] ?? ''
  }

  it('what a person switched to by hand is live, and stays (Deployer #3111)', async () => {
    await place.configure({ keep: 1 })
    await released('1.0.0', '1.1.0')
    for (const dir of place.deployTo) {
      symlinkSync('releases/1.0.0', join(dir, 'by-hand'))
      renameSync(join(dir, 'by-hand'), join(dir, 'current'))
    }
    await expectCode('prune --yes', 0)
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
    await place.build('1.2.0', { health: 'bad\n' })
    await place.configure({ keep: 1, health: [{ exec: '[ ! -e health ]', deadline: '300ms', interval: '100ms' }] })
    await expectCode('release', 6)
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
  })

  it('of one environment do not count for another on the same host (Kamal #1922)', async () => {
    const [first = '', second = ''] = place.deployTo
    const environments = {
      production: { hosts: [{ host: 'web1', deployTo: first }] },
      staging: { hosts: [{ host: 'web1', deployTo: second }], keep: 1 },
    }
    await place.configure({ keep: 3 }, { environments })
    for (const version of ['1.0.0', '1.1.0']) {
      await place.build(version)
      await expectCode('release -e production', 0)
    }
    for (const version of ['1.2.0', '1.3.0', '1.4.0']) {
      await place.build(version)
      await expectCode('release -e staging', 0)
    }
    await expectCode('prune -e staging --yes', 0)
    await expectCode('rollback -e production', 0)
    expect(await live()).toEqual(['1.0.0', '1.4.0'])
  })
})

describeOverSsh('a rollback', () => {
  it('goes to what was live before, whatever times the folders have (Capistrano: index 1 of ls -xt)', async () => {
    await released('1.0.0', '1.1.0', '1.2.0')
    for (const dir of place.deployTo) {
      utimesSync(join(dir, 'releases/1.0.0'), new Date(), new Date())
      utimesSync(join(dir, 'releases/1.1.0'), 0, 0)
    }
    await expectCode('rollback', 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0'])
  })

  it('never removes what it goes to (Shipit: keep 2, a failed release on top)', async () => {
    await place.configure({ keep: 2, health: [{ exec: '[ ! -e bad ]', deadline: '300ms', interval: '100ms' }] })
    await released('1.0.0', '1.1.0', '1.2.0')
    await place.build('1.3.0', { bad: '' })
    await expectCode('release', 6)
    await expectCode('rollback', 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0'])
  })

  it('with --help is a question, and no version, connection or lock (Kamal #1658)', async () => {
    await released('1.0.0', '1.1.0')
    const before = logins()
    const { stdout } = await expectCode('rollback -e production --help', 0)
    expect(stdout).toContain('ship rollback')
    expect(logins()).toEqual(before)
    expect(await live()).toEqual(['1.1.0', '1.1.0'])
  })
})

describeOverSsh('a first release', () => {
  it('that is not healthy leaves nothing live, says so by its exit code, and may be tried again (deploy-rs #86, #214)', async () => {
    await place.configure({ health: [{ exec: '[ ! -e bad ]', deadline: '300ms', interval: '100ms' }] })
    await place.build('1.0.0', { bad: '' })
    await expectCode('release', 6)
    for (const dir of place.deployTo) {
      expect(existsSync(join(dir, 'current'))).toBe(false)
      expect(await leftovers(dir)).toEqual([])
    }
    rmSync(join(place.shop.dir, 'app/bad'))
    await released('1.1.0')
    expect(await live()).toEqual(['1.1.0', '1.1.0'])
  })

  it('has its settings before its first hook runs (Kamal #1652, #1700)', async () => {
    const hooks = { beforeSwitch: ['. ./settings.env && [ "$DATABASE" = here ] && echo migrated >migrated'] }
    await place.configure({ shared: { files: ['settings.env'] }, hooks, health: [{ exec: '[ -e migrated ]' }] })
    for (const dir of place.deployTo) {
      await mkdir(join(dir, 'shared'), { recursive: true })
      await writeFile(join(dir, 'shared/settings.env'), 'DATABASE=here\n')
    }
    await released('1.0.0')
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
  })
})

describeOverSsh('what another tool left', () => {
  it('in the way of its own switch is in the way of none here (Capistrano, killed between ln and mv)', async () => {
    await released('1.0.0')
    for (const dir of place.deployTo) symlinkSync('1.0.0', join(dir, 'releases/current'))
    await released('1.1.0')
    expect(await live()).toEqual(['1.1.0', '1.1.0'])
    for (const dir of place.deployTo) {
      expect(readdirSync(join(dir, 'releases/1.0.0'))).not.toContain('1.1.0')
      expect(existsSync(join(dir, 'releases/current'))).toBe(true)
    }
  })
})

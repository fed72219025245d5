/** Keeping house on three hosts: who runs what, pins, pruning, locks of the dead and the living, and going back to what is there. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ShipResult } from '../support/cli.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')
const ROLES = [['web'], ['web'], ['db']]
let place: Place

async function settings(release: Readonly<Record<string, unknown>>): Promise<void> {
  const hosts = place.fleet.hosts.map(({ name }, i) => ({ host: name, deployTo: place.deployTo[i], roles: ROLES[i] }))
  await place.configure(release, { environments: { production: { hosts } } })
}

beforeAll(async () => {
  place = await makePlace(3)
  await settings({ keep: 10 })
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
    await place.build(version)
    await ends('release', 0)
  }
  await place.build('1.3.0')
})
afterAll(() => place.dispose())

async function ends(
  args: string,
  code: number | null,
  env: Readonly<Record<string, string>> = {},
): Promise<ShipResult> {
  const result = await place.ship(args, { env })
  expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
  return result
}

/** Rows of a table, one blank between cells; times and digests, which differ from run to run, as T and D. */
function rows({ stdout }: ShipResult): readonly string[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) =>
      line
        .replaceAll(/just now|\d+ (?:s|min) ago|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: UTC)?/g, 'T')
        .replaceAll(/\b[0-9a-f]{12}\b/g, 'D')
        .replaceAll(/\b[0-9a-f]{8}\b/g, 'R')
        .replaceAll(/\S+@\S+/g, 'U')
        .replaceAll(/\d+(?:\.\d)? [kMGT]?B/g, 'N')
        .replaceAll(/ +/g, ' '),
    )
}

/** The error as it is read, without the steps before it. */
function error({ stderr }: ShipResult): string {
  return stderr.slice(stderr.indexOf('error: '))
}

/** Kills a release when it has locked the first host; that lock is all that is left of it. */
async function killLocked(): Promise<void> {
  await ends('release --json', null, { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: 'step.finished lock' })
}

function lockFile(name: 'owner' | 'beat'): string {
  const lock = join(place.deployTo[0] ?? '', '.ship/lock')
  return join(lock, readdirSync(lock)[0] ?? '', name)
}

describeOverSsh('keeping house', () => {
  it('status answers for the hosts and roles that are meant, and for scripts by its exit code', async () => {
    expect(rows(await ends('status --roles db', 0))).toEqual([
      'HOST VERSION STATE SINCE BY HEALTH FREE',
      'web3 1.2.0 verified T U not checked N',
    ])
    expect(rows(await ends('status --roles web --exit-code', 0)).map((row) => row.slice(0, 10))).toEqual([
      'HOST VERSI',
      'web1 1.2.0',
      'web2 1.2.0',
    ])
    expect(error(await ends('status --roles nope', 2))).toBe(
      'error: no host of "production" has a role of nope\n  next:  known roles: web, db\n',
    )
    expect(error(await ends('status --hosts web9', 2))).toBe(
      'error: no host of "production" is called "web9"; did you mean "web1"?\n  next:  known: web1, web2, web3\n',
    )
    await ends('rollback 1.1.0 --roles db', 0)
    const differing = await ends('status --exit-code', 1)
    expect(rows(differing).at(-1)).toBe('hosts run different versions: 1.2.0, 1.1.0')
    expect(differing.stdout).toMatch(/web3 {2}1\.1\.0 {4}verified/)
    await ends('status', 0)
  })

  it('releases keep a version together, in however many states it is', async () => {
    expect(rows(await ends('releases', 0))).toEqual([
      'VERSION STATE WENT LIVE STAGED BY DIGEST HOSTS',
      '1.2.0 verified current T T U D web1, web2',
      '1.2.0 bad T T U D web3',
      '1.1.0 verified T T U D web1, web2',
      '1.1.0 verified current T T U D web3',
      '1.0.0 verified T T U D all 3',
    ])
  })

  it('a rollback to what is no version asks no host', async () => {
    const junk = await ends('rollback junk', 2)
    expect(junk.stderr).toBe(
      'error: "junk" is not a semantic version\n  next:  use MAJOR.MINOR.PATCH, for example "1.4.2" or "1.5.0-rc.1"\n',
    )
  })

  it('a rollback is refused with what is in the way', async () => {
    expect(error(await ends('rollback 7.7.7', 9))).toBe(`error: web1, web2, web3, plan: version 7.7.7 is not there
  web1, web2: verified there: 1.0.0, 1.1.0, 1.2.0
  web3: verified there: 1.0.0, 1.1.0
  state: nothing was changed on any host
  next:  see what is there: ship releases -e production
`)
    expect(error(await ends('rollback ^1.2', 9))).toBe(`error: no release that every host can go back to matches "^1.2"
  1.2.0 is live already on web1, web2, bad on web3
  on offer: 1.1.0, 1.0.0
  state: nothing was changed on any host
  next:  see what is there: ship releases -e production
`)
    expect(error(await ends('rollback 1.2.0', 9))).toContain(
      'error: web3, plan: version 1.2.0 is "bad" there, and only verified releases are rolled back to\n',
    )
    for (const deployTo of place.deployTo.slice(0, 2)) expect(await runs(deployTo)).toMatchObject({ version: '1.2.0' })
    // Bad once is not bad for ever: it goes through its gate again.
    await ends('release 1.2.0', 0)
    await ends('status --exit-code', 0)
  })

  it('a pin is set on all hosts or on none', async () => {
    expect((await ends('pin 1.0.0', 0)).stdout).toBe('1.0.0 is pinned on 3 hosts\n')
    expect((await ends('pin 1.0.0', 0)).stderr).toMatch(/pin +web2: ok was pinned already/)
    expect(error(await ends('pin 9.9.9', 9))).toBe(`error: web1, web2, web3, pin: version 9.9.9 is not there
  on web1, web2, web3: 1.2.0, 1.1.0, 1.0.0
  state: nothing was changed on any host
  next:  see what is there: ship releases -e production
`)
    expect((await ends('pin 1.1.0 --hosts web1', 0)).stdout).toBe('1.1.0 is pinned on 1 host\n')
    expect(rows(await ends('releases', 0)).slice(2)).toEqual([
      '1.1.0 verified pinned T T U D web1',
      '1.1.0 verified T T U D web2, web3',
      '1.0.0 verified pinned T T U D all 3',
    ])
  })

  it('prune spares what is pinned and says what it freed', async () => {
    await settings({ keep: 1 })
    await ends('release 1.3.0', 0)
    await settings({ keep: 2 })
    // What went before is gone with the release; only pins held the rest.
    expect(rows(await ends('releases', 0)).map((row) => row.split(' T')[0])).toEqual([
      'VERSION STATE WENT LIVE STAGED BY DIGEST HOSTS',
      '1.3.0 verified current',
      '1.2.0 verified',
      '1.1.0 verified pinned',
      '1.0.0 verified pinned',
    ])
    expect(rows(await ends('prune', 0))).toEqual([
      'HOST REMOVED',
      'web1 nothing',
      'web2 nothing',
      'web3 nothing',
      'nothing to remove',
    ])
    const lacking = await ends('unpin 1.1.0', 9)
    expect(error(lacking)).toBe(`error: web2, web3, unpin: version 1.1.0 is not there
  on web2, web3: 1.3.0, 1.2.0, 1.0.0
  state: nothing was changed on any host
  next:  where it is: ship unpin 1.1.0 --hosts web1 -e production
         see what is there: ship releases -e production
`)
    expect((await ends('releases', 0)).stdout).toMatch(/1\.1\.0 +verified +pinned/)
    expect((await ends('unpin 1.1.0 --hosts web1 -e production', 0)).stdout).toBe(
      '1.1.0 is no longer pinned on 1 host\n',
    )
    await ends('unpin 1.0.0', 0)
    const pruned = await ends('prune', 0)
    expect(rows(pruned)).toEqual([
      'HOST REMOVED FREED',
      'web1 1.0.0, 1.1.0 N',
      'web2 1.0.0 N',
      'web3 1.0.0 N',
      '4 releases removed, N freed',
    ])
    const [, one, two, three] = pruned.stdout.split('\n').map((line) => Number(/([\d.]+) kB$/.exec(line)?.[1]))
    expect(three).toBe(two)
    expect((one ?? 0) / (two ?? 0)).toBeCloseTo(2, 1)
    expect(readdirSync(join(place.deployTo[0] ?? '', 'releases'))).toEqual(['1.2.0', '1.3.0'])
  })

  it('history tells the last runs, equal ones of many hosts in one line', async () => {
    expect(rows(await ends('history -n 3', 0))).toEqual([
      'WHEN (UTC) ACTION VERSION FROM RESULT BY HOSTS',
      'T release 1.3.0 1.2.0 ok U all 3',
      'T unpin 1.1.0 ok U web1',
      'T unpin 1.0.0 ok U all 3',
    ])
    expect(rows(await ends('history', 0)).slice(1, 6)).toEqual([
      'T release 1.0.0 ok U all 3',
      'T release 1.1.0 1.0.0 ok U all 3',
      'T release 1.2.0 1.1.0 ok U all 3',
      'T rollback 1.1.0 1.2.0 ok U web3',
      'T release 1.2.0 1.1.0 ok U web3',
    ])
    expect(error(await ends('history -n 0', 2))).toBe(
      'error: "0" is no number of lines\n  next:  use a number from 1, as in --limit 20\n',
    )
    const { stdout } = await ends('history -n 1 --json', 0)
    const { data } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      data: { hosts: { lines: { action: string }[] }[] }
    }
    expect(data.hosts.map(({ lines }) => lines.map((l) => l.action))).toEqual([['unpin'], ['unpin'], ['unpin']])
  })

  it('unlock frees the hosts of a dead run, and says whose it was', async () => {
    await place.build('1.4.0')
    await killLocked()
    expect(rows(await ends('status', 0))[1]).toMatch(
      /^web1 \S+ verified T U not checked N release 1\.4\.0 by U \(dead\)$/,
    )
    expect(rows(await ends('unlock', 0))).toEqual([
      'HOST WAS LOCKED BY DOING SINCE RUN',
      'web1 U release 1.4.0 T R',
      'web2 nobody',
      'web3 nobody',
      '1 lock taken over and given back',
    ])
    expect(rows(await ends('unlock', 0)).at(-1)).toBe('no host was locked')
    expect(rows(await ends('history -n 1', 0))[1]).toBe('T unlock ok U web1')
    for (const deployTo of place.deployTo) expect(await leftovers(deployTo)).toEqual([])
  })

  it("another machine's run is believed until it is silent for as long as its lease", async () => {
    await killLocked()
    const owner = readFileSync(lockFile('owner'), 'utf8')
    writeFileSync(lockFile('owner'), owner.replace(`"host":"${hostname()}"`, '"host":"elsewhere"'))
    expect(rows(await ends('status', 0))[1]).toMatch(/by U$/)
    expect(error(await ends('unlock', 8))).toMatch(
      /^error: web1, unlock: locked by "release 1\.4\.0" by \S+ on elsewhere since \S+ \S+ UTC \(run [0-9a-f]{8}(?:, silent for \d+ s)?\)\n {2}state: nothing was changed on any host\n/,
    )
    // The first moments after the machine was started: nobody was silent for longer.
    const [, boot = ''] = readFileSync(lockFile('beat'), 'utf8').split(' ')
    writeFileSync(lockFile('beat'), `1 ${boot}`)
    expect(rows(await ends('unlock', 0))[1]).toBe('web1 U release 1.4.0 T R')
  })

  it('a living run keeps its locks; with --force it loses them, switches nothing and says so', async () => {
    const { version: before } = await runs(place.deployTo[1] ?? '')
    const [ready, go] = [join(place.shop.dir, 'ready'), join(place.shop.dir, 'go')]
    await settings({ hooks: { beforeSwitch: [`touch "${ready}"; while [ ! -e "${go}" ]; do sleep 0.1; done`] } })
    const run = place.ship('release')
    await expect.poll(() => existsSync(ready), { timeout: 30_000 }).toBe(true)
    const locked = error(await ends('unlock', 8))
    expect(locked).toMatch(
      /^error: web1, web2, web3, unlock: locked by "release 1\.4\.0" by \S+ since \S+ \S+ UTC \(run /,
    )
    expect(locked.split('\n').slice(1)).toEqual([
      '  state: nothing was changed on any host',
      '  next:  wait until that run has ended',
      '         or take its lock away: ship unlock --force -e production',
      '',
    ])
    for (const command of ['pin 1.2.0', 'prune', 'rollback', 'release']) await ends(command, 8)
    expect(rows(await ends('status', 0))[1]).toMatch(/release 1\.4\.0 by U$/)
    expect(rows(await ends('unlock --force', 0)).at(-1)).toBe('3 locks taken over and given back')
    writeFileSync(go, '')
    const { code, stdout, stderr } = await run
    expect(stderr).toContain(
      'error: web1, web2, web3, switch: the lock was taken over\n  state: "current" is as it was',
    )
    expect(stdout).not.toMatch(/nothing|stranded|mv:/)
    expect(stdout).toContain(`web2  ${before}   ${before}  not switched`)
    expect(code).toBe(8)
    for (const deployTo of place.deployTo) expect(await runs(deployTo)).toMatchObject({ version: before, whole: true })
    await settings({})
    await ends('release', 0)
    await ends('status --exit-code', 0)
  })

  it('a run that fails before it switches has its line in the journal, with the reason', async () => {
    await place.build('1.5.0')
    await settings({ hooks: { beforeSwitch: ['echo no such table; exit 3'] } })
    await ends('release', 5)
    await settings({})
    expect(rows(await ends('history -n 1', 0))[1]).toMatch(
      /^T release 1\.5\.0 1\.4\.0 failed U all 3 beforeSwitch hook .* ended with exit code 3/,
    )
  })

  it('a release that was changed on a host is not gone back to; its files can be looked at by its version', async () => {
    const { version } = await runs(place.deployTo[0] ?? '')
    const old = '1.2.0'
    writeFileSync(join(place.deployTo[0] ?? '', 'releases', old, 'VERSION'), 'changed')
    const refused = error(await ends(`rollback ${old}`, 9))
    expect(refused).toContain(`version ${old} was changed on the host since it was verified`)
    expect(refused).toContain(
      `see all: ship verify ${old} -e production\n         or go back further: ship rollback 1.`,
    )
    const verified = await ends(`verify ${old} -e production`, 1)
    expect(rows(verified).slice(1)).toEqual([
      `web1 ${old} changed VERSION`,
      `web2 ${old}, web3 ${old}: every file is as it was released`,
    ])
    expect(error(verified)).toContain('error: 1 host of 3 has files that were not released')
    expect(rows(await ends('verify -e production', 0))).toEqual([
      `web1 ${version}, web2 ${version}, web3 ${version}: every file is as it was released`,
    ])
    expect(rows(await ends('verify 9.9.9 -e production', 0))).toEqual(['web1, web2, web3: 9.9.9 is not there'])
    expect((await ends('verify dist -e production', 2)).stderr).toContain('not both')
  })
})

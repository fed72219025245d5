/** What goes wrong between a plan and a live release: each with its own message and exit code, and the state that is promised. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { ShipResult } from '../support/cli.ts'
import { generateKey } from '../support/keys.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

let place: Place
beforeAll(async () => void (place = await makePlace(3)))
afterAll(() => place.dispose())
beforeEach(async () => {
  await place.fresh()
  await place.build('1.0.0')
})

async function expectCode(args: string | readonly string[], code: number): Promise<ShipResult> {
  const result = await place.ship(args)
  expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
  return result
}

async function live(): Promise<string[]> {
  const found = await Promise.all(place.deployTo.map((dir) => runs(dir)))
  expect(found.every((f) => f.whole)).toBe(true)
  return found.map((f) => f.version)
}

function nothingThere(): void {
  for (const dir of place.deployTo) expect(existsSync(join(dir, 'current'))).toBe(false)
}

describeOverSsh('a host that cannot be reached or believed', () => {
  it('unknown host key: exit 4, its fingerprint, and how to trust it', async () => {
    const known = await readFile(place.fleet.knownHostsFile, 'utf8')
    await writeFile(place.fleet.knownHostsFile, known.split('\n').slice(1).join('\n'))
    try {
      const { stderr } = await expectCode('release', 4)
      expect(stderr).toMatch(/web1.*host key.*not known/)
      expect(stderr).toContain('SHA256:')
      expect(stderr).toContain('ship trust')
      nothingThere()
      await expectCode('trust', 2)
      const trusted = await expectCode('trust --yes', 0)
      expect(trusted.stdout).toContain('1 key pinned')
    } finally {
      place.fleet.learnHostKeys()
    }
  })

  it('changed host key: exit 4, both fingerprints; trust replaces it only when told to', async () => {
    const [first] = place.fleet.hosts
    await first?.sshd.restart({ newHostKeys: true })
    try {
      const { stderr } = await expectCode('release', 4)
      expect(stderr).toMatch(/web1.*host key.*has changed/)
      expect(stderr.match(/SHA256:/g)?.length).toBeGreaterThanOrEqual(2)
      nothingThere()
      await expectCode('trust --yes', 4)
      await expectCode('release', 4)
    } finally {
      place.fleet.learnHostKeys()
    }
    await expectCode('release', 0)
  })

  it('wrong key: exit 4, and which identities were tried', async () => {
    const { file } = generateKey(join(place.fleet.dir, 'stranger'))
    const config = (await readFile(place.fleet.sshConfigFile, 'utf8')).replaceAll(place.fleet.keyFile, file)
    await writeFile(join(place.shop.dir, 'ssh_config'), config)
    const result = await place.ship('release', { env: { SHIP_SSH_CONFIG: join(place.shop.dir, 'ssh_config') } })
    expect(result.code).toBe(4)
    expect(result.stderr).toContain(file)
    nothingThere()
  })

  it('dead port: exit 4, and the other hosts are untouched', async () => {
    const [, second] = place.fleet.hosts
    await second?.sshd.stop()
    try {
      const { stderr } = await expectCode('release', 4)
      expect(stderr).toMatch(/web2.*(refused|reached)/i)
      nothingThere()
      expect(place.deployTo.some((dir) => existsSync(dir))).toBe(false)
    } finally {
      await second?.sshd.restart()
    }
  })
})

describeOverSsh('a host that cannot take it', () => {
  it('"current" is a directory: exit 5, nothing changed', async () => {
    mkdirSync(join(place.deployTo[2] ?? '', 'current'), { recursive: true })
    const { stderr } = await expectCode('release', 5)
    expect(stderr).toMatch(/web3.*"current"|web3.*current" is a directory/)
    expect(existsSync(join(place.deployTo[0] ?? '', 'releases'))).toBe(false)
  })

  it('a folder of that version that ship did not make: refused, and left alone', async () => {
    const mine = join(place.deployTo[0] ?? '', 'releases/1.0.0')
    mkdirSync(mine, { recursive: true })
    writeFileSync(join(mine, 'mine'), 'mine\n')
    await expectCode('release', 9)
    expect(await readFile(join(mine, 'mine'), 'utf8')).toBe('mine\n')
    expect(existsSync(join(place.deployTo[1] ?? '', 'current'))).toBe(false)
  })
})

describeOverSsh('a full disk', () => {
  let disk = ''
  beforeEach(() => {
    disk = place.deployTo[1] ?? ''
    mkdirSync(disk, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk])
    return () => execFileSync('umount', [disk])
  })
  const fill = (leave: number): void => {
    const free = Number(execFileSync('df', ['-Pk', disk]).toString().trim().split('\n')[1]?.split(/\s+/)[3]) * 1024
    writeFileSync(join(disk, 'filler'), Buffer.alloc(Math.max(0, free - leave), 1))
  }

  it('is seen before anything is sent: exit 5', async () => {
    fill(100_000)
    const { stderr } = await expectCode('release', 5)
    expect(stderr).toMatch(/web2.*(disk|space|free)/)
    nothingThere()
  })

  it('that fills while it is staged: exit 5, no half release; then, with room, it works', async () => {
    // The hook runs after the plan looked at the disk.
    await place.configure({
      hooks: {
        beforeStage: [`[ "$SHIP_HOST" != web2 ] || dd if=/dev/zero of=filler bs=1k count=9000 2>/dev/null || true`],
      },
    })
    const { stderr } = await expectCode('release', 5)
    expect(stderr).toMatch(/web2.*the disk is full/)
    nothingThere()
    rmSync(join(disk, 'filler'))
    await place.configure()
    await expectCode('release', 0)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })

  it('with room for the tree alone takes the release: what comes is not kept a second time', async () => {
    execFileSync('mount', ['-o', 'remount,size=18m', disk])
    await place.build('1.1.0', { noise: randomBytes(9e6).toString('base64') })
    await expectCode('release', 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
  })

  it('does not keep a rollback from working', async () => {
    await expectCode('release', 0)
    await place.build('1.1.0')
    await expectCode('release', 0)
    fill(0)
    await expectCode('rollback', 0)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })

  it('with room for a lock and no more refuses a pin, and the history knows of none', async () => {
    await expectCode('release', 0)
    rmSync(join(disk, '.ship/reserve'), { recursive: true })
    fill(2 * 4096)
    const { stderr } = await expectCode('pin 1.0.0', 5)
    expect(stderr).toMatch(/web2, pin: the mark could not be written: the disk is full/)
    expect((await expectCode('history --hosts web2', 0)).stdout).not.toContain('pin')
    rmSync(join(disk, 'filler'))
    await expectCode('pin 1.0.0', 0)
    expect((await expectCode('history --hosts web2', 0)).stdout).toContain('pin')
  })
})

describeOverSsh('a release that turns out bad', () => {
  it('a hook before the switch fails: exit 5, its output, "current" untouched', async () => {
    await expectCode('release', 0)
    await place.build('1.1.0')
    await place.configure({ hooks: { beforeSwitch: ['echo migrating; echo no such table >&2; exit 3'] } })
    const { stderr } = await expectCode('release', 5)
    expect(stderr).toContain('no such table')
    expect(stderr).toContain('3')
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })

  it('a hook after the switch fails on one host: exit 6, all are put back', async () => {
    await expectCode('release', 0)
    await place.build('1.1.0')
    await place.configure({ hooks: { afterSwitch: ['[ "$SHIP_HOST" != web3 ] || [ "$SHIP_VERSION" != 1.1.0 ]'] } })
    await expectCode('release', 6)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    expect((await expectCode('releases', 0)).stdout).toMatch(/1\.1\.0 +failed/)
  })

  it('the old release does not come back either: exit 7, and which host runs what', async () => {
    await expectCode('release', 0)
    await place.build('1.1.0')
    await place.configure({ health: [{ exec: '[ "$SHIP_HOST" != web2 ]', deadline: '500ms', interval: '100ms' }] })
    const { stderr } = await expectCode('release', 7)
    expect(stderr).toMatch(/web2 runs 1\.0\.0/)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })

  it('rolling: hosts of later waves never see it', async () => {
    await expectCode('release', 0)
    await place.build('1.1.0')
    await place.configure({
      strategy: 'rolling',
      hooks: { afterSwitch: ['echo "$SHIP_HOST $SHIP_VERSION" >> ../../seen'] },
      health: [{ exec: '! grep -q 1.1.0 VERSION', deadline: '300ms', interval: '100ms' }],
    })
    await expectCode('release', 6)
    const seen = place.deployTo.filter((dir) => existsSync(join(dir, 'seen')))
    expect(seen).toHaveLength(1)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })
})

describeOverSsh('somebody in between', () => {
  it('two releases at once: one wins, the other exits 8 and names the owner', async () => {
    await place.configure({ hooks: { beforeSwitch: ['sleep 1'] } })
    const results = await Promise.all([place.ship('release'), place.ship('release')])
    expect(results.map((r) => r.code ?? -1).toSorted((a, b) => a - b)).toEqual([0, 8])
    const loser = results.find((r) => r.code === 8)
    expect(loser?.stderr).toMatch(/locked by "release 1\.0\.0" by \S+@\S+/)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    for (const dir of place.deployTo) expect(await leftovers(dir)).toEqual([])
  })

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`${signal} while it switches: puts back, unlocks, exits ${code}`, async () => {
      await expectCode('release', 0)
      await place.build('1.1.0')
      await place.configure({ health: [{ exec: 'grep -q 1.0.0 VERSION', deadline: '20s', interval: '100ms' }] })
      const result = await place.ship('release', { when: 'switch        web', signal })
      expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
      expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
      for (const dir of place.deployTo) expect(await leftovers(dir)).toEqual([])
    })
  }

  it('SIGINT while it locks: what was locked is given back', async () => {
    await expectCode('release', 0)
    await place.build('1.1.0')
    const result = await place.ship('release', { when: 'probe         web', signal: 'SIGINT' })
    expect({ code: result.code, stderr: result.code === 130 ? '' : result.stderr }).toEqual({ code: 130, stderr: '' })
    for (const dir of place.deployTo) expect(await leftovers(dir)).toEqual([])
  })

  it('a connection that breaks while it is staged: exit 5; the next run cleans up', async () => {
    const [, second] = place.fleet.hosts
    await expectCode('release', 0)
    await place.build('1.1.0')
    await place.configure({ hooks: { beforeSwitch: ['[ "$SHIP_HOST" != web2 ] || sleep 5'] } })
    const onSeen = (): void => void sleep(500).then(() => second?.sshd.cut())
    const result = await place.ship('release', { when: 'stage         web2: ok', onSeen })
    expect({ code: result.code, stderr: result.code === 5 ? '' : result.stderr }).toEqual({ code: 5, stderr: '' })
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    await place.configure()
    await expectCode('release', 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
  })

  it('a connection that breaks in the gate: connects again, puts back, exit 6', async () => {
    const [, second] = place.fleet.hosts
    await expectCode('release', 0)
    await place.build('1.1.0')
    await place.configure({
      health: [{ exec: '[ "$SHIP_VERSION" = 1.0.0 ] || { sleep 4; false; }', deadline: '5s', timeout: '5s' }],
    })
    const onSeen = (): void => void sleep(500).then(() => second?.sshd.cut())
    const result = await place.ship('release', { when: 'switch        web2: ok', onSeen })
    expect({ code: result.code, stderr: result.code === 6 ? '' : result.stderr }).toEqual({ code: 6, stderr: '' })
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    for (const dir of place.deployTo) expect(await leftovers(dir)).toEqual([])
  })

  it('files changed on a host are named by verify, and staged anew by a release', async () => {
    await expectCode('release', 0)
    const dir = place.deployTo[0] ?? ''
    await writeFile(join(dir, 'current/VERSION'), 'hacked\n')
    await writeFile(join(dir, 'current/added'), 'x\n')
    rmSync(join(dir, 'current/page 3.txt'))
    const { stdout } = await expectCode('verify -e production', 1)
    expect(stdout).toMatch(/web1 +1\.0\.0 +changed +VERSION/)
    expect(stdout).toMatch(/web1 +1\.0\.0 +added +added/)
    expect(stdout).toMatch(/web1 +1\.0\.0 +missing +page 3\.txt/)
    expect(stdout).toMatch(/web2 1\.0\.0.*every file is as it was released/)
    await mkdir(dir, { recursive: true })
  })
})

describeOverSsh('a connection that is cut while bytes are sent', () => {
  it('costs only what was on its way: sending goes on, and the release is whole', async () => {
    await place.configure({ limit: '3MB/s' })
    await place.build('1.1.0', { noise: randomBytes(9e6).toString('base64') })
    const [, second] = place.fleet.hosts
    const run = place.ship('release --hosts web2')
    await expect.poll(() => arrived(place.deployTo[1] ?? ''), { timeout: 50_000 }).toBeGreaterThan(3e6)
    await second?.sshd.cut()
    const { code, stderr } = await run
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    expect(stderr).toMatch(/web2.*the connection was cut; sending goes on at [1-9][\d.]* [kM]B of/)
    expect(await runs(place.deployTo[1] ?? '')).toMatchObject({ version: '1.1.0', whole: true })
    expect(await leftovers(place.deployTo[1] ?? '')).toEqual([])
  })

  /** Bytes of a payload that a host has so far. */
  function arrived(deployTo: string): number {
    const incoming = join(deployTo, '.ship/incoming')
    if (!existsSync(incoming)) return 0
    const [part] = readdirSync(incoming).filter((name) => name.startsWith('part-'))
    return part === undefined ? 0 : (statSync(join(incoming, part), { throwIfNoEntry: false })?.size ?? 0)
  }
})

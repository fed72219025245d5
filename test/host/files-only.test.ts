/** Hosts that give their files by SFTP and run nothing: what holds there beside the common promises, and what is said of the rest. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as immediate } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { packPayload, type PackedContent, type PackedPayload } from '../../src/formats/payload.ts'
import { openSession } from '../../src/host/open.ts'
import type { Depth, HostSession, Lease, Owner } from '../../src/host/session.ts'
import { SAMPLE_BYTES, worthReading } from '../../src/host/sftp/check.ts'
import { limitsOf } from '../../src/host/sftp/limits.ts'
import { parseHostName } from '../../src/names.ts'
import { parseVersion } from '../../src/version.ts'
import { sentAs } from '../support/payloads.ts'
import { makeBundle, SIGNAL, type Files } from '../support/bundle.ts'
import { asSeen, describeInChroot, startFilesOnly, type FilesOnlyOptions } from '../support/files-only.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { owner, record } from './kinds.ts'

const options = { signal: SIGNAL }
const V1 = parseVersion('1.0.0')
const V2 = parseVersion('1.1.0')
const FILES: Files = {
  VERSION: '1\n',
  'bin/run': { run: '#!/bin/sh\n' },
  'big file': Buffer.alloc(700_000, 'content of a big file\n'),
  empty: '',
  'deep/er/file': 'deep\n',
  'deep/link': { link: 'er/file' },
  grüße: 'unicode\n',
  'log/keep': 'in the bundle\n',
}

let dir = ''
let one: Awaited<ReturnType<typeof makeBundle>>
let two: Awaited<ReturnType<typeof makeBundle>>
const fleets: Fleet[] = []
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-files-only-'))
  one = await makeBundle(dir, FILES, V1)
  two = await makeBundle(dir, { ...FILES, VERSION: '2\n', 'deep/new': 'new\n' }, V2)
})
afterAll(async () => {
  await Promise.all(fleets.map((fleet) => fleet.dispose()))
  rmSync(dir, { recursive: true, force: true })
})

async function start(more?: FilesOnlyOptions): Promise<Fleet> {
  const fleet = await startFilesOnly(1, more)
  fleets.push(fleet)
  return fleet
}

/** A session of a fleet's only host for a real folder, by SFTP alone. */
async function sessionAt(fleet: Fleet, root: string, user?: string): Promise<HostSession> {
  process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
  const address = { name: parseHostName('web1'), address: 'web1', deployTo: asSeen(fleet, root), user }
  return openSession({ ...address, roles: [], labels: {}, env: {}, transport: 'sftp' }, options)
}

/** A session for the same folder through a shell of this machine. */
const SHARED = ['log', 'new/shared', '.env']

function shellAt(root: string): Promise<HostSession> {
  const address = { name: parseHostName('web1'), address: 'web1', deployTo: root }
  return openSession({ ...address, roles: [], labels: {}, env: {}, transport: 'local' }, options)
}

function pack(bundle: typeof one, base?: typeof one): PackedPayload {
  const folder = mkdtempSync(join(dir, 'payload-'))
  const bases = base
    ? [{ version: base.manifest.version, manifest: base.manifest, digest: base.digest, shared: ['log'] }]
    : []
  return packPayload(bundle, { compression: 'gzip', folder, bases, ...options })
}

async function lockAt(session: HostSession, who: Owner = owner()): Promise<Lease> {
  return (await session.lock(who, { sharedFiles: [] }, { leaseSeconds: 30, signal: SIGNAL })).lease
}

interface StageOptions {
  readonly verify?: Depth
  readonly onProgress?: (sent: number) => void
}

async function stage(
  session: HostSession,
  lease: Lease,
  bundle: typeof one,
  payload: PackedPayload,
  { verify, onProgress }: StageOptions = {},
): Promise<void> {
  const { version } = bundle.manifest
  const shared = { sharedDirs: ['log', 'new/shared'], sharedFiles: ['.env'] }
  const spec = {
    ...payload,
    freeBytes: 0,
    ...shared,
    reuse: 'copy',
    version,
    record: record(version, bundle.digest, { shared: ['log', 'new/shared', '.env'], stagedAt: '2026-01-01T00:00:00Z' }),
    verify,
  } as const
  await session.stage(payload, spec, lease, { ...options, ...(onProgress ? { onProgress } : {}) })
}

/** Every path of a release with its type, mode, time, size and target, its content, its lists and its record; less what only a shell can tell. */
function everything(root: string, version: string): string {
  const tree = `find . -printf '%p %y %m %T@ %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum`
  const lists = `cd ../../.ship; cat releases/${version}.json; (sha256sum manifests/${version}.*; stat -c '%n %a' . * manifests/* releases/*) | grep -vE '[.]inodes|^last '`
  return execFileSync('sh', ['-c', `${tree}; ${lists}`], { cwd: join(root, 'releases', version), encoding: 'utf8' })
}

/** A payload that stops near its end for something to be done. */
async function* spoiling(payload: PackedContent, work: () => Promise<void>): AsyncGenerator<Buffer> {
  const all = Buffer.concat((await payload.open().toArray()) as Buffer[])
  yield all.subarray(0, all.length - 1000)
  await work()
  yield all.subarray(all.length - 1000)
}

async function onceWritten(file: string, work: (file: string) => void): Promise<void> {
  // Its time is set when all of it is there.
  await expect.poll(() => (existsSync(file) ? statSync(file).mtimeMs : 0), { timeout: 60_000 }).toBe(1_700_000_000_000)
  work(file)
}

function freshRoot(fleet: Fleet, name: string): string {
  const root = join(fleet.hosts[0]?.root ?? '', name)
  mkdirSync(join(root, 'shared'), { recursive: true })
  writeFileSync(join(root, 'shared/.env'), 'X=1\n')
  return root
}

describeInChroot('a host that gives files only', () => {
  let fleet: Fleet
  let session: HostSession
  let root = ''
  let turn = 0
  beforeAll(async () => void (fleet = await start()))
  beforeEach(async () => {
    turn += 1
    root = freshRoot(fleet, `app ${turn}`)
    session = await sessionAt(fleet, root)
    return () => session.close()
  })

  it('is known by its silence, and says what does not hold', async () => {
    const { withoutShell, platform, tools } = await session.probe({ sharedFiles: [] }, options)
    expect(withoutShell).toContain('no hooks and no exec checks can run')
    expect(platform).toBe('')
    expect(tools).toMatchObject({ copy: true, zstd: false })
    await expect(session.run(['true'], options)).rejects.toMatchObject({ reason: 'not-switched' })
  })

  it('is not what a host with a shell is taken for, even when its script dies', async () => {
    const programs = mkdtempSync(join(dir, 'programs-'))
    const shell = await startFleet(1, { config: [`SetEnv PATH=${programs}:/usr/bin:/bin SHLVL=2`] })
    fleets.push(shell)
    // Whoever asks for the time takes the whole script along.
    writeFileSync(join(programs, 'date'), '#!/bin/sh\nkill -9 0\n', { mode: 0o755 })
    const other = await sessionAt(shell, join(shell.dir, 'x'))
    await expect(other.probe({ sharedFiles: [] }, options)).rejects.toMatchObject({ reason: 'unreachable' })
    rmSync(join(programs, 'date'))
    expect((await other.probe({ sharedFiles: [] }, options)).withoutShell).toBeUndefined()
    await other.close()
  })

  it('ends in the very tree that a stream to a shell ends in, at first and as a change', async () => {
    const twin = freshRoot(fleet, `twin ${turn}`)
    const shell = await shellAt(twin)
    const change = pack(two, one)
    expect(change.base).toBe(V1)
    for (const [where, to] of [
      [session, root],
      [shell, twin],
    ] as const) {
      const lease = await lockAt(where)
      await stage(where, lease, one, pack(one))
      await stage(where, lease, two, change)
      expect(statSync(join(to, 'releases/1.1.0/big file')).nlink).toBe(1)
      await where.unlock(lease, options)
    }
    for (const version of [V1, V2]) expect(everything(root, version)).toBe(everything(twin, version))
    expect(readFileSync(join(root, 'releases/1.1.0/deep/new'), 'utf8')).toBe('new\n')
    expect(await session.drift({ version: V2, shared: SHARED }, options)).toEqual([])
    await shell.close()
  })

  it('is used either way: by a shell today, by SFTP tomorrow, with one lock', async () => {
    const shell = await shellAt(root)
    const lease = await lockAt(session, owner({ run: 'by-sftp' }))
    await stage(session, lease, one, pack(one))
    // Its heartbeat is a wall clock, which a shell must not take for a run of before the reboot.
    const seen = await shell.probe({ sharedFiles: [] }, options)
    expect(seen.lock).toMatchObject({ owner: { run: 'by-sftp' }, expired: false })
    expect(seen.releases).toMatchObject([{ version: V1, digest: one.digest }])
    await expect(lockAt(shell)).rejects.toMatchObject({ reason: 'locked' })
    await session.switchTo(`releases/${V1}`, lease, { ...options, expected: null })
    await session.unlock(lease, options)
    expect(await shell.drift({ version: V1, shared: SHARED }, options)).toEqual([])

    const other = await lockAt(shell, owner({ run: 'by-shell' }))
    const back = await session.probe({ sharedFiles: [] }, options)
    expect(back.lock).toMatchObject({ owner: { run: 'by-shell' }, expired: false })
    expect(back.current).toMatchObject({ kind: 'link', version: V1 })
    await expect(lockAt(session)).rejects.toMatchObject({ reason: 'locked' })
    await shell.unlock(other, options)
    expect(readdirSync(join(root, '.ship')).filter((name) => name.startsWith('lock'))).toEqual([])
    await shell.close()
  })

  it('believes a silent holder for its lease only, by the stamps of the host', async () => {
    const lease = await lockAt(session)
    const beat = join(root, '.ship/lock', lease.token, 'beat')
    // Another session: this one beats no more.
    await session.close()
    session = await sessionAt(fleet, root)
    expect((await session.probe({ sharedFiles: [] }, options)).lock?.expired).toBe(false)
    const past = Date.now() / 1000 - 100
    utimesSync(beat, past, past)
    const { lock } = await session.probe({ sharedFiles: [] }, options)
    expect(lock?.expired).toBe(true)
    expect(lock?.silentSeconds).toBeGreaterThan(90)
    // The clock was asked for by a file that is gone again.
    expect(readdirSync(join(root, '.ship')).filter((name) => name.startsWith('lock.'))).toEqual([])
  })

  it('gives signs of life, and stops when the lock is taken over', async () => {
    const who = owner()
    const held = await session.lock(who, { sharedFiles: [] }, { leaseSeconds: 12, signal: SIGNAL })
    const beat = join(root, '.ship/lock', who.token, 'beat')
    utimesSync(beat, 1, 1)
    await expect.poll(() => statSync(beat).mtimeMs, { timeout: 60_000, interval: 200 }).toBeGreaterThan(1000)
    const other = await sessionAt(fleet, root)
    await other.lock(owner(), { sharedFiles: [] }, { leaseSeconds: 30, takeOver: who.token, signal: SIGNAL })
    if (!held.lease.signal.aborted) await once(held.lease.signal, 'abort')
    expect(held.lease.signal.reason).toMatchObject({ reason: 'locked' })
    await other.close()
  }, 120_000)

  it('a cut connection leaves no release; over a new one the lease goes on and the release is whole', async () => {
    const lease = await lockAt(session)
    let isCut = false
    const onProgress = (): void => {
      if (isCut) return
      isCut = true
      void fleet.hosts[0]?.sshd.cut()
    }
    await expect(stage(session, lease, one, pack(one), { onProgress })).rejects.toMatchObject({
      reason: 'unreachable',
    })
    expect(session.connected).toBe(false)
    expect(existsSync(join(root, 'releases/1.0.0'))).toBe(false)
    session = await session.reopen(options)
    await session.fence(lease, options)
    expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
    await stage(session, lease, one, pack(one))
    expect(await session.drift({ version: V1, shared: SHARED }, options)).toEqual([])
  })

  it('clears what dead runs left, but not what a cut over a shell left for the next run', async () => {
    await session.unlock(await lockAt(session), options)
    const ship = join(root, '.ship')
    for (const folder of ['incoming/dead/tree', 'trash/0.9.0/x', 'lock.dead/dead'])
      mkdirSync(join(ship, folder), { recursive: true })
    for (const [name, age] of [
      ['part-a', 10],
      ['part-b', 100_000],
    ] as const) {
      const file = join(ship, 'incoming', name)
      writeFileSync(file, 'x')
      utimesSync(file, Date.now() / 1000 - age, Date.now() / 1000 - age)
    }
    await lockAt(session)
    expect(readdirSync(join(ship, 'incoming'))).toEqual(['part-a'])
    expect(readdirSync(join(ship, 'trash'))).toEqual([])
    expect(readdirSync(ship).filter((name) => name.startsWith('lock'))).toEqual(['lock'])
  })

  it('takes nothing from a base that was touched, and refuses one that is gone', async () => {
    // Bigger than what is read back unasked, and as long as before: only its time tells that somebody wrote to it.
    const folder = mkdtempSync(join(dir, 'huge-'))
    const huge = { huge: Buffer.alloc(SAMPLE_BYTES + 1, 'x') }
    const old = await makeBundle(folder, { ...huge, VERSION: '1\n' }, V1)
    const next = await makeBundle(folder, { ...huge, VERSION: '2\n' }, V2)
    const lease = await lockAt(session)
    await stage(session, lease, old, pack(old))
    const change = pack(next, old)
    const file = join(root, 'releases/1.0.0/huge')
    writeFileSync(file, Buffer.alloc(SAMPLE_BYTES + 1, 'y'))
    await expect(stage(session, lease, next, change)).rejects.toMatchObject({ reason: 'refused' })
    writeFileSync(file, huge.huge)
    await stage(session, lease, next, change)
    await session.discard(V2, lease, options)
    rmSync(file)
    await expect(stage(session, lease, next, change)).rejects.toMatchObject({ reason: 'refused' })
    expect(readdirSync(join(root, 'releases'))).toEqual(['1.0.0'])
    expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
  })

  it('takes no file that is not as listed, also one too big to be read back', async () => {
    const [folder, other] = [mkdtempSync(join(dir, 'true-')), mkdtempSync(join(dir, 'twin-'))]
    const bundle = await makeBundle(folder, { huge: Buffer.alloc(SAMPLE_BYTES + 1, 'x') }, V1)
    const twin = await makeBundle(other, { huge: Buffer.alloc(SAMPLE_BYTES + 1, 'y') }, V1)
    const lease = await lockAt(session)
    // The true lists, and the tree of another build behind them.
    const swapped = pack({ ...bundle, archive: twin.archive })
    await expect(stage(session, lease, bundle, swapped)).rejects.toMatchObject({
      reason: 'refused',
      message: expect.stringContaining('other content than listed'),
    })
    expect(readdirSync(join(root, 'releases'))).toEqual([])
    expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
  })

  it('looks at what the disk made of it before it is a release', async () => {
    const folder = mkdtempSync(join(dir, 'spoilt-'))
    const bundle = await makeBundle(folder, { VERSION: '1\n', noise: randomBytes(2e6) }, V1)
    const payload = pack(bundle)
    const lease = await lockAt(session)
    const spoils: readonly ((file: string) => void)[] = [
      (file) => writeFileSync(file, '9\n'),
      (file) => writeFileSync(file, 'longer than before\n'),
      (file) => chmodSync(file, 0o777),
      (file) => rmSync(file),
      (file) => writeFileSync(`${file}.more`, ''),
    ]
    for (const spoil of spoils) {
      const file = join(root, '.ship/incoming', lease.token, 'tree/VERSION')
      const spoilt = sentAs(payload, (content) => Readable.from(spoiling(content, () => onceWritten(file, spoil))))
      await expect(stage(session, lease, bundle, spoilt)).rejects.toMatchObject({ reason: 'refused' })
    }
    expect(readdirSync(join(root, 'releases'))).toEqual([])
    await stage(session, lease, bundle, payload)
  })

  it('names one whole release at every instant while it is switched', async () => {
    const lease = await lockAt(session)
    await stage(session, lease, one, pack(one))
    await stage(session, lease, two, pack(two))
    await session.switchTo(`releases/${V1}`, lease, { ...options, expected: null })
    const state = { isDone: false }
    const seen = new Set<string>()
    const watch = async (): Promise<void> => {
      while (!state.isDone) {
        seen.add(readlinkSync(join(root, 'current')))
        await immediate()
      }
    }
    const watching = watch()
    for (let n = 0; n < 40; n++) {
      const [from, to] = n % 2 === 0 ? [V1, V2] : [V2, V1]
      await session.switchTo(`releases/${to}`, lease, { ...options, expected: `releases/${from}` })
    }
    state.isDone = true
    await watching
    expect([...seen].toSorted()).toEqual([`releases/${V1}`, `releases/${V2}`])
  })

  it('ended while it prunes, leaves of each release all or nothing', async () => {
    const versions = ['1.0.0', '2.0.0', '3.0.0', '4.0.0', '5.0.0', '6.0.0'].map((text) => parseVersion(text))
    for (let delayMs = 0; delayMs < 12; delayMs++) {
      const lease = await lockAt(session)
      for (const version of versions) {
        mkdirSync(join(root, 'releases', version), { recursive: true })
        writeFileSync(join(root, '.ship/releases', `${version}.json`), '{}\n')
        for (const list of ['sums', 'links', 'manifest.json'])
          writeFileSync(join(root, '.ship/manifests', `${version}.${list}`), '\n')
      }
      const signal = AbortSignal.timeout(delayMs)
      await session.prune(versions, lease, { signal }).catch(() => undefined)
      const there = readdirSync(join(root, 'releases')).toSorted()
      expect(readdirSync(join(root, '.ship/releases')).toSorted()).toEqual(there.map((version) => `${version}.json`))
      expect(readdirSync(join(root, '.ship/manifests'))).toHaveLength(3 * there.length)
      await session.unlock(lease, options)
    }
  })

  it('prunes what it is told, never the live one, and says about how much that freed', async () => {
    const lease = await lockAt(session)
    await stage(session, lease, one, pack(one))
    await stage(session, lease, two, pack(two))
    await session.switchTo(`releases/${V1}`, lease, { ...options, expected: null })
    const { kept, freedBytes } = await session.prune([V1, V2], lease, options)
    expect(kept).toEqual([{ version: V1, why: 'it is live' }])
    expect(freedBytes).toBeGreaterThan(700_000)
    expect(freedBytes).toBeLessThan(900_000)
    expect(readdirSync(join(root, 'releases'))).toEqual([V1])
    expect(readdirSync(join(root, '.ship/manifests')).filter((name) => name.startsWith(V2))).toEqual([])
    await expect(session.discard(V1, lease, options)).rejects.toMatchObject({ reason: 'refused' })
    expect(existsSync(join(root, 'current/VERSION'))).toBe(true)
  })

  it('names a right that is missing, and a full disk', async () => {
    const mine = join(root, 'not mine')
    mkdirSync(mine)
    // sshd reads the keys and the chroot as that user.
    chmodSync(fleet.dir, 0o755)
    const nobody = await sessionAt(fleet, mine, 'nobody')
    await expect(lockAt(nobody)).rejects.toMatchObject({
      message: expect.stringMatching(/make the folder.*no right to/),
    })
    chownSync(mine, 65_534, 65_534)
    const lease = await lockAt(nobody)
    await nobody.unlock(lease, options)
    await nobody.close()

    const disk = join(root, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
    try {
      mkdirSync(join(disk, 'shared'))
      writeFileSync(join(disk, 'shared/.env'), '')
      const small = await sessionAt(fleet, disk)
      const held = await lockAt(small)
      expect((await small.probe({ sharedFiles: [] }, options)).disk.freeBytes).toBeLessThan(2.2e6)
      execFileSync('sh', ['-c', 'dd if=/dev/zero of=filler bs=1k count=9000 2>/dev/null || true'], { cwd: disk })
      await expect(stage(small, held, one, pack(one))).rejects.toMatchObject({ message: 'the disk is full' })
      const { problem } = await small.mark([record(V1, one.digest)], undefined, held, options)
      expect(problem).toBe('the disk is full')
      rmSync(join(disk, 'filler'))
      await stage(small, held, one, pack(one), { verify: 'full' })
      await small.unlock(held, options)
      expect(readdirSync(join(disk, '.ship/reserve'))).toHaveLength(8)
      // What was kept aside is enough to lock on a full disk.
      execFileSync('sh', ['-c', 'dd if=/dev/zero of=filler bs=1k count=9000 2>/dev/null || true'], { cwd: disk })
      const again = await lockAt(small)
      await small.switchTo(`releases/${V1}`, again, { ...options, expected: null })
      await small.unlock(again, options)
      await small.close()
    } finally {
      execFileSync('umount', [disk])
    }
  })
})

describeInChroot('a server that offers less', () => {
  it('is refused when it cannot rename over what is there', async () => {
    const fleet = await start({ server: '-P posix-rename' })
    const session = await sessionAt(fleet, join(fleet.dir, 'app'))
    await expect(session.probe({ sharedFiles: [] }, options)).rejects.toMatchObject({
      reason: 'not-switched',
      message: expect.stringContaining('posix-rename@openssh.com'),
    })
    await session.close()
  })

  it('gets every release whole, and what is not promised is named', async () => {
    const fleet = await start({ server: '-P fsync,copy-data,statvfs,lsetstat' })
    const root = freshRoot(fleet, 'app')
    const session = await sessionAt(fleet, root)
    const { withoutShell, tools, disk } = await session.probe({ sharedFiles: [] }, options)
    const said = withoutShell?.join('\n') ?? ''
    for (const extension of ['fsync@openssh.com', 'copy-data', 'statvfs@openssh.com', 'lsetstat@openssh.com'])
      expect(said).toContain(`no ${extension}`)
    expect(tools.copy).toBe(false)
    expect(disk.freeBytes).toBe(Number.POSITIVE_INFINITY)
    const lease = await lockAt(session)
    await stage(session, lease, one, pack(one))
    await session.switchTo(`releases/${V1}`, lease, { ...options, expected: null })
    expect(readFileSync(join(root, 'current/VERSION'), 'utf8')).toBe('1\n')
    expect(await session.drift({ version: V1, shared: SHARED }, options)).toEqual([])
    await session.close()
  })

  it('forwards nothing: other addresses are asked from here, its own are named as what they are', async () => {
    const fleet = await start({ config: ['AllowTcpForwarding no'] })
    const session = await sessionAt(fleet, join(fleet.dir, 'app'))
    await session.probe({ sharedFiles: [] }, options)
    const server = createServer((socket) => socket.end('hello')).listen(0, '0.0.0.0')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await expect(session.dial('127.0.0.1', port, SIGNAL)).rejects.toThrow(/its own address/)
    // A machine that has no address but its own loopback is asked by a name, which nobody knows here.
    const outside = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .find((a) => a.family === 'IPv4' && !a.internal)
    const said = outside
      ? await session.dial(outside.address, port, SIGNAL).then((socket) => once(socket, 'data').then(String))
      : await session.dial('nowhere.invalid', port, SIGNAL).then(String, String)
    expect(said).toMatch(outside ? /^hello$/ : /ENOTFOUND|EAI_AGAIN/)
    server.close()
    await session.close()
  })
})

const SERVER = ['/usr/lib/openssh/sftp-server', '/usr/libexec/sftp-server'].find((path) => existsSync(path))

describe.skipIf(SERVER === undefined)('a server that is listened to', () => {
  it('syncs each file before the release has its name, and the name before it says that it is done', async () => {
    const log = join(dir, 'server.log')
    const fleet = await startFleet(1, { config: [`ForceCommand ${SERVER} -e -l DEBUG3 2>>"${log}"`] })
    fleets.push(fleet)
    const root = join(fleet.dir, 'app')
    mkdirSync(join(root, 'shared'), { recursive: true })
    writeFileSync(join(root, 'shared/.env'), 'X=1\n')
    const session = await sessionAt({ ...fleet, dir: '' }, root)
    const lease = await lockAt(session)
    writeFileSync(log, '')
    await stage(session, lease, one, pack(one))
    await session.switchTo(`releases/${V1}`, lease, { ...options, expected: null })
    const done = readFileSync(log, 'utf8')
      .split(/\r?\n/)
      .flatMap((line) => {
        const [, synced] = /^fsync "(.*)"$/.exec(line) ?? []
        const [, to] = /posix-rename old ".*" new "(.*)"$/.exec(line) ?? []
        return synced === undefined ? (to === undefined ? [] : [`name ${to}`]) : [`sync ${synced}`]
      })
    const at = (what: string): number => done.indexOf(what)
    const named = at(`name ${root}/releases/1.0.0`)
    const switched = at(`name ${root}/current`)
    const names = ['VERSION', 'bin/run', 'big file', 'empty', 'deep/er/file', 'deep', 'deep/er']
    const synced = done.slice(0, named).map((step) => step.replace(/^sync .*\/tree\//, ''))
    expect(names.filter((name) => !synced.includes(name))).toEqual([])
    expect(at(`name ${root}/.ship/releases/1.0.0.json`)).toBeLessThan(named)
    expect(at(`sync ${root}/releases`)).toBeGreaterThan(named)
    expect(switched).toBeGreaterThan(at(`sync ${root}/releases`))
    expect(done.lastIndexOf(`sync ${root}`)).toBeGreaterThan(switched)
    await session.close()
  })
})

describe('what is read back', () => {
  it('is everything, or what is suspect and as many files as the limit allows, the smallest first', () => {
    const files = [
      { path: 'huge', size: SAMPLE_BYTES + 1 },
      { path: 'half', size: SAMPLE_BYTES / 2 },
      { path: 'small', size: 10 },
      { path: 'rest', size: SAMPLE_BYTES / 2 },
    ]
    const names = (depth: Depth, suspect?: string): string[] =>
      worthReading(files, depth, ({ path }) => path === suspect).map(({ path }) => path)
    expect(names('full')).toEqual(['huge', 'half', 'small', 'rest'])
    expect(names('sample')).toEqual(['small', 'half'])
    expect(names('sample', 'huge')).toEqual(['huge', 'small', 'half'])
  })

  it('what does not hold is told by what the server offers', () => {
    expect(limitsOf({ offers: () => true }).join()).not.toContain('no copy-data')
    expect(limitsOf({ offers: () => false }).join()).toContain('no copy-data')
  })
})

/**
 * The protocol with a host, under each shell and over each way to reach it: the same promises everywhere. The hosts under dash, bash
 * and BusyBox are real sshd whose `sh` and tools are those; BusyBox's has nothing else.
 */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { packPayload, type PackedPayload } from '../../src/formats/payload.ts'
import { openSession } from '../../src/host/open.ts'
import type { Drift, HostSession, Owner } from '../../src/host/session.ts'
import { parseHostName } from '../../src/names.ts'
import type { Host } from '../../src/transport/transport.ts'
import { parseVersion, type Version } from '../../src/version.ts'
import { sentAs } from '../support/payloads.ts'
import { makeBundle, SIGNAL, type Files } from '../support/bundle.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { asSeen, describeInChroot, startFilesOnly } from '../support/files-only.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { FILES_ONLY, KINDS, ofShells, owner, record, type Kind } from './kinds.ts'

const options = { signal: SIGNAL }
const V1 = parseVersion('1.0.0')
const V2 = parseVersion('1.1.0')
const FILES: Files = {
  VERSION: '1\n',
  'bin/run': { run: '#!/bin/sh\n' },
  'a name: with OK': 'x\n',
  '-': 'a file called minus\n',
  '-rf': 'a file that looks like an option\n',
  '$(touch pwned)': 'a file that looks like a command\n',
  [`deep/${'n'.repeat(120)}/${'m'.repeat(120)}`]: 'long\n',
  grüße: 'unicode\n',
  'link to': { link: 'deep' },
  'log/keep': 'in the bundle\n',
}

let dir = ''
let one: Awaited<ReturnType<typeof makeBundle>>
let two: Awaited<ReturnType<typeof makeBundle>>
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-host-'))
  one = await makeBundle(dir, FILES, V1)
  two = await makeBundle(dir, { ...FILES, VERSION: '2\n' }, V2)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.for(KINDS.filter((kind) => !kind.programs))('$name', conformance)
describeOverSsh.for(KINDS.filter((kind) => kind.programs))('$name', conformance)
describeInChroot.for([FILES_ONLY])('$name', conformance)

/** Of a release as its record tells it. */
async function driftOf(session: HostSession, version: Version): Promise<readonly Drift[]> {
  const { releases } = await session.probe({ sharedFiles: [] }, options)
  const found = releases.find((r) => r.version === version)
  return session.drift({ version, shared: found?.shared ?? [] }, options)
}

function conformance({ name, compression, programs, filesOnly, transport }: Kind): void {
  const itWithShell = ofShells(filesOnly)
  let fleet: Fleet | undefined
  let host: Host
  let session: HostSession
  let root = ''
  const payloads = new Map<string, PackedPayload>()
  let turn = 0

  beforeAll(async () => {
    const home = mkdtempSync(join(dir, 'kind-'))
    if (programs) {
      const folder = join(home, 'programs')
      mkdirSync(folder)
      fleet = await startFleet(1, { config: [`SetEnv PATH=${programs(folder)} SHLVL=2`] })
    }
    if (filesOnly) fleet = await startFilesOnly(1)
    if (fleet) process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
    for (const bundle of [one, two]) {
      const folder = mkdtempSync(join(home, 'payload-'))
      payloads.set(bundle.manifest.version, packPayload(bundle, { compression, folder, ...options }))
    }
  })
  afterAll(() => fleet?.dispose())
  beforeEach(async () => {
    turn += 1
    root = join(fleet?.hosts[0]?.root ?? join(dir, name), `it's ${turn} $HOME`)
    host = {
      name: parseHostName('web1'),
      address: 'web1',
      roles: [],
      labels: {},
      env: {},
      deployTo: fleet && filesOnly ? asSeen(fleet, root) : root,
      transport: transport ?? (fleet ? 'sftp' : 'local'),
    }
    session = await openSession(host, { ...options, busy: true })
    return () => session.close()
  })

  const lock = (who = owner(), takeOver?: Owner) =>
    session.lock(who, { sharedFiles: [] }, { leaseSeconds: 30, signal: SIGNAL, takeOver: takeOver?.token })

  type Locked = Awaited<ReturnType<typeof lock>>
  const stage = (
    bundle: typeof one,
    { lease }: Locked,
    spoil?: (payload: PackedPayload) => PackedPayload,
    shared: { dirs?: string[]; files?: string[] } = {},
  ) => {
    const packed = payloads.get(bundle.manifest.version)
    if (!packed) throw new Error('no payload')
    const payload = spoil ? spoil(packed) : packed
    const { version } = bundle.manifest
    const { dirs: sharedDirs = [], files: sharedFiles = [] } = shared
    return session.stage(
      payload,
      {
        ...payload,
        freeBytes: 0,
        reuse: 'copy',
        version,
        record: record(version, bundle.digest, { shared: [...sharedDirs, ...sharedFiles] }),
        sharedDirs,
        sharedFiles,
      },
      lease,
      options,
    )
  }
  const switchTo = (version: Version, { lease }: Locked, expected: string | null) =>
    session.switchTo(`releases/${version}`, lease, {
      ...options,
      expected,
      record: record(version, one.digest, { state: 'live', seq: 1 }),
    })

  it('is empty at first, and asking changes nothing', async () => {
    const state = await session.probe({ sharedFiles: ['.env'] }, options)
    expect(state).toMatchObject({
      current: { kind: 'absent' },
      releases: [],
      foreign: [],
      lock: undefined,
      missingShared: ['.env'],
      notWritable: undefined,
      oneFileSystem: true,
    })
    expect(state.disk.freeBytes).toBeGreaterThan(1e6)
    expect(state.tools).toMatchObject({ gzip: true, sha256sum: true, tar: true, mvT: true })
    expect(existsSync(root)).toBe(false)
  })

  it('stages a release whole, switches to it, and says so', async () => {
    const held = await lock()
    await stage(one, held)
    expect(await driftOf(session, V1)).toEqual([])
    expect(readdirSync(join(root, 'releases/1.0.0')).toSorted()).toEqual(
      Object.keys(FILES)
        .map((path) => path.split('/')[0] ?? '')
        .toSorted(),
    )
    expect(lstatSync(join(root, 'releases/1.0.0/bin/run')).mode & 0o777).toBe(0o755)
    expect(lstatSync(join(root, 'releases/1.0.0/VERSION')).mode & 0o777).toBe(0o644)
    await switchTo(V1, held, null)
    expect(readlinkSync(join(root, 'current'))).toBe('releases/1.0.0')
    await session.unlock(held.lease, options)
    const state = await session.probe({ sharedFiles: [] }, options)
    expect(state).toMatchObject({
      current: { kind: 'link', version: '1.0.0' },
      releases: [{ version: '1.0.0', state: 'live', digest: one.digest }],
      lock: undefined,
    })
    expect(await session.manifest(V1, options)).toContain('"version":"1.0.0"')
  })

  it('stages a release of fewer files than the host has processors', async () => {
    const held = await lock()
    const few: readonly Files[] = [{ a: '1\n' }, { a: '1\n', b: '2\n', c: '3\n' }]
    for (const [index, files] of few.entries()) {
      const bundle = await makeBundle(dir, files, parseVersion(`3.${index}.0`))
      payloads.set(bundle.manifest.version, packPayload(bundle, { compression: 'gzip', folder: dir, ...options }))
      await stage(bundle, held)
      const there = readdirSync(join(root, `releases/3.${index}.0`))
      expect(there.toSorted()).toEqual(Object.keys(files))
    }
  })

  it('staging twice is done once; other bytes under the version are refused', async () => {
    const held = await lock()
    await stage(one, held)
    const { ino } = lstatSync(join(root, 'releases/1.0.0/VERSION'))
    await stage(one, held)
    expect(lstatSync(join(root, 'releases/1.0.0/VERSION')).ino).toBe(ino)
    const other = { ...one, digest: two.digest }
    await expect(stage(other, held)).rejects.toMatchObject({ reason: 'refused' })
  })

  it('a payload that is damaged or cut is no release', async () => {
    const held = await lock()
    const { open } = await (payloads.get(V1) as PackedPayload).content
    const whole = Buffer.concat((await open().toArray()) as Buffer[])
    for (const spoiled of [
      whole.subarray(0, whole.length - 300),
      whole.subarray(0, Math.floor(whole.length / 2)),
      Buffer.alloc(0),
      Buffer.concat([whole.subarray(0, 200), Buffer.from([1, 2, 3, 4]), whole.subarray(204)]),
    ]) {
      const spoil = (payload: PackedPayload): PackedPayload => sentAs(payload, () => Readable.from([spoiled]))
      await expect(stage(one, held, spoil)).rejects.toMatchObject({ name: 'ShipError' })
    }
    // Whole, but of another bundle than the arguments vouch for.
    // Then with the true lists, and the tree of another build behind them.
    const folder = mkdtempSync(join(dir, 'twin-'))
    const twin = await makeBundle(folder, { ...FILES, VERSION: '3\n' }, V1)
    for (const bundle of [twin, { ...one, archive: twin.archive }]) {
      const swapped = packPayload(bundle, { compression: 'gzip', folder, ...options })
      const swap = (payload: PackedPayload): PackedPayload => ({
        ...payload,
        compression: 'gzip',
        content: swapped.content,
      })
      await expect(stage(one, held, swap)).rejects.toMatchObject({ reason: 'refused' })
    }
    expect(readdirSync(join(root, 'releases'))).toEqual([])
    expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
  })

  it('links what is shared, parents made, deep and over what the bundle brings', async () => {
    const held = await lock()
    await expect(stage(one, held, undefined, { files: ['config/.env'] })).rejects.toMatchObject({
      reason: 'not-switched',
    })
    mkdirSync(join(root, 'shared/config'), { recursive: true })
    writeFileSync(join(root, 'shared/config/.env'), 'X=1\n')
    await stage(one, held, undefined, { dirs: ['log', 'a/b c/d'], files: ['config/.env'] })
    const release = join(root, 'releases/1.0.0')
    expect(readlinkSync(join(release, 'log'))).toBe('../../shared/log')
    expect(readlinkSync(join(release, 'a/b c/d'))).toBe('../../../../shared/a/b c/d')
    expect(readFileSync(join(release, 'config/.env'), 'utf8')).toBe('X=1\n')
    expect(lstatSync(join(root, 'shared/a/b c/d')).isDirectory()).toBe(true)
    writeFileSync(join(root, 'shared/log/today'), 'x\n')
    expect(await driftOf(session, V1)).toEqual([])
  })

  it('names every file that is not as it was sent', async () => {
    const held = await lock()
    await stage(one, held)
    const release = join(root, 'releases/1.0.0')
    writeFileSync(join(release, 'VERSION'), 'changed\n')
    rmSync(join(release, '-'))
    rmSync(join(release, 'link to'))
    symlinkSync('elsewhere', join(release, 'link to'))
    writeFileSync(join(release, 'new one'), 'x')
    execFileSync('chmod', ['-x', join(release, 'bin/run')])
    const found = (await driftOf(session, V1)).map((d) => `${d.problem} ${d.path}`).toSorted()
    expect(found).toEqual(['added new one', 'changed VERSION', 'changed link to', 'missing -', 'mode bin/run'])
  })

  it('has one lock; a second taker is told whose it is, and takes it over only from that one', async () => {
    const first = owner({ run: 'first', user: 'ann@there' })
    const held = await lock(first)
    await expect(lock()).rejects.toMatchObject({ reason: 'locked' })
    const state = await session.probe({ sharedFiles: [] }, options)
    expect(state.lock).toMatchObject({ owner: { run: 'first', user: 'ann@there' }, expired: false })
    await expect(lock(owner(), owner())).rejects.toMatchObject({ reason: 'locked' })

    // Taken over: the ghost can neither stage, nor switch, nor write, nor unlock.
    await stage(one, held)
    const taker = await lock(owner({ run: 'second' }), first)
    await expect(switchTo(V1, held, null)).rejects.toMatchObject({ reason: 'locked' })
    await expect(stage(two, held)).rejects.toMatchObject({ reason: 'locked' })
    await expect(session.mark([], undefined, held.lease, options)).rejects.toMatchObject({ reason: 'locked' })
    expect(existsSync(join(root, 'current'))).toBe(false)
    await session.unlock(held.lease, options)
    expect((await session.probe({ sharedFiles: [] }, options)).lock).toMatchObject({ owner: { run: 'second' } })
    await switchTo(V1, taker, null)
    await session.unlock(taker.lease, options)
    expect((await session.probe({ sharedFiles: [] }, options)).lock).toBeUndefined()
  })

  it('marks and gives the lock back in one round trip', async () => {
    const held = await lock()
    await stage(one, held)
    const line = { schema: 1, at: '2026-01-02T03:04:05.000Z', run: 'r1', by: 'ann', action: 'release' } as const
    const history = { ...line, version: V1, from: null, outcome: 'ok', digest: one.digest } as const
    const { problem } = await session.mark([], history, held.lease, { ...options, unlock: true })
    expect(problem).toBeUndefined()
    expect(await session.history(1, options)).toMatchObject([{ run: 'r1', version: '1.0.0' }])
    expect((await session.probe({ sharedFiles: [] }, options)).lock).toBeUndefined()
    const other = await lock(owner({ run: 'second' }))
    await session.unlock(held.lease, options)
    expect((await session.probe({ sharedFiles: [] }, options)).lock).toMatchObject({ owner: { run: 'second' } })
    await session.unlock(other.lease, options)
  })

  itWithShell('gives no lock to a question that comes when another run came and went', async () => {
    await session.probe({ sharedFiles: [] }, options)
    const other = await openSession(host, { ...options, busy: true })
    try {
      const { lease } = await other.lock(
        owner({ run: 'other' }),
        { sharedFiles: [] },
        { leaseSeconds: 30, signal: SIGNAL },
      )
      await other.unlock(lease, options)
    } finally {
      await other.close()
    }
    await expect(lock()).rejects.toMatchObject({ reason: 'locked', message: expect.stringContaining('meanwhile') })
    expect((await session.probe({ sharedFiles: [] }, options)).lock).toBeUndefined()
    await session.unlock((await lock()).lease, options)
  })

  it('is fenced against its own late scripts, and goes on with a new token', async () => {
    const held = await lock()
    await stage(one, held)
    const old = { token: held.lease.token, signal: SIGNAL }
    const state = await session.fence(held.lease, options)
    expect(state).toMatchObject({ releases: [{ version: '1.0.0' }], lock: { owner: { run: 'r1' } } })
    expect(held.lease.token).not.toBe(old.token)
    await expect(switchTo(V1, { ...held, lease: old }, null)).rejects.toMatchObject({ reason: 'locked' })
    await switchTo(V1, held, null)
    await session.unlock(held.lease, options)
    expect((await session.probe({ sharedFiles: [] }, options)).lock).toBeUndefined()
  })

  it('switches only from where it is expected to be, back and away', async () => {
    const held = await lock()
    await stage(one, held)
    await stage(two, held)
    await switchTo(V1, held, null)
    await expect(switchTo(V2, held, null)).rejects.toMatchObject({ reason: 'refused' })
    await switchTo(V2, held, 'releases/1.0.0')
    await expect(switchTo(parseVersion('9.9.9'), held, 'releases/1.1.0')).rejects.toMatchObject({ reason: 'refused' })
    await session.switchTo('releases/1.0.0', held.lease, { ...options, expected: 'releases/1.1.0' })
    expect(readlinkSync(join(root, 'current'))).toBe('releases/1.0.0')
    await session.switchTo(null, held.lease, { ...options, expected: 'releases/1.0.0' })
    expect(existsSync(join(root, 'current'))).toBe(false)
    mkdirSync(join(root, 'current'))
    await expect(switchTo(V1, held, null)).rejects.toMatchObject({ reason: 'not-switched' })
    expect(readdirSync(join(root, 'current'))).toEqual([])
  })

  itWithShell('prunes what it is told, never the live one, and what a process runs in stays', async () => {
    const held = await lock()
    await stage(one, held)
    await stage(two, held)
    await switchTo(V1, held, null)
    const sleeper = execFileSync('sh', ['-c', 'sleep 30 >/dev/null 2>&1 & echo $!'], {
      cwd: join(root, 'releases/1.1.0'),
    })
      .toString()
      .trim()
    try {
      const { kept } = await session.prune([V1, V2], held.lease, options)
      expect(kept.map((k) => k.version)).toEqual(['1.0.0', '1.1.0'])
    } finally {
      process.kill(Number(sleeper))
    }
    const used = execFileSync('du', ['-sk', join(root, 'releases/1.1.0')]).toString()
    let freedBytes = 0
    const again = async (): Promise<string[]> => {
      const { kept, freedBytes: now } = await session.prune([V1, V2], held.lease, options)
      freedBytes += now
      return kept.map((k) => k.version)
    }
    await expect.poll(again).toEqual(['1.0.0'])
    expect(freedBytes).toBe(Number.parseInt(used, 10) * 1024)
    expect(readdirSync(join(root, 'releases'))).toEqual(['1.0.0'])
    expect(readdirSync(join(root, '.ship/trash'))).toEqual([])
  })

  it('keeps a journal, and passes over lines that are none', async () => {
    const held = await lock()
    const line = {
      schema: 1,
      at: '2026-01-01T00:00:00Z',
      run: 'r1',
      by: 'me',
      action: 'release',
      version: '1.0.0',
      from: null,
      outcome: 'ok',
    } as const
    await session.mark([record(V1, one.digest)], { ...line, note: `it's "quoted" $(x) \\n` }, held.lease, options)
    execFileSync('sh', ['-c', 'echo junk >> history.ndjson'], { cwd: join(root, '.ship') })
    await session.mark([], { ...line, run: 'r2' }, held.lease, options)
    expect(await session.history(10, options)).toMatchObject([
      { run: 'r1', note: `it's "quoted" $(x) \\n` },
      { run: 'r2' },
    ])
    expect(await session.history(1, options)).toMatchObject([{ run: 'r2' }])
  })

  itWithShell('has the tools that its name says', async () => {
    const { stdout } = await session.run(
      ['sh', '-c', 'readlink -f "$(command -v sh)"; readlink -f "$(command -v tar)"'],
      { ...options, cwd: '/' },
    )
    const kind = ['BusyBox', 'bash'].find((start) => name.startsWith(start)) ?? 'dash'
    const expected = { BusyBox: [/busybox/, /busybox/], bash: [/bash/, /tar/], dash: [/dash/, /tar/] }[kind] ?? []
    expect(stdout.trim().split('\n')).toEqual(expected.map((pattern) => expect.stringMatching(pattern)))
  })

  itWithShell('runs programs with their arguments as they are, in a folder, with settings, and ends them', async () => {
    const held = await lock()
    await stage(one, held)
    const cwd = join(root, 'releases/1.0.0')
    const result = await session.run(
      ['sh', '-c', 'pwd; printf "%s|" "$A" "$@"; echo err >&2; exit 3', 'x', `it's`, '$(touch pwned)', '-n', ''],
      { ...options, cwd, env: { A: `"a b" 'c'` } },
    )
    expect(result).toMatchObject({ code: 3, stdout: `${cwd}\n"a b" 'c'|it's|$(touch pwned)|-n||`, stderr: 'err\n' })
    expect(existsSync(join(cwd, 'pwned'))).toBe(false)
    const late = await session.run(['sh', '-c', 'echo before; sleep 20 & echo $!; wait'], {
      ...options,
      timeoutMs: 700,
    })
    expect(late).toMatchObject({ timedOut: true, code: null })
    expect(late.stdout).toContain('before')
    // All that it started ends with it.
    expect(isRunning(Number(late.stdout.split('\n')[1]))).toBe(false)
    await expect(session.run(['true'], { ...options, cwd: join(root, 'nowhere') })).rejects.toMatchObject({
      name: 'ShipError',
    })
  })

  it('reads thousands of old releases in one question, and prunes them', async () => {
    const held = await lock()
    await stage(one, held)
    await switchTo(V1, held, null)
    const text = (version: string) =>
      JSON.stringify(record(parseVersion(version), one.digest, { state: 'verified', seq: 1 }))
    const count = filesOnly ? 1000 : 5000
    for (let n = 0; n < count; n++) {
      mkdirSync(join(root, 'releases', `0.0.${n}`))
      writeFileSync(join(root, '.ship/releases', `0.0.${n}.json`), `${text(`0.0.${n}`)}\n`)
    }
    const state = await session.probe({ sharedFiles: [] }, options)
    expect(state.releases).toHaveLength(count + 1)
    expect(state.current).toMatchObject({ version: '1.0.0' })
    const old = state.releases.map((r) => r.version).filter((v) => v !== V1)
    const { kept } = await session.prune(old, held.lease, options)
    expect(kept).toEqual([])
    expect(readdirSync(join(root, 'releases'))).toEqual(['1.0.0'])
    expect(readdirSync(join(root, '.ship/releases'))).toEqual(['1.0.0.json'])
  })
}

describeOverSsh('a host whose sync is watched', () => {
  it('has the content on disk before the name, and the name before ship says that it is done', async () => {
    const home = mkdtempSync(join(dir, 'watched-'))
    const folder = join(home, 'programs')
    mkdirSync(folder)
    const root = join(home, 'root')
    // Stands before the real one: notes what has its name already, then syncs.
    const watch = `#!/bin/sh\n{ ls "${root}/releases" | tr '\\n' ' '; readlink "${root}/current" || echo; } >>"${home}/log"\nexec /bin/sync "$@"\n`
    writeFileSync(join(folder, 'sync'), watch, { mode: 0o755 })
    const fleet = await startFleet(1, { config: [`SetEnv PATH=${folder}:/usr/bin:/bin SHLVL=2`] })
    try {
      process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
      const host = {
        name: parseHostName('web1'),
        address: 'web1',
        roles: [],
        labels: {},
        env: {},
        deployTo: root,
      } as const
      const session = await openSession({ ...host, transport: 'sftp' }, options)
      const held = await session.lock(owner(), { sharedFiles: [] }, { leaseSeconds: 30, signal: SIGNAL })
      const payload = packPayload(one, { compression: 'gzip', folder: home, ...options })
      const shared = { sharedDirs: [], sharedFiles: [] }
      const spec = {
        ...payload,
        ...shared,
        freeBytes: 0,
        reuse: 'copy',
        version: V1,
        record: record(V1, one.digest),
      } as const
      await session.stage(payload, spec, held.lease, options)
      expect(
        readFileSync(join(home, 'log'), 'utf8')
          .split('\n')
          .filter((l) => l !== ''),
      ).toEqual(['1.0.0 '])
      await session.switchTo('releases/1.0.0', held.lease, { ...options, expected: null })
      const lines = readFileSync(join(home, 'log'), 'utf8').split('\n')
      expect(lines.slice(0, 4)).toEqual(['', '1.0.0 ', '1.0.0 releases/1.0.0', ''])
      await session.unlock(held.lease, options)
      await session.close()
    } finally {
      await fleet.dispose()
    }
  })
})

/** Whether a process is at work; one that ended and was not asked for yet is not. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

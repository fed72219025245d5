/**
 * What hosts begin behind an answer, a round trip sooner: the program that is asked for after a switch, and the copy of what a release will be put
 * together from, after the lock. Neither may change what comes of it.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Bundle } from '../../src/formats/bundle.ts'
import type { Base } from '../../src/formats/delta.ts'
import { packPayload, type PackedPayload } from '../../src/formats/payload.ts'
import { openSession } from '../../src/host/open.ts'
import type { CopyAhead, HostSession, Lease } from '../../src/host/session.ts'
import { parseHostName } from '../../src/names.ts'
import { makeBundle, SIGNAL, type Files } from '../support/bundle.ts'
import type { Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { runBehindSwitch } from '../../src/host/shell/run.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { KINDS, owner, record, web1, startKind, type Kind } from './kinds.ts'

const options = { signal: SIGNAL }
const FILES: Files = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`d${n % 9}/f${n}`, `${n}\n`.repeat(50)]))

let dir = ''
let [old, next]: Bundle[] = []
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-behind-'))
  old = await makeBundle(dir, { ...FILES, VERSION: '1\n' }, '1.0.0')
  next = await makeBundle(dir, { ...FILES, VERSION: '2\n' }, '1.1.0')
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.for(KINDS.filter((kind) => !kind.programs))('on $name', conformance)
describeOverSsh.for(KINDS.filter((kind) => kind.programs))('on $name', conformance)
describeOverSsh.for(KINDS.filter(({ name }) => name === 'dash over SSH'))('on $name, two at a time', (kind) =>
  conformance({ ...kind, config: ['MaxSessions 2'] }),
)

it('a host that hangs in a switch is given up, whatever stands behind it', async () => {
  vi.useFakeTimers()
  try {
    const fakeThatHangs = {
      host: web1('/nowhere', 'local'),
      exec: (_script: unknown, { signal }: { signal: AbortSignal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    } as unknown as Transport
    const { answer } = runBehindSwitch(fakeThatHangs, ['token'], { argv: ['true'] }, SIGNAL)
    const given = answer.catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(61_000)
    expect(await given).toMatchObject({ reason: 'unreachable', step: 'switch' })
  } finally {
    vi.useRealTimers()
  }
})

function conformance({ name, compression, programs, transport: own, config }: Kind & { config?: string[] }): void {
  let fleet: Fleet | undefined
  let session: HostSession
  let lease: Lease
  let root = ''
  let turn = 0

  beforeAll(async () => void (fleet = await startKind({ programs, config }, dir)))
  afterAll(() => fleet?.dispose())
  beforeEach(async () => {
    turn += 1
    root = join(fleet?.hosts[0]?.root ?? join(dir, name), `it's ${turn}`)
    const place = { name: parseHostName('web1'), address: 'web1', deployTo: root }
    const transport = own ?? (fleet ? 'sftp' : 'local')
    session = await openSession({ ...place, roles: [], labels: {}, env: {}, transport }, { ...options, busy: true })
    await session.probe({ sharedFiles: [] }, options)
    await locked()
    return () => session.close()
  })

  async function locked(copy?: CopyAhead): Promise<void> {
    const held = await session.lock(owner(), { sharedFiles: ['.env'] }, { leaseSeconds: 30, signal: SIGNAL, copy })
    lease = held.lease
    expect(held.state.missingShared).toEqual(['.env'])
  }
  function bundles(): { readonly old: Bundle; readonly next: Bundle } {
    if (!old || !next) throw new Error('no bundles')
    return { old, next }
  }
  const pack = (bundle: Bundle, bases: readonly Base[] = []): PackedPayload =>
    packPayload(bundle, { compression, folder: mkdtempSync(join(dir, 'payload-')), bases, ...options })
  const stage = (bundle: Bundle, payload: PackedPayload): Promise<void> => {
    const { version } = bundle.manifest
    const shared = { sharedDirs: [], sharedFiles: [] }
    const about = { freeBytes: 0, reuse: 'copy', version, record: record(version, bundle.digest) } as const
    return session.stage(payload, { ...payload, ...shared, ...about }, lease, options)
  }
  const delta = (): PackedPayload => {
    const { manifest, digest } = bundles().old
    return pack(bundles().next, [{ version: manifest.version, manifest, digest, shared: [] }])
  }

  describe('a program behind a switch', () => {
    const there = (version: string): string => `releases/${version}`
    const asked = (text: string) => ({ argv: ['sh', '-c', text], cwd: join(root, 'current'), env: { WORD: 'a b\nc' } })
    const program = () => asked(`echo begun >>${JSON.stringify(join(root, 'log'))}; pwd -P; printf %s "$WORD"; exit 3`)
    const begun = (): number =>
      existsSync(join(root, 'log')) ? readFileSync(join(root, 'log'), 'utf8').trim().split('\n').length : 0
    beforeEach(() => stage(bundles().old, pack(bundles().old)))

    it('runs once, in what was switched to, and is the one that is asked for', async () => {
      const { argv, ...how } = program()
      await session.switchTo(there('1.0.0'), lease, { ...options, expected: null, next: { argv, ...how } })
      await expect.poll(begun).toBe(1)
      const result = await session.run(argv, { ...how, ...options })
      expect(result).toMatchObject({ code: 3, stdout: `${join(root, there('1.0.0'))}\na b\nc` })
      expect(begun()).toBe(1)
      expect(await session.run(argv, { ...how, ...options })).toMatchObject({ code: 3 })
      expect(begun()).toBe(2)
    })

    it('is no other one', async () => {
      const { argv, ...how } = program()
      await session.switchTo(there('1.0.0'), lease, { ...options, expected: null, next: { argv, ...how } })
      const other = await session.run(argv, { ...how, env: { WORD: 'other' }, ...options })
      expect(other.stdout).toMatch(/other$/)
    })

    it('ends when nobody waits for it any more', async () => {
      const { argv, ...how } = asked('echo $$; sleep 60')
      await session.switchTo(there('1.0.0'), lease, { ...options, expected: null, next: { argv, ...how } })
      const result = await session.run(argv, { ...how, ...options, timeoutMs: 700 })
      expect(result).toMatchObject({ code: null, timedOut: true })
      const pid = Number(result.stdout)
      const lives = (): boolean => existsSync(`/proc/${pid}`)
      await expect.poll(lives, { timeout: 5000 }).toBe(false)
    })

    it('does not run when the host does not switch', async () => {
      const { argv, ...how } = program()
      await session.switchTo(there('1.0.0'), lease, { ...options, expected: null })
      const switching = session.switchTo(there('2.0.0'), lease, {
        ...options,
        expected: there('1.0.0'),
        next: { argv, ...how },
      })
      await expect(switching).rejects.toMatchObject({ reason: 'refused' })
      await sleep(300)
      expect(begun()).toBe(0)
      expect(await session.run(['echo', 'well'], options)).toMatchObject({ stdout: 'well\n' })
    })
  })

  describe('a copy behind the lock', () => {
    const copy = (): CopyAhead => {
      return { base: bundles().old.manifest.version, tree: 'shop-1.1.0', reuse: 'copy' }
    }
    const incoming = (): string => join(root, '.ship/incoming', lease.token)
    /** A host whose cp knows less copies nothing ahead; nor does one that may have room for few scripts at once. */
    const copies = name !== 'BusyBox over SSH' && own !== 'rsync' && config === undefined
    const ended = async (): Promise<void> => {
      await expect.poll(() => existsSync(join(incoming(), 'copying')), { timeout: 10_000 }).toBe(false)
      expect(existsSync(join(incoming(), 'copied'))).toBe(copies)
    }
    beforeEach(async () => {
      await stage(bundles().old, pack(bundles().old))
      await session.unlock(lease, options)
      // A token is given once.
      await session.probe({ sharedFiles: [] }, options)
    })

    it('is what the release is put together from', async () => {
      await locked(copy())
      await stage(bundles().next, delta())
      const { manifest } = bundles().next
      expect(await session.drift({ version: manifest.version, shared: [] }, options)).toEqual([])
      expect(readFileSync(join(root, 'releases/1.1.0/VERSION'), 'utf8')).toBe('2\n')
      expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
      await session.switchTo('releases/1.1.0', lease, { ...options, expected: null })
    })

    it('is checked like all the rest', async () => {
      await locked(copy())
      await ended()
      if (!copies) return
      appendFileSync(join(incoming(), 'shop-1.1.0/d1/f1'), 'x')
      await expect(stage(bundles().next, delta())).rejects.toMatchObject({ reason: 'refused' })
      expect(existsSync(join(root, 'releases/1.1.0'))).toBe(false)
      expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
      await stage(bundles().next, delta())
      expect(await session.drift({ version: bundles().next.manifest.version, shared: [] }, options)).toEqual([])
    })

    it.each([
      ['of another base', { base: '1.0.1' }],
      ['to another place', { tree: 'shop-1.1.1' }],
      ['made otherwise', { reuse: 'hardlink' }],
    ])('%s is not used', async (_what, other) => {
      await locked({ ...copy(), ...other } as CopyAhead)
      await stage(bundles().next, delta())
      expect(await session.drift({ version: bundles().next.manifest.version, shared: [] }, options)).toEqual([])
      expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
    })

    it('that was ended in the middle is not used', async () => {
      await locked()
      mkdirSync(join(incoming(), 'shop-1.1.0'), { recursive: true })
      writeFileSync(join(incoming(), 'shop-1.1.0/half'), '')
      // A process that is gone.
      writeFileSync(join(incoming(), 'copying'), '4194305\n')
      await stage(bundles().next, delta())
      expect(await session.drift({ version: bundles().next.manifest.version, shared: [] }, options)).toEqual([])
    })

    it('goes with the lock', async () => {
      await locked(copy())
      await ended()
      await session.unlock(lease, options)
      expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
    })

    it('that outlives its lock goes when it ends', async () => {
      if (!copies) return
      await locked(copy())
      rmSync(join(root, '.ship/lock'), { recursive: true })
      await expect.poll(() => readdirSync(join(root, '.ship/incoming')), { timeout: 10_000 }).toEqual([])
    })

    it('is made for nobody who does not get the lock', async () => {
      await locked()
      await expect(locked(copy())).rejects.toMatchObject({ reason: 'locked' })
      await sleep(200)
      expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
    })
  })
}

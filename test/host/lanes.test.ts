/** A big payload on several channels of one connection: put together in order, cut and gone on with, and on one where a host admits no more. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Bundle } from '../../src/formats/bundle.ts'
import { packPayload, type PackedPayload } from '../../src/formats/payload.ts'
import type { HostSession, Lease } from '../../src/host/session.ts'
import { shellSession } from '../../src/host/shell/session.ts'
import { parseHostName } from '../../src/names.ts'
import { openTransport } from '../../src/transport/index.ts'
import type { Host } from '../../src/transport/transport.ts'
import { parseVersion } from '../../src/version.ts'
import { makeBundle, SIGNAL } from '../support/bundle.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { owner, record } from './kinds.ts'

const options = { signal: SIGNAL }
const V1 = parseVersion('1.0.0')
/** More than is worth it, more than waits on its way, and no whole number of pieces. */
const NOISE = randomBytes(40 * 1024 * 1024 + 12_345)
const ROOM = 1e12

let dir = ''
let fleet: Fleet
let bundle: Bundle

describeOverSsh('a payload on several channels', () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ship-lanes-'))
    const programs = join(dir, 'programs')
    execFileSync('mkdir', [programs])
    execFileSync('busybox', ['--install', '-s', programs])
    const config = [[], ['MaxSessions 3'], [`SetEnv PATH=${programs} SHLVL=2`]]
    fleet = await startFleet(config.length, { config: (index) => config[index] ?? [] })
    process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
    bundle = await makeBundle(dir, { noise: NOISE, small: 'x' }, '1.0.0', 'tar.gz')
  })
  afterAll(async () => {
    await fleet.dispose()
    rmSync(dir, { recursive: true, force: true })
  })

  interface Sent {
    readonly session: HostSession
    readonly lease: Lease
    readonly root: string
    readonly payload: PackedPayload
    /** How many channels there were beside that of the script that stages. */
    readonly lanes: () => number
    readonly stage: (how: { readonly freeBytes: number; readonly onProgress?: (sent: number) => void }) => Promise<void>
  }

  /** A locked host, each time with another folder. */
  async function place(number: number, folder: string): Promise<Sent> {
    const name = `web${number}`
    const root = join(fleet.hosts[number - 1]?.root ?? '', folder)
    const address = { name: parseHostName(name), address: name, roles: [], labels: {}, env: {} }
    const host: Host = { ...address, deployTo: root, transport: 'sftp' }
    const transport = await openTransport(host, { ...options, busy: true })
    let lanes = 0
    const session = shellSession({
      ...transport,
      get connected() {
        return transport.connected
      },
      exec(script, how) {
        if (script.name === 'lane') lanes += 1
        return transport.exec(script, how)
      },
    })
    const { lease } = await session.lock(owner(), { sharedFiles: [] }, { leaseSeconds: 30, ...options })
    const payload = packPayload(bundle, { compression: 'gzip', folder: dir, ...options })
    return {
      session,
      lease,
      root,
      payload,
      lanes: () => lanes,
      stage: ({ freeBytes, onProgress }) =>
        session.stage(payload, specOf(payload, freeBytes), lease, { ...options, onProgress }),
    }
  }

  function specOf(payload: PackedPayload, freeBytes: number) {
    const shared = { sharedDirs: [], sharedFiles: [] }
    return { ...payload, ...shared, freeBytes, reuse: 'copy', version: V1, record: record(V1, bundle.digest) } as const
  }

  function expectWhole(root: string): void {
    expect(readFileSync(join(root, 'releases/1.0.0/noise')).equals(NOISE)).toBe(true)
    expect(readdirSync(join(root, '.ship/incoming'))).toEqual([])
  }

  it.each([
    ['dash', 1],
    ['BusyBox', 3],
  ])('is whole, and leaves nothing behind, under %s', async (_, number) => {
    const { session, root, stage, lanes } = await place(number, 'whole')
    let seen = 0
    await stage({ freeBytes: ROOM, onProgress: (sent) => void (seen = sent) })
    expectWhole(root)
    expect(lanes()).toBe(3)
    expect(seen).toBeGreaterThan(NOISE.length)
    await session.close()
  })

  it('comes on one where the host admits no more, or has no room for pieces', async () => {
    const full = await place(2, 'full')
    await full.stage({ freeBytes: ROOM })
    expectWhole(full.root)
    expect(readdirSync(join(full.root, '.ship/incoming'))).toEqual([])
    await full.session.close()
    const tight = await place(1, 'tight')
    await tight.stage({ freeBytes: NOISE.length * 3 })
    expectWhole(tight.root)
    expect(tight.lanes()).toBe(0)
    await tight.session.close()
  })

  it('goes on after a cut with what came in its order', async () => {
    const { session, lease, root, stage, payload, lanes } = await place(1, 'cut')
    let isCut = false
    const half = stage({
      freeBytes: ROOM,
      onProgress: (sent) => {
        if (isCut || sent <= NOISE.length * 0.75) return
        isCut = true
        void fleet.hosts[0]?.sshd.cut()
      },
    })
    await expect(half).rejects.toMatchObject({ reason: 'unreachable' })
    const again = await session.reopen(options)
    const { partial } = await again.fence(lease, options)
    const { id, sizeBytes, open } = await payload.content
    const came = partial.get(id) ?? 0
    expect(came).toBeGreaterThan(1024 * 1024)
    expect(came).toBeLessThan(sizeBytes)
    const kept = readFileSync(join(root, '.ship/incoming', `part-${id}`))
    expect(kept.equals((await buffer(open())).subarray(0, kept.length))).toBe(true)
    let first: number | undefined
    const onProgress = (sent: number): void => void (first ??= sent)
    await again.stage(payload, specOf(payload, ROOM), lease, { ...options, partial, onProgress })
    expectWhole(root)
    expect(first).toBeGreaterThan(came)
    expect(lanes()).toBe(3)
    await again.close()
  })
})

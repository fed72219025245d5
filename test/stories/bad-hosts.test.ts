/**
 * A fleet in which hosts are bad in every way at once: what cannot be reached, believed, logged in to or written to, and what hangs. A run
 * ends in bounded time, names each bad host with its own cause, and leaves the others alone, or serves them when that many may fail.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ShipResult } from '../support/cli.ts'
import type { FleetHost } from '../support/fleet.ts'
import { generateKey } from '../support/keys.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

/** Connecting takes at most 10 s, a link that is dead is noticed within 20 s. */
const BOUND_MS = 60_000
const HEALTHY = ['web1', 'web11', 'web12']

interface Timed extends ShipResult {
  readonly ms: number
}

describeOverSsh('a fleet with bad hosts', () => {
  let place: Place
  const mute: { server?: Server; readonly open: Set<Socket> } = { open: new Set() }
  const mounted: string[] = []
  beforeAll(async () => {
    place = await makePlace(12)
    await place.build('1.0.0')
    // With one key the state is asked for with the login. These are to be frozen between the two, so they are shown another key first.
    const { file } = generateKey(join(place.fleet.dir, 'id_other'))
    const config = await readFile(place.fleet.sshConfigFile, 'utf8')
    await writeFile(place.fleet.sshConfigFile, `Host web4 web10\n  IdentityFile ${file}\n\n${config}`)
  })
  afterAll(async () => {
    await unmute()
    for (const dir of mounted) execFileSync('umount', [dir])
    await place.dispose()
  })

  const hostAt = (n: number): FleetHost => {
    const host = place.fleet.hosts[n - 1]
    if (!host) throw new Error(`no host web${n}`)
    return host
  }
  const dirOf = (name: string): string => place.deployTo[Number(name.slice(3)) - 1] ?? ''
  const mount = (n: number, ...options: string[]): void => {
    const dir = dirOf(`web${n}`)
    mkdirSync(dir, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', ['size=2m', ...options].join(), 'tmpfs', dir])
    mounted.push(dir)
  }
  async function unmute(): Promise<void> {
    for (const socket of mute.open) socket.destroy()
    await new Promise<void>((resolve) => (mute.server ? mute.server.close(() => resolve()) : resolve()))
  }
  async function timed(args: string, frozen: readonly number[]): Promise<Timed> {
    const started = performance.now()
    const onSeen = (): void => frozen.forEach((n) => hostAt(n).sshd.freeze('connections'))
    try {
      // The mute host keeps the others waiting in this step, so these are frozen before they are asked anything.
      const connected = frozen.map((n) => `connect       web${n}: ok`)
      const when = frozen.length > 0 ? { when: connected, onSeen } : {}
      const result = await place.ship(args, when)
      return { ...result, ms: performance.now() - started }
    } finally {
      for (const n of frozen) hostAt(n).sshd.thaw()
    }
  }

  it('is told of all of them at once, each with its cause, and touches none', async () => {
    await hostAt(2).sshd.stop()
    mount(3)
    mount(9)
    await hostAt(5).sshd.stop()
    const { address, port } = hostAt(5)
    mute.server = createServer((socket) => void mute.open.add(socket))
    await new Promise<void>((resolve) => mute.server?.listen(port, address, () => resolve()))
    await hostAt(6).sshd.restart({ newHostKeys: true })
    await writeFile(join(hostAt(7).sshd.dir, 'authorized_keys'), '')
    mount(8, 'ro')

    const { code, stderr, ms } = await timed('release', [4, 10])
    expect({ code, stderr: code === 4 ? '' : stderr }).toEqual({ code: 4, stderr: '' })
    expect(ms).toBeLessThan(BOUND_MS)
    const told = stderr.slice(stderr.indexOf('error:'))
    expect(told).toContain('9 of 12 hosts failed')
    expect(told).toMatch(/web2: nothing listens at \S+ port \d+ \(connection refused\)/)
    expect(told).toMatch(/web3, web9: not enough disk space: [\d.]+ MB needed, [\d.]+ MB free/)
    expect(told).toMatch(/web4, web10: the connection was lost/)
    expect(told).toMatch(/web5: no answer from/)
    expect(told).toMatch(/web6: the host key of \S+ has changed/)
    expect(told).toMatch(/web7: the host lets "\S+" in with none of the keys/)
    expect(told).toMatch(/web8: .* is on a file system that is mounted read-only/)
    expect(told).toContain('nothing was changed on any host')
    for (const name of HEALTHY) {
      expect(told).not.toMatch(new RegExp(`\\b${name}\\b`))
      expect(existsSync(dirOf(name))).toBe(false)
    }
  })

  it('serves the healthy ones when so many may fail and be missing, but never passes over a host key or a login', async () => {
    await place.configure({ maxUnreachable: 4, maxFailed: 3 })
    const refused = await timed('release --hosts web1,web6,web7,web11', [])
    expect(refused.code).toBe(4)
    expect(existsSync(dirOf('web1'))).toBe(false)

    place.fleet.learnHostKeys()
    await writeFile(join(hostAt(7).sshd.dir, 'authorized_keys'), await readFile(`${place.fleet.keyFile}.pub`, 'utf8'))
    const { code, stderr, stdout, ms } = await timed('release', [4, 10])
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    expect(ms).toBeLessThan(BOUND_MS)
    for (const name of [...HEALTHY, 'web6', 'web7']) {
      expect(await runs(dirOf(name))).toMatchObject({ version: '1.0.0', whole: true })
      expect(await leftovers(dirOf(name))).toEqual([])
    }
    const rows = stdout.split('\n').filter((line) => /^web\d+ /.test(line))
    expect(rows).toHaveLength(12)
    for (const n of [2, 4, 5, 10]) expect(rows.find((r) => r.startsWith(`web${n} `))).toContain('unreachable')
    for (const n of [3, 8, 9]) expect(rows.find((r) => r.startsWith(`web${n} `))).toContain('not switched')
    expect(stdout).toContain('7 hosts are behind')
  })
})

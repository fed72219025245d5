/** The system's ssh under ship's rules: no configuration of the user's makes an unknown host known, on no hop. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { parseHostName } from '../../src/names.ts'
import { fingerprint } from '../../src/ssh/known-hosts.ts'
import { openTransport } from '../../src/transport/index.ts'
import type { Host } from '../../src/transport/transport.ts'
import { SIGNAL } from '../support/bundle.ts'
import { NODE } from '../support/cli.ts'
import { startFleet, type Fleet, type FleetHost } from '../support/fleet.ts'
import { generateKey } from '../support/keys.ts'
import { describeOverSsh } from '../support/sshd.ts'

/** A ProxyCommand without any program that may be missing. */
const PROXY =
  "const s=require('net').connect(+process.argv[2],process.argv[1]);process.stdin.pipe(s);s.pipe(process.stdout)"

let dir = ''
let fleet: Fleet
let first: FleetHost
let config = ''

describeOverSsh('a host by the system’s ssh', () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ship-openssh-'))
    fleet = await startFleet(2)
    const [one] = fleet.hosts
    if (!one) throw new Error('no host')
    first = one
    config = readFileSync(fleet.sshConfigFile, 'utf8')
  })
  afterAll(async () => {
    await fleet.dispose()
    rmSync(dir, { recursive: true, force: true })
  })
  beforeEach(() => configure(config))

  function configure(text: string): void {
    const file = join(dir, 'it is a config')
    writeFileSync(file, text)
    process.env['SHIP_SSH_CONFIG'] = file
  }

  /** "here", or the error. */
  async function reached(more: Partial<Host> = {}, said: string[] = []): Promise<unknown> {
    const nothing = { roles: [], labels: {}, env: {}, deployTo: dir }
    const host: Host = { name: parseHostName('web1'), address: 'web1', transport: 'rsync', ...nothing, ...more }
    try {
      const transport = await openTransport(host, { signal: SIGNAL, onChoice: (text) => said.push(text) })
      try {
        return (await transport.exec({ name: 'x', text: 'echo here', args: [] }, { signal: SIGNAL })).stdout.trim()
      } finally {
        await transport.close()
      }
    } catch (error) {
      return error
    }
  }
  const plain = (): Partial<Host> => {
    const { address, port, user } = first
    return { address, port, user, identityFile: fleet.keyFile, knownHosts: fleet.knownHostsFile }
  }

  it('is reached with what the configuration of ship says, and leaves nothing behind', async () => {
    configure('')
    expect(await reached(plain())).toBe('here')
    expect(readdirSync(tmpdir()).filter((name) => ownFolder(name))).toEqual([])
  })

  it('is refused while its key is not known, or another, whatever ~/.ssh/config says', async () => {
    const careless = 'Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n'
    configure(careless + config)
    expect(await reached()).toMatchObject({ reason: 'host-key' })
    const other = generateKey(join(dir, 'other'))
    const knownHosts = join(dir, 'wrong')
    writeFileSync(knownHosts, `[${first.address}]:${first.port} ${other.publicKey}\n`)
    expect(await reached({ knownHosts })).toMatchObject({
      reason: 'host-key',
      message: expect.stringContaining('changed'),
    })
  })

  it('is held against the keys that are pinned, whole or by fingerprint, and nothing else', async () => {
    const [key = ''] = first.sshd.hostKeys
    const print = fingerprint(key.split(' ')[1] ?? '')
    const other = generateKey(join(dir, 'stranger')).publicKey
    const otherPrint = fingerprint(other.split(' ')[1] ?? '')
    for (const pin of [key, print]) expect(await reached({ hostKey: [otherPrint, pin] }), pin).toBe('here')
    for (const pin of [other, otherPrint])
      expect(await reached({ hostKey: [pin] }), pin).toMatchObject({ reason: 'host-key' })
  })

  it('tells a key that is not accepted, an address where nobody listens, and a user without a shell', async () => {
    const stranger = generateKey(join(dir, 'nobody')).file
    configure('')
    expect(await reached({ ...plain(), identityFile: stranger })).toMatchObject({ reason: 'auth' })
    expect(await reached({ ...plain(), port: 1 })).toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining('refused'),
    })
    configure(config)
    await first.sshd.restart({ config: ['ForceCommand /bin/false'] })
    const silent = await reached()
    await first.sshd.restart({ config: [] })
    expect(silent).toMatchObject({ reason: 'unreachable', message: expect.stringContaining('runs no "sh"') })
  })

  it('is reached through jump hosts, whose keys must be known too', async () => {
    const [, second] = fleet.hosts
    if (!second) throw new Error('no second host')
    const before = second.sshd.log().length
    expect(await reached({ proxyJump: 'web2' })).toBe('here')
    expect(second.sshd.log().slice(before)).toContain('Accepted publickey')
    const knownHosts = join(dir, 'only the first')
    writeFileSync(knownHosts, first.sshd.knownHosts())
    expect(await reached({ knownHosts })).toBe('here')
    expect(await reached({ knownHosts, proxyJump: 'web2' })).toMatchObject({ reason: 'host-key' })
    configure(`Host web2\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n${config}`)
    expect(await reached({ proxyJump: 'web2' })).toMatchObject({ reason: 'host-key' })
  })

  it('is what auto falls back to for ProxyCommand and host certificates, and says so', async () => {
    const said: string[] = []
    expect(await reached({ transport: 'auto' }, said)).toBe('here')
    expect(said.splice(0)).toEqual([expect.stringContaining('transport sftp')])
    configure(`Host web1\n  ProxyCommand ${NODE} -e "${PROXY}" %h %p\n${config}`)
    expect(await reached({ transport: 'sftp' })).toMatchObject({ reason: 'config' })
    expect(await reached({ transport: 'auto' }, said)).toBe('here')
    expect(said.splice(0)).toEqual([expect.stringMatching(/transport rsync.*"web1" by ProxyCommand/)])

    configure(config)
    const ca = generateKey(join(dir, 'ca'))
    const hostKey = join(first.sshd.dir, 'host_ed25519')
    execFileSync('ssh-keygen', ['-q', '-s', ca.file, '-I', 'web1', '-h', '-n', first.address, `${hostKey}.pub`])
    await first.sshd.restart({ config: [`HostCertificate ${hostKey}-cert.pub`] })
    const knownHosts = join(dir, 'authority')
    writeFileSync(knownHosts, `@cert-authority [${first.address}]:${first.port},${first.address} ${ca.publicKey}\n`)
    expect(await reached({ transport: 'auto', knownHosts }, said)).toBe('here')
    expect(said.splice(0)).toEqual([expect.stringContaining('certificate authority')])
    await first.sshd.restart({ config: [] })
    expect(await reached({ transport: 'auto', knownHosts }, said)).toMatchObject({ reason: 'host-key' })
  })

  it('uses the connection that the user keeps open, and leaves it open', async () => {
    const socket = join(dir, 'mine')
    const text = `Host *\n  ControlPath "${socket}"\n${config}`
    configure(text)
    const mine = spawn('ssh', ['-F', join(dir, 'it is a config'), '-M', '-N', 'web1'], { stdio: 'ignore' })
    try {
      const check = (): number | null => execStatus(['ssh', '-S', socket, '-O', 'check', 'web1'])
      const own = first.sshd.log().length
      while (check() !== 0) await sleep(50)
      // The server may write that it let the user in after the user is in.
      await expect.poll(() => first.sshd.log().slice(own)).toContain('Accepted publickey')
      const before = first.sshd.log().length
      expect(await reached()).toBe('here')
      expect(first.sshd.log().slice(before)).not.toContain('Accepted publickey')
      expect(check()).toBe(0)
      // Nobody knows whose key that connection saw: what is pinned is looked at.
      expect(await reached({ hostKey: [fingerprint('AAAA')] })).toMatchObject({ reason: 'host-key' })
    } finally {
      mine.kill()
    }
  })
})

function ownFolder(name: string): boolean {
  if (!name.startsWith('ship-ssh-')) return false
  try {
    return readFileSync(join(tmpdir(), name, '.owner'), 'utf8').includes(`"pid":${process.pid},`)
  } catch {
    return false
  }
}

function execStatus([file = '', ...args]: readonly string[]): number | null {
  try {
    execFileSync(file, args, { stdio: 'ignore' })
    return 0
  } catch {
    return 1
  }
}

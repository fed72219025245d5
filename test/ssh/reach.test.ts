/** Reaching hosts as the user's own ssh does, against real sshd: known_hosts in all its forms, agents, encrypted keys, jump hosts. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import { parseHostName } from '../../src/names.ts'
import { openTransport } from '../../src/transport/index.ts'
import type { Host } from '../../src/transport/transport.ts'
import { SIGNAL } from '../support/bundle.ts'
import { startFleet, type Fleet, type FleetHost } from '../support/fleet.ts'
import { generateKey } from '../support/keys.ts'
import { describeOverSsh } from '../support/sshd.ts'

let fleet: Fleet
let first: FleetHost
let second: FleetHost
beforeAll(async () => {
  fleet = await startFleet(2, { hostKeyTypes: ['ed25519', 'ecdsa', 'rsa'] })
  const [one, two] = fleet.hosts
  if (!one || !two) throw new Error('no hosts')
  first = one
  second = two
})
afterAll(() => fleet.dispose())
beforeEach(() => {
  fleet.learnHostKeys()
  for (const name of ['SHIP_SSH_KEY', 'SHIP_KEY_PASSPHRASE', 'SSH_AUTH_SOCK']) delete process.env[name]
  process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
})

function host(parts: Partial<Host> = {}): Host {
  return {
    name: parseHostName('web1'),
    address: 'web1',
    roles: [],
    labels: {},
    env: {},
    deployTo: first.root,
    transport: 'sftp',
    ...parts,
  }
}

/** What a host answers to "echo", or the error of reaching it. */
async function reached(parts: Partial<Host> = {}): Promise<string | ShipError> {
  try {
    const transport = await openTransport(host(parts), { signal: SIGNAL })
    const { stdout } = await transport.exec({ name: 'test', text: 'echo "$0 here"', args: [] }, { signal: SIGNAL })
    await transport.close()
    return stdout.trim()
  } catch (error) {
    if (error instanceof ShipError) return error
    throw error
  }
}

/** A configuration of ssh of this test's own. */
function sshConfig(name: string, text: string): void {
  const file = join(fleet.dir, name)
  writeFileSync(file, text)
  process.env['SHIP_SSH_CONFIG'] = file
}

function known(text: string): string {
  writeFileSync(fleet.knownHostsFile, text)
  return text
}

describeOverSsh('known_hosts', () => {
  it('hashed names and ports are found', async () => {
    execFileSync('ssh-keygen', ['-q', '-H', '-f', fleet.knownHostsFile], { stdio: 'pipe' })
    expect(readFileSync(fleet.knownHostsFile, 'utf8')).toMatch(/^\|1\|/)
    expect(await reached()).toBe('ship here')
  })

  it('patterns and comments are read as ssh reads them', async () => {
    const [key = ''] = first.sshd.hostKeys
    known(`# a comment\n\n[127.*]:*,!nobody ${key} a comment\n`)
    expect(await reached()).toBe('ship here')
    known(`![${first.address}]:${first.port},[127.*]:* ${key}\n`)
    expect(await reached()).toMatchObject({ reason: 'host-key' })
  })

  it('a host is asked for the type of key that is known', async () => {
    for (const type of ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa']) {
      const lines = first.sshd
        .knownHosts()
        .split('\n')
        .filter((line) => line.includes(` ${type} `))
      expect(lines).toHaveLength(1)
      known(`${lines[0]}\n`)
      expect(await reached(), type).toBe('ship here')
    }
  })

  it('a revoked key is refused whatever else is said of it', async () => {
    const revoked = first.sshd
      .knownHosts()
      .split('\n')
      .filter((l) => l !== '')
      .map((line) => `@revoked ${line}`)
    known(`${first.sshd.knownHosts()}${revoked.join('\n')}\n`)
    expect(await reached()).toMatchObject({ reason: 'host-key', message: expect.stringContaining('revoked') })
  })

  it('a line without a port does not vouch against another key, but vouches for its own', async () => {
    const [key = ''] = first.sshd.hostKeys
    known(`${first.address} ${key}\n`)
    expect(await reached()).toBe('ship here')
    const [other = ''] = second.sshd.hostKeys
    known(`${first.address} ${other}\n`)
    expect(await reached()).toMatchObject({ reason: 'host-key', message: expect.stringContaining('not known') })
  })

  it('a key pinned in the configuration counts, and no file beside it', async () => {
    const [key = ''] = first.sshd.hostKeys
    const fingerprint = execFileSync('ssh-keygen', ['-l', '-f', '-'], { input: key }).toString().split(' ')[1] ?? ''
    known('')
    expect(await reached({ hostKey: [key] })).toBe('ship here')
    expect(await reached({ hostKey: [fingerprint] })).toBe('ship here')
    fleet.learnHostKeys()
    expect(await reached({ hostKey: second.sshd.hostKeys.slice(0, 1) })).toMatchObject({ reason: 'host-key' })
  })

  it("a file of the project is used instead of the user's", async () => {
    const file = join(fleet.dir, 'project_known_hosts')
    writeFileSync(file, '')
    expect(await reached({ knownHosts: file })).toMatchObject({ reason: 'host-key' })
    writeFileSync(file, first.sshd.knownHosts())
    known('')
    expect(await reached({ knownHosts: file })).toBe('ship here')
  })
})

describeOverSsh('keys', () => {
  const without = (): string => readFileSync(fleet.sshConfigFile, 'utf8').replaceAll(/^ *Identity.*\n/gm, '')

  it('an encrypted key opens with its passphrase, and says what it needs', async () => {
    const file = join(fleet.dir, 'encrypted')
    execFileSync('cp', [fleet.keyFile, file])
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'secret words', '-f', file])
    const identityFile = file
    const refused = await reached({ identityFile })
    expect(refused).toMatchObject({
      reason: 'auth',
      details: expect.arrayContaining([expect.stringContaining('SHIP_KEY_PASSPHRASE')]),
    })
    process.env['SHIP_KEY_PASSPHRASE'] = 'wrong'
    expect(await reached({ identityFile })).toMatchObject({ reason: 'auth' })
    process.env['SHIP_KEY_PASSPHRASE'] = 'secret words'
    expect(await reached({ identityFile })).toBe('ship here')
  })

  it('a key from the environment, as CI has it, also with the line ends of a web form', async () => {
    sshConfig('no-identity', `${without()}  IdentityFile /nowhere\n`)
    expect(await reached()).toMatchObject({ reason: 'auth' })
    process.env['SHIP_SSH_KEY'] = readFileSync(fleet.keyFile, 'utf8').trim().replaceAll('\n', '\r\n')
    expect(await reached()).toBe('ship here')
  })

  it('a key in hand signs at once, whatever its kind: the host is not asked first whether it would do', async () => {
    for (const type of ['ed25519', 'ecdsa', 'rsa'] as const) {
      const { file, publicKey } = generateKey(join(fleet.dir, `of kind ${type}`), { type })
      appendFileSync(join(first.sshd.dir, 'authorized_keys'), `${publicKey}\n`)
      const before = first.sshd.log().length
      expect(await reached({ identityFile: file })).toBe('ship here')
      await expect.poll(() => first.sshd.log().slice(before)).toContain('Accepted publickey')
      expect(first.sshd.log().slice(before)).not.toContain('Postponed publickey')
    }
  })

  it('a key that is refused does not harm the next one, nor the commands of that connection', async () => {
    const { file } = generateKey(join(fleet.dir, 'of-another-machine'))
    sshConfig('two keys', `${without()}  IdentityFile ${file}\n  IdentityFile ${fleet.keyFile}\n`)
    const before = first.sshd.log().length
    const transport = await openTransport(host(), { signal: SIGNAL, busy: true })
    const echoes = Array.from({ length: 6 }, async (_, n) => {
      const script = { name: 'test', text: 'echo "$1 here"', args: [String(n)] }
      return (await transport.exec(script, { signal: SIGNAL })).stdout
    })
    expect(await Promise.all(echoes)).toEqual([0, 1, 2, 3, 4, 5].map((n) => `${n} here\n`))
    await transport.close()
    await expect.poll(() => first.sshd.log().slice(before)).toContain('Accepted publickey')
    // Channels that are asked for behind a login that is refused are a line in the log each.
    expect(first.sshd.log().slice(before)).not.toContain('dispatch_protocol_error')
  })

  it('an agent is asked; one that is gone is told', async () => {
    sshConfig('agent', `${without()}  IdentityFile /nowhere\n`)
    const socket = join(fleet.dir, 'agent.sock')
    const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
    try {
      while (!existsSync(socket)) await sleep(20)
      process.env['SSH_AUTH_SOCK'] = socket
      const empty = await reached()
      expect(empty).toMatchObject({ reason: 'auth', details: expect.arrayContaining(['the agent has no keys']) })
      execFileSync('ssh-add', ['-q', fleet.keyFile], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' })
      expect(await reached()).toBe('ship here')
    } finally {
      agent.kill()
      await once(agent, 'exit')
    }
    expect(await reached()).toMatchObject({
      reason: 'auth',
      details: expect.arrayContaining([expect.stringContaining('does not answer')]),
    })
  })

  it("a stranger's key is refused, and each that was offered is named", async () => {
    const { file } = generateKey(join(fleet.dir, 'stranger'))
    expect(await reached({ identityFile: file })).toMatchObject({
      reason: 'auth',
      details: expect.arrayContaining([expect.stringContaining(file)]),
    })
  })
})

describeOverSsh('jump hosts', () => {
  const jump = (): Partial<Host> => ({
    name: parseHostName('web2'),
    address: 'web2',
    proxyJump: `web1`,
    deployTo: second.root,
  })

  it('lead to a host, each verified', async () => {
    expect(await reached(jump())).toBe('ship here')
    known(second.sshd.knownHosts())
    expect(await reached(jump())).toMatchObject({ reason: 'host-key', message: expect.stringContaining(first.address) })
    known(first.sshd.knownHosts())
    expect(await reached(jump())).toMatchObject({
      reason: 'host-key',
      message: expect.stringContaining(second.address),
    })
  })

  it("come from ssh's own configuration as well", async () => {
    sshConfig(
      'jumping',
      readFileSync(fleet.sshConfigFile, 'utf8').replace('Host web2\n', 'Host web2\n  ProxyJump web1\n'),
    )
    const before = first.sshd.log().length
    expect(await reached({ name: parseHostName('web2'), address: 'web2' })).toBe('ship here')
    expect(first.sshd.log().slice(before)).toContain('Accepted publickey')
  })

  it('that do not forward say so', async () => {
    await first.sshd.restart({ config: ['AllowTcpForwarding no'] })
    try {
      expect(await reached(jump())).toBeInstanceOf(ShipError)
    } finally {
      await first.sshd.restart({ config: [] })
    }
  })

  it('ProxyCommand is refused by name, not passed over', async () => {
    sshConfig(
      'command',
      readFileSync(fleet.sshConfigFile, 'utf8').replace('Host web1\n', 'Host web1\n  ProxyCommand nc %h %p\n'),
    )
    expect(await reached()).toMatchObject({ reason: 'config', message: expect.stringContaining('ProxyCommand') })
  })
})

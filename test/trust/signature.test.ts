/** Signing by the command line, judged by the real ssh-keygen: keys in files and agents, with and without passphrases. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { parseSignature } from '../../src/trust/signature.ts'
import { HAS_TERMINAL, shipOnTerminal } from '../support/cli.ts'
import { generateKey, type KeyType } from '../support/keys.ts'
import { HAS_SSH_KEYGEN, key, keygen, makeTrustShop, publicKey, SIGNER, type TrustShop } from './shop.ts'

// Each test runs ship several times.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

let shop: TrustShop
beforeEach(() => void (shop = makeTrustShop()))
afterEach(() => shop.dispose())

/** What ssh-keygen itself says of the signature in dist. */
function verified(namespace = 'file') {
  return keygen(
    ['-Y', 'verify', '-f', shop.path('signers'), '-I', SIGNER, '-n', namespace, '-s', shop.dist('SHA256SUMS.sig')],
    shop.read('SHA256SUMS'),
  )
}

describe.skipIf(!HAS_SSH_KEYGEN)('SHA256SUMS (needs ssh-keygen)', () => {
  it('is signed so that ssh-keygen accepts it, and lists all that a build leaves', async () => {
    const { stdout } = await shop.ship('build')
    expect(stdout).toContain(`signed by ${shop.fingerprints.release}`)
    expect(verified()).toMatchObject({ status: 0, stdout: expect.stringContaining(`for ${SIGNER}`) })
    expect(verified('git').status).not.toBe(0)
    const listed = shop
      .read('SHA256SUMS')
      .split('\n')
      .flatMap((line) => line.split('  ').slice(1))
    expect(listed).toEqual(['cdx.json', 'manifest.json', 'provenance.json', 'tar.gz'].map((e) => `shop-1.0.0.${e}`))
  })

  it('is signed for another name space when that is wanted', async () => {
    shop.configure({ sign: { key: 'keys/release', namespace: 'release@shop' } })
    await shop.ship('build')
    expect(verified('release@shop').status).toBe(0)
    expect((await shop.ship('verify')).stdout).toContain(`signed by ${SIGNER}`)
  })

  it('is not signed again when nothing changed, and covers all versions when something did', async () => {
    await shop.ship('build')
    const first = shop.read('SHA256SUMS.sig')
    // Another signature of the same bytes would be good too: it is told by its time on disk.
    writeFileSync(shop.dist('SHA256SUMS.sig'), `${first}\n`)
    await shop.ship('build')
    expect(shop.read('SHA256SUMS.sig')).toBe(`${first}\n`)
    await shop.ship('build --version 1.1.0')
    expect(shop.read('SHA256SUMS')).toMatch(/shop-1\.0\.0\.tar\.gz[^]*shop-1\.1\.0\.tar\.gz/)
    expect(verified().status).toBe(0)
    await shop.ship('verify 1.0.0')
  })

  it('loses a signature that no longer belongs to it when a build does not sign', async () => {
    await shop.ship('build')
    shop.configure()
    await shop.ship('build')
    expect(verified().status, 'unchanged sums keep theirs').toBe(0)
    await shop.ship('build --version 1.1.0')
    expect(existsSync(shop.dist('SHA256SUMS.sig'))).toBe(false)
  })

  it('does not vouch for lines that were added behind its back', async () => {
    await shop.ship('build')
    writeFileSync(shop.dist('shop-9.9.9.tar.gz'), 'evil')
    writeFileSync(shop.dist('SHA256SUMS'), `${shop.read('SHA256SUMS')}${'0'.repeat(64)}  shop-9.9.9.tar.gz\n`)
    const { stderr } = await shop.ship('build --version 1.1.0')
    expect(stderr).toContain('no longer lists what nobody you trust has signed')
    expect(stderr).toContain('shop-9.9.9.tar.gz')
    expect(shop.read('SHA256SUMS')).not.toContain('9.9.9')
    expect(verified().status).toBe(0)
    await shop.ship('build')
    await shop.ship('verify 1.0.0')
  })

  it('killed between the renames of sums and signature: the next build still vouches for the builds before', async () => {
    await shop.ship('build')
    const old = shop.read('SHA256SUMS.sig')
    await shop.ship('build --version 1.1.0')
    mkdirSync(shop.dist('.ship-killed'))
    renameSync(shop.dist('SHA256SUMS.sig'), shop.dist('.ship-killed/SHA256SUMS.sig'))
    writeFileSync(shop.dist('SHA256SUMS.sig'), old)
    await shop.ship('verify 1.1.0', 9)
    await shop.ship('build --version 1.2.0')
    for (const version of ['1.0.0', '1.1.0', '1.2.0'])
      expect((await shop.ship(`verify ${version}`)).stdout).toContain(`signed by ${SIGNER}`)
  })

  it('of several keys: a key that is not among the signers is told while building', async () => {
    shop.configure({ sign: { key: 'keys/foreign' } })
    const { stderr } = await shop.ship('build')
    expect(stderr).toContain(`signed by ${shop.fingerprints.foreign}, not among the signers`)
    expect(stderr).toContain('add the key to')
  })
})

describe.skipIf(!HAS_SSH_KEYGEN)('a key (needs ssh-keygen)', () => {
  it('may be in an agent, named by its public half alone; passphrase or not', async () => {
    key(shop.path('keys/locked'), 'correct horse')
    shop.write({ signers: `${SIGNER} ${publicKey(shop.path('keys/locked'))}\n` })
    cpSync(shop.path('keys/locked.pub'), shop.path('public/locked.pub'))
    const agent = startAgent()
    try {
      const askpass = shop.path('askpass')
      writeFileSync(askpass, '#!/bin/sh\necho correct horse\n', { mode: 0o755 })
      const env = { ...agent.env, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' }
      shop.configure({ sign: { key: 'public/locked.pub' } })
      expect((await shop.ship('build', 3, { env: agent.env })).stderr).toContain('put the key into an agent')
      const added = spawnSync('ssh-add', [shop.path('keys/locked')], { env: { ...process.env, ...env } })
      expect(added.status, added.stderr.toString()).toBe(0)
      await shop.ship('build', 0, { env: agent.env })
      expect(verified().status).toBe(0)
      // The private file would need its passphrase; the agent has it.
      shop.configure({ sign: { key: 'keys/locked' } })
      await shop.ship('build --version 1.1.0', 0, { env: agent.env })
      expect(verified().status).toBe(0)
    } finally {
      agent.end()
    }
  })

  it('with a passphrase and no terminal is refused at once, and nothing is built', async () => {
    key(shop.path('keys/locked'), 'correct horse')
    shop.configure({ sign: { key: 'keys/locked' } })
    // A program that asks in a window would wait for ever on a machine that nobody looks at.
    writeFileSync(shop.path('askpass'), '#!/bin/sh\nsleep 3600\n', { mode: 0o755 })
    const env = { SSH_ASKPASS: shop.path('askpass'), SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' }
    const { stderr } = await shop.ship('build', 3, { env })
    expect(stderr).toContain('has a passphrase, and there is no terminal to ask for it')
    expect(stderr).toContain('put the key into an agent: ssh-add')
    expect(existsSync(shop.path('dist'))).toBe(false)
  })

  it.skipIf(!HAS_TERMINAL)('with a passphrase is asked for on a terminal', async () => {
    key(shop.path('keys/locked'), 'correct horse')
    shop.write({ signers: `${SIGNER} ${publicKey(shop.path('keys/locked'))}\n` })
    shop.configure({ sign: { key: 'keys/locked' } })
    const { code, stdout } = await shipOnTerminal('build', {
      cwd: shop.dir,
      when: 'Enter passphrase',
      input: 'correct horse\n',
    })
    expect(code, stdout).toBe(0)
    expect(stdout).not.toContain('correct horse')
    expect(verified().status).toBe(0)
  })

  it.skipIf(!HAS_TERMINAL)('with a passphrase that is typed wrong signs nothing', async () => {
    key(shop.path('keys/locked'), 'correct horse')
    shop.configure({ sign: { key: 'keys/locked' } })
    const { code, stdout } = await shipOnTerminal('build', {
      cwd: shop.dir,
      when: 'Enter passphrase',
      input: 'wrong horse\n',
    })
    expect(code, stdout).toBe(3)
    expect(readdirSync(shop.path('dist'))).toEqual([])
  })

  it.each<KeyType>(['ed25519', 'ecdsa', 'rsa'])('may be of type %s', async (type) => {
    const { publicKey: line } = generateKey(shop.path('keys/other'), { type })
    shop.write({ signers: `${SIGNER} ${line}\n` })
    shop.configure({ sign: { key: 'keys/other' } })
    await shop.ship('build')
    expect(verified()).toMatchObject({ status: 0, stdout: expect.stringContaining(`for ${SIGNER}`) })
    expect((await shop.ship('verify')).stdout).toContain(`signed by ${SIGNER}`)
  })

  it('in an agent that asks before it signs is of no use where nobody answers', async () => {
    const agent = startAgent()
    try {
      // The agent itself asks, by the program that it was started with.
      const added = spawnSync('ssh-add', ['-c', shop.path('keys/release')], { env: { ...process.env, ...agent.env } })
      expect(added.status, added.stderr.toString()).toBe(0)
      renameSync(shop.path('keys/release'), shop.path('keys/elsewhere'))
      shop.configure({ sign: { key: 'keys/release.pub' } })
      const { stderr } = await shop.ship('build', 3, { env: agent.env })
      expect(stderr).toMatch(/the signing key ".*release\.pub" cannot be used/)
      expect(readdirSync(shop.path('dist'))).toEqual([])
    } finally {
      agent.end()
    }
  })

  it('that does not exist or is none is a mistake of the configuration', async () => {
    shop.configure({ sign: { key: 'keys/none' } })
    expect((await shop.ship('build', 2)).stderr).toMatch(/build\.sign\.key names ".*keys\/none", which does not exist/)
    shop.configure({ sign: { key: 'app/a.txt' } })
    expect((await shop.ship('build', 2)).stderr).toContain('is not a key that ssh-keygen reads')
    expect(existsSync(shop.path('dist'))).toBe(false)
  })

  it('is of no use without ssh-keygen, and that is said', async () => {
    mkdirSync(shop.path('bin'))
    const { stderr } = await shop.ship('build', 2, { env: { PATH: shop.path('bin') } })
    expect(stderr).toContain('"ssh-keygen" is needed for signatures')
    expect(stderr).toContain('openssh-client')
  })
})

describe.skipIf(!HAS_SSH_KEYGEN)('the reader of signatures (needs ssh-keygen)', () => {
  it('tells the key and the name space of a real one, and nothing of what is none', () => {
    const file = shop.path('text')
    writeFileSync(file, 'text\n')
    expect(keygen(['-q', '-Y', 'sign', '-n', 'some-space', '-f', shop.path('keys/foreign'), file]).status).toBe(0)
    const text = spawnSync('cat', [`${file}.sig`]).stdout.toString()
    const claim = { fingerprint: shop.fingerprints.foreign, namespace: 'some-space' }
    expect(parseSignature(text)).toEqual(claim)
    expect(parseSignature(text.replaceAll('\n', '\r\n'))).toEqual(claim)
    const lines = text.split('\n')
    const cut = [lines[0], (lines[1] ?? '').slice(0, 32), lines.at(-2), ''].join('\n')
    for (const none of ['', 'junk', text.slice(5), cut, text.replace('U1NI', 'U1NJ')])
      expect(parseSignature(none), none).toBeUndefined()
    rmSync(file)
  })

  it('takes none with bits that stand for nothing, for those could be changed unseen', () => {
    let padded = 0
    for (const namespace of ['a', 'ab', 'abc']) {
      writeFileSync(shop.path('text'), 'text\n')
      keygen(['-q', '-Y', 'sign', '-n', namespace, '-f', shop.path('keys/foreign'), shop.path('text')])
      const text = readFileSync(shop.path('text.sig'), 'utf8')
      rmSync(shop.path('text.sig'))
      const other = text.replace(/([A-Za-z0-9+/])(=+\n)/, (_all, last: string, rest: string) => {
        padded += 1
        const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
        return `${digits[digits.indexOf(last) ^ 1] ?? ''}${rest}`
      })
      expect(parseSignature(text)?.namespace).toBe(namespace)
      expect(parseSignature(other) === undefined).toBe(other !== text)
    }
    expect(padded).toBe(2)
  })
})

function startAgent(): { readonly env: Record<string, string>; end(): void } {
  const socket = shop.path('agent')
  const { stdout } = spawnSync('ssh-agent', ['-s', '-a', socket], {
    encoding: 'utf8',
    env: { ...process.env, SSH_ASKPASS: '/bin/false' },
  })
  const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(stdout)?.[1])
  return { env: { SSH_AUTH_SOCK: socket }, end: () => void process.kill(pid) }
}

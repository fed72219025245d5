/** What a host remembers as done, under each shell: done once, whatever becomes of the client; and only when it ended well. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openSession } from '../../src/host/open.ts'
import type { HostSession, Lease, Owner } from '../../src/host/session.ts'
import { parseHostName } from '../../src/names.ts'
import type { Host } from '../../src/transport/transport.ts'
import { SIGNAL } from '../support/bundle.ts'
import { asSeen, describeInChroot } from '../support/files-only.ts'
import type { Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { FILES_ONLY, KINDS, ofShells, owner, startKind, type Kind } from './kinds.ts'

const options = { signal: SIGNAL }
const KEY = 'a1'
let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-once-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.for(KINDS.filter((kind) => !kind.programs))('$name', once)
describeOverSsh.for(KINDS.filter((kind) => kind.programs))('$name', once)
describeInChroot.for([FILES_ONLY])('$name', once)

function once({ name, programs, filesOnly, transport: own }: Kind): void {
  const itWithShell = ofShells(filesOnly)
  const itHere = ofShells(filesOnly === true || programs !== undefined)
  let fleet: Fleet | undefined
  let host: Host
  let session: HostSession
  let root = ''
  let turn = 0

  beforeAll(async () => void (fleet = await startKind({ programs, filesOnly }, dir)))
  afterAll(() => fleet?.dispose())
  beforeEach(async () => {
    turn += 1
    root = join(fleet?.hosts[0]?.root ?? join(dir, name), `it's ${turn}`)
    mkdirSync(root, { recursive: true })
    const transport = own ?? (fleet ? 'sftp' : 'local')
    const deployTo = fleet && filesOnly ? asSeen(fleet, root) : root
    host = { name: parseHostName('web1'), address: 'web1', roles: [], labels: {}, env: {}, deployTo, transport }
    session = await openSession(host, options)
    return () => session.close()
  })

  const lock = async (who: Owner = owner(), from?: Owner): Promise<Lease> => {
    const question = { leaseSeconds: 30, signal: SIGNAL, takeOver: from?.token }
    return (await session.lock(who, { sharedFiles: [] }, question)).lease
  }
  const append = (text: string): string[] => ['sh', '-c', `printf '%s\\n' "$1$WHAT" >>seen; echo said`, 'sh', text]
  const seen = (): string => (existsSync(join(root, 'seen')) ? readFileSync(join(root, 'seen'), 'utf8') : '')
  const done = async (): Promise<string[]> => [...(await session.probe({ sharedFiles: [] }, options)).done]

  it('remembers what was done elsewhere, until it is told to forget, for who holds the lock', async () => {
    const lease = await lock()
    await session.remember('here', lease, options)
    await session.remember(KEY, lease, options)
    expect((await done()).toSorted()).toEqual([KEY, 'here'])
    await session.forget(lease, options)
    expect(await done()).toEqual([])
    await session.forget(lease, options)
    await session.unlock(lease, options)
    await expect(session.remember(KEY, lease, options)).rejects.toThrow('lock')
    expect(await done()).toEqual([])
  })

  itWithShell(
    'does it once, with its environment, and says so in its state; and again when that is forgotten',
    async () => {
      const lease = await lock()
      const first = await session.runOnce(append("it's "), KEY, lease, { ...options, env: { WHAT: '$HOME' } })
      expect(first).toMatchObject({ code: 0, stdout: 'said\n' })
      expect(await done()).toEqual([KEY])
      expect(await session.runOnce(append('two'), KEY, lease, options)).toMatchObject({ code: 0, stdout: '' })
      expect(await session.runOnce(append('other'), 'b2', lease, options)).toMatchObject({ code: 0 })
      expect(seen()).toBe("it's $HOME\nother\n")
      await session.forget(lease, options)
      expect(await done()).toEqual([])
      await session.runOnce(append('again'), KEY, lease, options)
      expect(seen()).toBe("it's $HOME\nother\nagain\n")
      await session.unlock(lease, options)
      // Who holds no lock does nothing, and forgets nothing.
      await expect(session.runOnce(append('late'), 'c3', lease, options)).rejects.toThrow('lock')
      await expect(session.forget(lease, options)).rejects.toThrow('lock')
      expect(await done()).toEqual([KEY])
      expect(seen()).not.toContain('late')
    },
  )

  itWithShell('what failed, was ended, or is no program is not remembered', async () => {
    const lease = await lock()
    expect(await session.runOnce(['sh', '-c', 'exit 3'], KEY, lease, options)).toMatchObject({ code: 3 })
    // The name of a function of the script that runs it.
    expect(await session.runOnce(['say', 'x'], KEY, lease, options)).toMatchObject({ code: 127 })
    const late = await session.runOnce(['sleep', '20'], KEY, lease, { ...options, timeoutMs: 500 })
    expect(late).toMatchObject({ code: null, timedOut: true })
    expect(await done()).toEqual([])
    await session.runOnce(append('one'), KEY, lease, options)
    expect(seen()).toBe('one\n')
  })

  itWithShell('goes on when the client is gone; the next run waits for it, and does not do it again', async () => {
    const dead = owner()
    const lease = await lock(dead)
    const slow = ['sh', '-c', 'echo began >>seen; sleep 2; echo ended >>seen']
    const lost = session.runOnce(slow, KEY, lease, options).catch(() => undefined)
    while (!seen().includes('began')) await sleep(50)
    await session.close()
    session = await openSession(host, options)
    const next = await lock(owner(), dead)
    expect(seen()).toBe('began\n')
    expect(await session.runOnce(slow, KEY, next, options)).toMatchObject({ code: 0, stdout: '' })
    expect(seen()).toBe('began\nended\n')
    await lost
  })

  itHere('what ends well between the two looks of who waits for it is not done again', async () => {
    const lease = await lock()
    const mark = join(root, '.ship/once', KEY)
    const folder = mkdtempSync(join(dir, 'programs-'))
    const path = process.env['PATH']
    mkdirSync(join(root, '.ship/once'))
    // The look for the process is a program; what it looks for ends just before.
    writeFileSync(mark, `began ${process.pid} 0\n`)
    writeFileSync(join(folder, 'sed'), `#!/bin/sh\necho done >"${mark}"\nexec /usr/bin/sed "$@"\n`, { mode: 0o755 })
    process.env['PATH'] = `${folder}:${path}`
    try {
      expect(await session.runOnce(append('again'), KEY, lease, options)).toMatchObject({ code: 0, stdout: '' })
    } finally {
      process.env['PATH'] = path
    }
    expect(seen()).toBe('')
  })
}

/** A host that goes back by itself, under each shell: when nobody is in charge, and only then; and what it leaves behind. */
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
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openSession } from '../../src/host/open.ts'
import type { HistoryLine, HostSession, Lease, Owner } from '../../src/host/session.ts'
import type { WayBack } from '../../src/host/way-back.ts'
import { parseHostName } from '../../src/names.ts'
import type { Host } from '../../src/transport/transport.ts'
import { parseVersion } from '../../src/version.ts'
import { SIGNAL } from '../support/bundle.ts'
import type { Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { KINDS, owner, record, startKind, type Kind } from './kinds.ts'

const options = { signal: SIGNAL }
const NEW = parseVersion('1.1.0')
const SCRIPTS = join(import.meta.dirname, '../../src/host/shell/scripts')

let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-guard-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.for(KINDS.filter((kind) => !kind.programs))('$name', guard)
describeOverSsh.for(KINDS.filter((kind) => kind.programs))('$name', guard)

it.skipIf(!existsSync('/usr/bin/shellcheck'))('the scripts please shellcheck', () => {
  for (const name of ['arm', 'hold', 'guard']) {
    const text = ['prelude', name].map((part) => readFileSync(join(SCRIPTS, `${part}.sh`), 'utf8')).join('\n')
    // Functions of the prelude that a script does not use, and text for another shell, are meant.
    const args = ['-s', 'sh', '-S', 'warning', '-e', 'SC2209', '-']
    expect(execFileSync('shellcheck', args, { input: text, encoding: 'utf8' })).toBe('')
  }
})

function line(note: string): HistoryLine {
  return {
    schema: 1,
    at: '2026-01-01T00:00:00Z',
    run: 'r1',
    by: 'me@here',
    action: 'put-back',
    version: NEW,
    from: '1.0.0',
    outcome: 'failed',
    note,
  }
}

function guard({ name, programs }: Kind): void {
  let fleet: Fleet | undefined
  let host: Host
  let session: HostSession
  let root = ''
  let turn = 0

  beforeAll(async () => void (fleet = await startKind({ programs }, dir)))
  afterAll(() => fleet?.dispose())
  beforeEach(async () => {
    turn += 1
    root = join(fleet?.hosts[0]?.root ?? join(dir, name), `it's ${turn}`)
    for (const version of ['1.0.0', NEW]) mkdirSync(join(root, 'releases', version), { recursive: true })
    symlinkSync('releases/1.0.0', join(root, 'current'))
    const transport = fleet ? 'sftp' : 'local'
    host = { name: parseHostName('web1'), address: 'web1', roles: [], labels: {}, env: {}, deployTo: root, transport }
    session = await openSession(host, options)
    return () => session.close()
  })

  const lock = async (who: Owner = owner(), from?: Lease): Promise<Lease> => {
    const question = { leaseSeconds: 30, signal: SIGNAL, takeOver: from?.token }
    return (await session.lock(who, { sharedFiles: [] }, question)).lease
  }
  const wayBack = (more: Partial<WayBack> = {}): WayBack => ({
    afterMs: 1000,
    target: `releases/${NEW}`,
    back: 'releases/1.0.0',
    record: record(NEW, 'd'.repeat(64), { state: 'failed' }),
    history: line('well'),
    historyBadly: line('badly'),
    hooks: [],
    ...more,
  })
  const switchTo = (lease: Lease): Promise<void> =>
    session.switchTo(`releases/${NEW}`, lease, { signal: SIGNAL, expected: 'releases/1.0.0' })
  const live = (): string => readlinkSync(join(root, 'current'))
  const history = (): string[] => {
    const file = join(root, '.ship/history.ndjson')
    if (!existsSync(file)) return []
    return readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((one) => JSON.parse(one).note)
  }
  const locks = (): string[] => readdirSync(join(root, '.ship')).filter((one) => one.startsWith('lock'))
  /** Guards of this test, by the folder that they watch. */
  const guards = (): string[] =>
    readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0${root}\0`)
      } catch {
        return false
      }
    })
  const until = async (holds: () => boolean, what: string, limitMs = 12_000): Promise<void> => {
    for (const end = performance.now() + limitMs; !holds();) {
      if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
      await sleep(50)
    }
  }
  const over = (): Promise<void> =>
    until(() => locks().length === 0 && guards().length === 0, 'lock and guard are gone')

  it('goes back when nobody is there any more, runs the hooks, and says so', async () => {
    const lease = await lock()
    const seen = join(root, 'seen')
    const text = "it's\n$HOME `x` \\\n"
    const write = ['sh', '-c', 'printf "%s|%s|%s\\n" "$1" "$TOLD" "$(pwd -P)" >>"$2"', 'sh', text, seen]
    await session.arm(
      wayBack({
        hooks: [
          { argv: write, env: { TOLD: text }, timeoutMs: 5000 },
          { argv: ['sh', '-c', 'echo "[$TOLD]" >>"$1"', 'sh', seen], env: {}, timeoutMs: 5000 },
        ],
      }),
      lease,
      options,
    )
    await switchTo(lease)
    expect(guards()).not.toEqual([])
    // All connections with all that runs in them.
    onTestFinished(async () => fleet?.hosts[0]?.sshd.restart())
    if (fleet) await fleet.hosts[0]?.sshd.kill()
    await session.close()
    await over()
    expect(live()).toBe('releases/1.0.0')
    expect(readFileSync(seen, 'utf8')).toBe(`${text}|${text}|${join(root, 'releases/1.0.0')}\n[]\n`)
    expect(history()).toEqual(['well'])
    expect(JSON.parse(readFileSync(join(root, `.ship/releases/${NEW}.json`), 'utf8')).state).toBe('failed')
  })

  it('is told that somebody is there, and then does nothing, until a new connection ends it', async () => {
    const lease = await lock()
    await session.arm(wayBack(), lease, options)
    await switchTo(lease)
    await sleep(3500)
    expect({ live: live(), guards: guards().length > 0 }).toEqual({ live: `releases/${NEW}`, guards: true })
    const before = lease.token
    session = await session.renew(lease, options)
    expect(lease.token).not.toBe(before)
    await until(() => guards().length === 0, 'the guard is gone')
    expect(live()).toBe(`releases/${NEW}`)
    // The run goes on under its lock.
    await session.mark([], line('later'), lease, options)
    await session.unlock(lease, options)
    expect({ history: history(), locks: locks() }).toEqual({ history: ['later'], locks: [] })
  })

  it('ends when the run goes back by itself, gives its lock back, or another takes it over', async () => {
    const ends: ((lease: Lease) => Promise<unknown>)[] = [
      (lease) => session.fence(lease, options),
      (lease) => session.unlock(lease, options),
      (lease) => lock(owner({ run: 'r2' }), lease),
    ]
    await switchTo(await lock())
    rmSync(join(root, '.ship/lock'), { recursive: true })
    for (const end of ends) {
      const lease = await lock()
      await session.arm(wayBack({ afterMs: 5000 }), lease, options)
      await end(lease)
      await until(() => guards().length === 0, 'the guard is gone', 3000)
      rmSync(join(root, '.ship/lock'), { recursive: true, force: true })
    }
    expect({ live: live(), history: history() }).toEqual({ live: `releases/${NEW}`, history: [] })
  })

  it('leaves alone what is not what was switched to, and gives the lock back', async () => {
    const lease = await lock()
    await session.arm(wayBack(), lease, options)
    await session.close()
    await over()
    expect({ live: live(), history: history() }).toEqual({ live: 'releases/1.0.0', history: [] })
  })

  it('goes back to nothing after a first release, and stays when there is nothing to go back to', async () => {
    rmSync(join(root, 'current'))
    let lease = await lock()
    await session.arm(wayBack({ back: null }), lease, options)
    await session.switchTo(`releases/${NEW}`, lease, { signal: SIGNAL, expected: null })
    await session.close()
    await over()
    expect(lstatSync(join(root, 'current'), { throwIfNoEntry: false })).toBeUndefined()
    expect(history()).toEqual(['well'])
    session = await openSession(host, options)
    lease = await lock()
    await session.arm(wayBack(), lease, options)
    await session.switchTo(`releases/${NEW}`, lease, { signal: SIGNAL, expected: null })
    rmSync(join(root, 'releases/1.0.0'), { recursive: true })
    await session.close()
    await over()
    expect(live()).toBe(`releases/${NEW}`)
    expect(history()).toEqual(['well'])
  })

  it('says that a hook failed, or took too long, with all that it started; the next ones are not run', async () => {
    for (const [argv, timeoutMs] of [
      [['false'], 5000],
      [['sh', '-c', 'sleep 61 & sleep 61'], 1000],
    ] as const) {
      const lease = await lock()
      const seen = join(root, 'seen')
      const hooks = [
        { argv: [...argv], env: {}, timeoutMs },
        { argv: ['touch', seen], env: {}, timeoutMs: 1000 },
      ]
      await session.arm(wayBack({ hooks }), lease, options)
      await switchTo(lease)
      await session.close()
      await over()
      expect({ live: live(), history: history(), seen: existsSync(seen) }).toEqual({
        live: 'releases/1.0.0',
        history: ['badly'],
        seen: false,
      })
      rmSync(join(root, '.ship/history.ndjson'))
      session = await openSession(host, options)
    }
    expect(sleepers()).toEqual([])
  })

  it('is the one that a late new connection comes after', async () => {
    const lease = await lock()
    await session.arm(wayBack({ hooks: [{ argv: ['sleep', '2'], env: {}, timeoutMs: 9000 }] }), lease, options)
    await switchTo(lease)
    // Frozen: nothing is said, and nothing is closed.
    const other = await openSession(host, options)
    onTestFinished(() => other.close())
    await session.close()
    await until(() => live() === 'releases/1.0.0', 'it is back')
    const { lock: held } = await other.probe({ sharedFiles: [] }, options)
    expect(held).toMatchObject({
      owner: { run: 'r1', doing: 'put itself back', client: { host: 'web1', pid: 0 } },
      expired: false,
    })
    await expect(session.renew(lease, options)).rejects.toMatchObject({ reason: 'locked' })
    await over()
  })

  it('shows no setting of its hooks in any list of processes', async () => {
    const lease = await lock()
    const secret = `hush-${turn}-${name.length}`
    const hooks = [{ argv: ['true'], env: { TOKEN: secret }, timeoutMs: 1000 }]
    await session.arm(wayBack({ afterMs: 5000, hooks }), lease, options)
    const shown = readdirSync('/proc').filter((pid) => {
      try {
        return (
          /^\d+$/.test(pid) &&
          pid !== String(process.pid) &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(secret)
        )
      } catch {
        return false
      }
    })
    expect(shown).toEqual([])
    await session.unlock(lease, options)
    writeFileSync(join(root, 'done'), '')
  })
}

function sleepers(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') === ['sleep', '61', ''].join('\0')
    } catch {
      return false
    }
  })
}

/** A host goes back by itself when nobody reaches it anew after its switch; and the run says so, whatever is left of it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { ShipOptions } from '../support/cli.ts'
import type { Sshd } from '../support/sshd.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')
const SLOW = 300_000

let place: Place
let minor = 0
beforeAll(async () => {
  place = await makePlace(2)
  await configure()
  await next()
  await expectCode('release', 0)
}, SLOW)
afterAll(() => place.dispose())
afterEach(async () => {
  // A guard looks twice a second whether it is still needed.
  for (let tries = 0; guards().length > 0 && tries < 40; tries++) await sleep(50)
  expect(guards()).toEqual([])
  for (const dir of place.deployTo) expect(await leftovers(dir)).toEqual([])
})

/** Hooks write down what they were run for: "web1 release 1.1.0". */
function configure(release: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const hook = `echo "$SHIP_HOST $SHIP_ACTION $SHIP_VERSION" >>'${journal()}'`
  mkdirSync(out(), { recursive: true })
  const drain = {
    type: 'command',
    on: 'client',
    drain: 'touch "out/$SHIP_HOST"',
    undrain: 'rm -f "out/$SHIP_HOST"',
    allowEmpty: true,
  }
  const health = [{ exec: './run' }]
  return place.configure({ confirm: '5s', hooks: { afterSwitch: [hook] }, health, drain, ...release })
}

/** Holds the name of each host that is out of its balancer. */
function out(): string {
  return join(place.shop.dir, 'out')
}

function journal(): string {
  return join(place.fleet.dir, 'switches')
}

function switches(): string[] {
  return existsSync(journal()) ? readFileSync(journal(), 'utf8').trim().split('\n').toSorted() : []
}

/** Builds another version; `switches` begins anew. */
async function next(): Promise<string> {
  minor += 1
  await place.build(`1.${minor}.0`)
  return `1.${minor}.0`
}

async function expectCode(args: string, code: number, options: ShipOptions = {}) {
  const result = await place.ship(args, options)
  expect({ code: result.code, said: result.code === code ? '' : result.stderr + result.stdout }).toEqual({
    code,
    said: '',
  })
  return result
}

async function live(): Promise<string[]> {
  const found = await Promise.all(place.deployTo.map((dir) => runs(dir)))
  expect(found.every(({ whole }) => whole)).toBe(true)
  return found.map(({ version }) => version)
}

function guards(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return /^\d+$/.test(pid) && words[0] === 'sh' && place.deployTo.some((dir) => words.includes(dir))
    } catch {
      return false
    }
  })
}

function sshd(n: number): Sshd {
  const found = place.fleet.hosts[n - 1]?.sshd
  if (!found) throw new Error(`no host ${n}`)
  return found
}

/** Waits until a host runs a version. */
async function backTo(n: number, version: string): Promise<void> {
  for (const end = performance.now() + 30_000; ; await sleep(50)) {
    if (readlinkSync(join(place.deployTo[n - 1] ?? '', 'current')) === `releases/${version}`) return
    if (performance.now() > end) throw new Error(`web${n} did not go back to ${version}`)
  }
}

function journalOf(n: number): { action: string; outcome: string; note?: string }[] {
  const text = readFileSync(join(place.deployTo[n - 1] ?? '', '.ship/history.ndjson'), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

const GATE = '"event":"step.started","step":"gate","host":"web1"'

describeOverSsh('a release with confirm', () => {
  it('that every host can be reached after is released, however long its hooks take', { timeout: SLOW }, async () => {
    const version = await next()
    await configure({ hooks: { afterSwitch: ['sleep 7'] } })
    expect((await expectCode('plan', 0)).stdout).toContain('reached over a new connection within 5 s, else')
    const connections = (): number =>
      sshd(1)
        .log()
        .match(/Accepted publickey/g)?.length ?? 0
    const before = connections()
    await expectCode('release', 0)
    expect(connections() - before).toBe(2)
    expect(await live()).toEqual([version, version])
    await configure()
  })

  it('after which a host takes no new connection goes back while the old one holds', { timeout: SLOW }, async () => {
    const [old = ''] = await live()
    const version = await next()
    let done: Promise<void> | undefined
    const onSeen = (): void => void (done = sshd(1).refuse())
    const { stdout } = await expectCode('release --json', 6, { when: GATE, onSeen })
    await done
    const { error, hosts } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    expect(error).toMatchObject({
      host: 'web1',
      step: 'confirm',
      message: 'the host took no new connection for 5 s after its switch',
      state: 'all 2 switched hosts were put back and passed the gate again',
    })
    expect(hosts).toMatchObject([
      { host: 'web1', outcome: 'put-back', after: old },
      { outcome: 'put-back', after: old },
    ])
    expect(await live()).toEqual([old, old])
    expect(switches().filter((line) => line.includes(`put-back ${old}`))).toEqual([
      `web1 put-back ${old}`,
      `web2 put-back ${old}`,
    ])
    await sshd(1).restart()
    await expectCode(`release ${version}`, 0)
  })

  it(
    'after which a host is cut off: it goes back by itself, is gated, and that is what the run says',
    { timeout: SLOW },
    async () => {
      const [old = ''] = await live()
      await next()
      let done: Promise<void> | undefined
      const cutOff = async (): Promise<void> => {
        await sshd(1).kill()
        await backTo(1, old)
        await sshd(1).restart()
      }
      const onSeen = (): void => void (done = cutOff())
      const { stdout } = await expectCode('release --json', 6, { when: GATE, onSeen })
      await done
      const { error, hosts } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
      expect(error).toMatchObject({
        reason: 'put-back',
        state: 'all 2 switched hosts were put back and passed the gate again',
      })
      expect(hosts).toMatchObject([
        { host: 'web1', outcome: 'put-back', after: old, note: 'put itself back' },
        { host: 'web2', outcome: 'put-back', after: old },
      ])
      expect(await live()).toEqual([old, old])
      expect(switches().filter((line) => line === `web1 put-back ${old}`)).toHaveLength(1)
      expect(journalOf(1).at(-1)).toMatchObject({
        action: 'put-back',
        outcome: 'failed',
        note: 'heard nothing for 5 s and put itself back',
      })
    },
  )

  it('after which a host stays cut off: the run says what is known, exit 7', { timeout: SLOW }, async () => {
    const [old = ''] = await live()
    const version = await next()
    let done: Promise<void> | undefined
    const onSeen = (): void => void (done = sshd(1).kill())
    const { stdout } = await expectCode('release --json', 7, { when: GATE, onSeen })
    await done
    const { error, hosts } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    const note = `it was told to go back to ${old} by itself after 5 s without contact`
    expect(error).toMatchObject({
      reason: 'stranded',
      details: expect.arrayContaining([expect.stringContaining(note)]),
    })
    expect(hosts).toMatchObject([
      { host: 'web1', outcome: 'stranded' },
      { outcome: 'put-back', after: old },
    ])
    await backTo(1, old)
    await sshd(1).restart()
    expect(await live()).toEqual([old, old])
    await expectCode(`release ${version}`, 0)
  })

  it('that is frozen finds its hosts back, and never says that all is well', { timeout: SLOW }, async () => {
    const [old = ''] = await live()
    await next()
    let child: { kill(signal: NodeJS.Signals): void } | undefined
    const frozen = async (): Promise<void> => {
      child?.kill('SIGSTOP')
      await Promise.all([backTo(1, old), backTo(2, old)])
      child?.kill('SIGCONT')
    }
    let done: Promise<void> | undefined
    const onSeen = (): void => void (done = frozen())
    await expectCode('release --json', 6, { when: GATE, onSeen, onStart: (started) => (child = started) })
    await done
    expect(await live()).toEqual([old, old])
    expect(readdirSync(out())).toEqual([])
  })

  it(
    'that is killed after its switch leaves hosts that go back by themselves, and can be done again',
    { timeout: SLOW },
    async () => {
      const [old = ''] = await live()
      const version = await next()
      const env = { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: 'step.started confirm' }
      expect((await place.ship('release --json', { env })).signal).toBe('SIGKILL')
      expect(await live()).toEqual([version, version])
      await Promise.all([backTo(1, old), backTo(2, old)])
      for (let tries = 0; guards().length > 0 && tries < 100; tries++) await sleep(50)
      expect(await live()).toEqual([old, old])
      await expectCode('release', 0)
      expect(await live()).toEqual([version, version])
    },
  )

  it('that is killed is gone on with at once, and no host goes back then', { timeout: SLOW }, async () => {
    const version = await next()
    // A machine under load takes its time to start the next run.
    await configure({ confirm: '20s' })
    const env = { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: 'step.finished switch' }
    expect((await place.ship('release --json', { env })).signal).toBe('SIGKILL')
    expect(guards()).not.toEqual([])
    await expectCode('release', 0)
    for (let tries = 0; guards().length > 0 && tries < 40; tries++) await sleep(50)
    expect(guards()).toEqual([])
    expect(await live()).toEqual([version, version])
  })

  it('that meets a host which is putting itself back waits for it', { timeout: SLOW }, async () => {
    const [old = ''] = await live()
    const version = await next()
    await configure({ hooks: { afterSwitch: ['[ "$SHIP_ACTION" = release ] || sleep 4'] } })
    const env = { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: 'step.started gate' }
    expect((await place.ship('release --json', { env })).signal).toBe('SIGKILL')
    await Promise.all([backTo(1, old), backTo(2, old)])
    expect((await expectCode('release', 0)).stderr).toContain('puts itself back, for a run was not confirmed')
    expect(await live()).toEqual([version, version])
  })
})

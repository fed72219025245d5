/** Hooks over real SSH: where, when and how often they run, what they are told, and what they make of a run that fails. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { ShipOptions, ShipResult } from '../support/cli.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')
const ROLES = [['web'], ['web'], ['db']]
let place: Place
let cache = ''

beforeAll(async () => {
  place = await makePlace(3)
  cache = mkdtempSync(join(tmpdir(), 'ship-hooks-'))
})
afterAll(async () => {
  rmSync(cache, { recursive: true, force: true })
  await place.dispose()
})
beforeEach(() => place.fresh())

async function settings(release: Readonly<Record<string, unknown>>): Promise<void> {
  const hosts = place.fleet.hosts.map(({ name }, i) => ({ host: name, deployTo: place.deployTo[i], roles: ROLES[i] }))
  await place.configure(release, { environments: { production: { hosts } } })
}

async function ends(args: string, code: number | null, options: ShipOptions = {}): Promise<ShipResult> {
  const result = await place.ship(args, { ...options, env: { SHIP_CACHE_DIR: cache, ...options.env } })
  expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
  return result
}

async function killedAt(event: string): Promise<void> {
  const env = { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: event }
  const { signal, stdout } = await place.ship('release --json', { env: { SHIP_CACHE_DIR: cache, ...env } })
  expect(signal, stdout).toBe('SIGKILL')
}

async function live(): Promise<string[]> {
  return (await Promise.all(place.deployTo.map((dir) => runs(dir)))).map((found) => found.version)
}

/** A hook that leaves a line on its host, or with `local` in the project. */
function writes(text: string, more: Readonly<Record<string, unknown>> = {}): unknown {
  return { run: `printf '%s\\n' "${text}" >>"\${SHIP_DEPLOY_TO:-.}/seen"`, ...more }
}

/** Lines that hooks left since the last look, by host. */
function seen(): string[][] {
  return place.deployTo.map((dir) => taken(join(dir, 'seen')))
}

function taken(file: string): string[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  rmSync(file)
  return lines
}

const gate = (exec: string) => [{ exec, deadline: '400ms', interval: '100ms' }]

describeOverSsh('a health check', () => {
  const note = (word: string): string => `printf '%s\\n' ${word} >>"$SHIP_DEPLOY_TO/seen"`
  const hosts = (count: number): unknown[] =>
    place.fleet.hosts.slice(0, count).map(({ name }, i) => ({ host: name, deployTo: place.deployTo[i] }))

  it('is asked after the hooks behind the switch, of whatever kind', async () => {
    for (const local of [false, true]) {
      const hook = local ? { run: `printf '%s\\n' restart >>'${place.deployTo[0]}/seen'`, local } : note('restart')
      const production = { hosts: hosts(1), hooks: { afterSwitch: [hook] }, health: gate(note('check')) }
      await place.configure({}, { environments: { production } })
      await place.build(local ? '1.1.0' : '1.0.0')
      await ends('release -e production', 0)
      expect(seen()[0]).toEqual(['restart', 'check'])
    }
  })

  it('is asked once behind the switch where nothing stands between', async () => {
    await place.configure({}, { environments: { production: { hosts: hosts(1), health: gate(note('check')) } } })
    await place.build('1.0.0')
    const { stderr } = await ends('release -e production', 0)
    expect(stderr).toMatch(/gate +web1: ok exit 0/)
    expect(seen()[0]).toEqual(['check'])
  })

  it('is asked when every host of its wave has switched', async () => {
    const other = place.deployTo
      .slice(0, 2)
      .map((folder) => `test -e '${folder}/current'`)
      .join(' && ')
    const check = `if ${other}; then ${note('both')}; else ${note('early')}; fi`
    await place.configure({}, { environments: { production: { hosts: hosts(2), health: gate(check) } } })
    await place.build('1.0.0')
    await ends('release -e production', 0)
    expect(seen().slice(0, 2)).toEqual([['both'], ['both']])
  })
})

describeOverSsh('hooks run', () => {
  it('on the hosts and under the conditions that they name, and once', async () => {
    const MIGRATIONS = { changed: ['migrations/'] }
    await settings({
      hooks: {
        beforeStage: [
          writes('stage $SHIP_HOST $SHIP_ROLES $SHIP_PREVIOUS>$SHIP_VERSION'.replace('>', '-'), { when: 'first' }),
        ],
        beforeSwitch: [
          writes('migrate $SHIP_VERSION', { once: true, when: MIGRATIONS }),
          writes('db $SHIP_PREVIOUS-$SHIP_VERSION', { role: 'db' }),
          writes('path $SHIP_RELEASE_PATH', { role: 'db', when: 'first' }),
        ],
        afterSwitch: [
          writes('up $SHIP_ACTION', { once: true, when: 'upgrade' }),
          writes('down $SHIP_ACTION', { once: true, role: 'web', when: 'downgrade' }),
        ],
      },
    })
    mkdirSync(join(place.shop.dir, 'app/migrations'))
    await place.build('1.0.0', { 'migrations/1.sql': 'one\n' })
    expect((await ends('plan', 0)).stdout).toContain('(when migrations/ changed)')
    await ends('release', 0)
    const path = `path ${place.deployTo[2] ?? ''}/releases/1.0.0`
    expect(seen()).toEqual([
      ['stage web1 web -1.0.0', 'migrate 1.0.0'],
      ['stage web2 web -1.0.0'],
      ['stage web3 db -1.0.0', 'db -1.0.0', path],
    ])

    await place.build('1.1.0')
    await ends('release', 0)
    expect(seen()).toEqual([['up release'], [], ['db 1.0.0-1.1.0']])

    await place.build('1.2.0', { 'migrations/2.sql': 'two\n' })
    await ends('release', 0)
    expect(seen()).toEqual([['migrate 1.2.0', 'up release'], [], ['db 1.1.0-1.2.0']])

    await ends('rollback', 0)
    expect(seen()).toEqual([['migrate 1.1.0', 'down rollback'], [], ['db 1.2.0-1.1.0']])
  })

  it('on this machine, once for all hosts, in the folder of the project', async () => {
    const local = (point: string, more = {}): unknown =>
      writes(`${point} $SHIP_ACTION $SHIP_HOSTS $SHIP_PREVIOUS-$SHIP_VERSION`, { local: true, ...more })
    const points = ['beforeStage', 'beforeSwitch', 'afterSwitch', 'afterVerify', 'onFailure']
    await settings({
      strategy: 'rolling',
      hooks: Object.fromEntries(points.map((point) => [point, [local(point)]])),
      health: gate('! grep -q 1.1.0 VERSION'),
    })
    const here = (): string[] => taken(join(place.shop.dir, 'seen'))
    await place.build('1.0.0')
    const { stdout } = await ends('plan', 0)
    expect(stdout).toMatch(/hook +beforeStage: .*on this machine/)
    expect(here()).toEqual([])
    await ends('release', 0)
    const all = 'release web1,web2,web3'
    expect(here()).toEqual(points.slice(0, 4).map((point) => `${point} ${all} -1.0.0`))
    expect(seen()).toEqual([[], [], []])

    await place.build('1.1.0')
    await ends('release', 6)
    expect(here()).toEqual([
      `beforeStage ${all} 1.0.0-1.1.0`,
      `beforeSwitch ${all} 1.0.0-1.1.0`,
      'afterSwitch put-back web1 1.1.0-1.0.0',
      'onFailure put-back web1,web2,web3 1.1.0-1.0.0',
    ])

    await settings({ hooks: { beforeSwitch: [{ run: ['no-such-program'], local: true }] } })
    const { stderr } = await ends('release', 5)
    expect(stderr).toContain('no-such-program')
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })

  it('not again when a run that died is gone on with, even in the middle of one', async () => {
    const slow = 'echo began >>"$SHIP_DEPLOY_TO/seen"; sleep 2; echo ended >>"$SHIP_DEPLOY_TO/seen"'
    const steps = [writes('again'), { run: slow, once: true }, writes('after', { once: true, role: 'db' })]
    await settings({ hooks: { beforeSwitch: [...steps, writes('here', { local: true })] } })
    await place.build('1.0.0')
    const file = join(place.deployTo[0] ?? '', 'seen')
    const kill = async (pid: number): Promise<void> => {
      while (!existsSync(file) || !readFileSync(file, 'utf8').includes('began')) await sleep(50)
      process.kill(pid, 'SIGKILL')
    }
    const onStart = ({ pid }: { readonly pid: number }): void => void kill(pid)
    await place.ship('release', { env: { SHIP_CACHE_DIR: cache }, onStart })
    expect(readFileSync(file, 'utf8')).not.toContain('ended')
    await killedAt('step.started switch')
    const { stderr } = await ends('release', 0)
    expect(stderr).toContain('done by the run before')
    // What is to run on every host every time does; what is to run once did.
    const [first = [], , third = []] = seen()
    expect(first.filter((line) => line === 'began' || line === 'ended')).toEqual(['began', 'ended'])
    expect(first.filter((line) => line === 'again')).toHaveLength(3)
    expect(third.filter((line) => line === 'after')).toHaveLength(1)
    expect(taken(join(place.shop.dir, 'seen'))).toEqual(['here'])
    for (const dir of place.deployTo) {
      expect(await leftovers(dir)).toEqual([])
      expect(existsSync(join(dir, '.ship/once'))).toBe(false)
    }
  })

  it('again when the release was put back, for what they did may have been taken back', async () => {
    await settings({ hooks: { beforeSwitch: [writes('once', { once: true })] } })
    await place.build('1.0.0')
    await ends('release', 0)
    await place.build('1.1.0')
    await settings({ hooks: { beforeSwitch: [writes('once', { once: true })] }, health: gate('grep -q 1.0.0 VERSION') })
    await ends('release', 6)
    await ends('release', 6)
    expect(seen()).toEqual([['once', 'once', 'once'], [], []])
  })

  it('onFailure: after the way back, told what came of it, and changing nothing', async () => {
    const told = '$SHIP_OUTCOME, runs $SHIP_RUNS, $SHIP_STEP'
    const onFailure = [writes(told), 'exit 7']
    await settings({ hooks: { onFailure } })
    await place.build('1.0.0')
    await ends('release', 0)
    await place.build('1.1.0')
    await settings({ strategy: 'rolling', hooks: { onFailure }, health: gate('grep -q 1.0.0 VERSION') })
    const { stderr } = await ends('release', 6)
    expect(stderr).toContain('onFailure hook "exit 7" ended with exit code 7')
    expect(seen()).toEqual([
      ['put-back, runs 1.0.0, gate'],
      ['not-switched, runs 1.0.0, gate'],
      ['not-switched, runs 1.0.0, gate'],
    ])
    await settings({ hooks: { onFailure, beforeSwitch: ['[ "$SHIP_HOST" != web2 ]'] } })
    await ends('release', 5)
    expect(seen()[0]).toEqual(['not-switched, runs 1.0.0, beforeSwitch'])
  })

  it('only as they may be written', async () => {
    const refused = async (hooks: unknown, said: string): Promise<void> => {
      await settings({ hooks })
      const { stderr } = await ends('plan', 2)
      expect(stderr).toContain(said)
    }
    const run = 'true'
    await refused({ afterSwitch: [{ run, pointOfNoReturn: true }] }, 'is for beforeStage and beforeSwitch')
    await refused({ afterSwitch: [{ run, local: true, once: true }] }, 'says nothing of a local hook')
    await refused({ afterSwitch: [{ run, when: 'never' }] }, 'use "first", "upgrade", "downgrade"')
    await refused({ afterSwitch: [{ run, wen: 'first' }] }, 'did you mean "when"?')
  })
})

describeOverSsh('a point of no return', () => {
  const MIGRATE = { run: 'sh migrate', once: true, pointOfNoReturn: true, when: { changed: ['migrate'] } }
  const HEALTHY = '[ ! -e ../../bad ]'
  const bad = (): string => join(place.deployTo[1] ?? '', 'bad')
  const migrate = (what: string) => ({ migrate: `echo ${what} >>"$SHIP_DEPLOY_TO/seen"\n` })

  it('is not gone back behind by itself; the same command goes on, and a person may insist', async () => {
    const release = { strategy: 'rolling', hooks: { beforeSwitch: [MIGRATE] } }
    await settings(release)
    await place.build('1.0.0')
    await ends('release', 0)
    await place.build('1.1.0', migrate('one'))
    await settings({ ...release, health: gate(HEALTHY) })
    expect((await ends('plan', 0)).stdout).toContain('sh migrate (when migrate changed; point of no return)')
    writeFileSync(bad(), '')
    // That one may fail does not mean that one may go back there.
    const stuck = await ends('release --max-failed 1', 7)
    expect(stuck.stderr).toContain('hook "sh migrate" of 1.1.0 did what cannot be taken back')
    for (const host of ['web1', 'web2']) expect(stuck.stderr).toContain(`${host} runs 1.1.0: left as it is`)
    expect(stuck.stderr).toContain('ship rollback --force')
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.0.0'])

    // Still not healthy: neither does going on lead back.
    await ends('release', 7)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.0.0'])
    rmSync(bad())
    await ends('release', 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
    expect(seen()).toEqual([['one'], [], []])
    expect((await ends('history', 0)).stdout).toContain('point of no return: sh migrate')

    // A release on top without a migration is put back as ever, and does not hide what lies below it.
    await place.build('1.2.0')
    writeFileSync(bad(), '')
    await settings({ hooks: { beforeSwitch: [MIGRATE] }, health: gate(`${HEALTHY} || grep -q 1.1.0 VERSION`) })
    await ends('release', 6)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
    rmSync(bad())
    await ends('release', 0)
    expect(seen()).toEqual([[], [], []])
    expect((await ends('rollback 1.0.0', 9)).stderr).toContain('behind the point of no return of 1.1.0')
    await ends('rollback', 0)

    const refused = await ends('rollback 1.0.0', 9)
    expect(refused.stderr).toContain('1.0.0 lies behind the point of no return of 1.1.0')
    expect(refused.stderr).toContain('hook "sh migrate" of 1.1.0')
    expect(refused.stderr).toContain('ship rollback 1.0.0 --force -e production')
    expect((await ends('release 1.0.0 --allow-downgrade', 9)).stderr).toContain(
      'behind the point of no return of 1.1.0',
    )
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
    const insisted = await ends('rollback 1.0.0 --force', 0)
    expect(insisted.stderr).toContain('goes back all the same: hook "sh migrate" of 1.1.0')
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })

  it('leaves in its balancers who is healthy, and out who is not', async () => {
    const out = join(place.shop.dir, 'out')
    mkdirSync(out)
    const drain = { type: 'command', on: 'client', drain: 'touch "out/$SHIP_HOST"', undrain: 'rm -f "out/$SHIP_HOST"' }
    const release = { drain: { ...drain, allowEmpty: true }, hooks: { beforeSwitch: [MIGRATE] } }
    await settings(release)
    await place.build('1.0.0')
    await ends('release', 0)
    await place.build('1.1.0', migrate('one'))
    await settings({ ...release, health: gate('[ "$SHIP_HOST" != web2 ]') })
    const { stderr } = await ends('release', 7)
    expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
    expect(readdirSync(out)).toEqual(['web2'])
    expect(stderr).toMatch(/web2 runs 1\.1\.0: left as it is.*it stays drained/)
    expect(stderr).toMatch(/web1 runs 1\.1\.0: left as it is, behind a point of no return\n/)
  })

  it('is gone back behind when the configuration says so, and a failure before any switch is none', async () => {
    await settings({})
    await place.build('1.0.0')
    await ends('release', 0)
    await place.build('1.1.0', migrate('one'))
    const hooks = { beforeSwitch: [MIGRATE] }
    await settings({ hooks: { beforeSwitch: [MIGRATE, 'false'] } })
    await ends('release', 5)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    await settings({ hooks, returnAnyway: true, health: gate('grep -q 1.0.0 VERSION') })
    await ends('release', 6)
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    // Done by the run that stopped before its switch, which this one went on with.
    expect(seen()).toEqual([['one'], [], []])
  })
})

describeOverSsh('a release that fails', () => {
  it('tells the ends of logs and the units, as they were before the way back', async () => {
    const log = `printf 'line %s\\n' 1 2 3 >log/app.log; printf '\\033[31m%s %s\\n' "$SHIP_ACTION" "$SHIP_VERSION" >>log/app.log`
    const release = {
      shared: { dirs: ['log'] },
      hooks: { afterSwitch: [log] },
      logs: [{ file: 'log/app.log', lines: 2 }, 'log/nowhere.log', { unit: 'shop' }],
    }
    // No systemd runs here: these are plainly fakes, found on the PATH of the hosts.
    const fakes = join(place.shop.dir, 'fakes')
    mkdirSync(fakes)
    writeFileSync(join(fakes, 'journalctl'), '#!/bin/sh\necho "journal of $*"\n', { mode: 0o755 })
    const state = 'LoadState=loaded\\nActiveState=failed\\nSubState=failed\\nNRestarts=5\\nResult=exit-code\\n'
    const systemctl = `#!/bin/sh\n[ "$1" = show ] && printf '${state}' || echo "status of $*"\n`
    writeFileSync(join(fakes, 'systemctl'), systemctl, { mode: 0o755 })
    const env = { PATH: `${fakes}:/usr/bin:/bin` }
    const hosts = place.fleet.hosts.map(({ name }, i) => ({ host: name, deployTo: place.deployTo[i], env }))
    const configure = (health: unknown) =>
      place.configure({ ...release, health }, { environments: { production: { hosts } } })
    await configure([])
    await place.build('1.0.0')
    await ends('release', 0)
    await place.build('1.1.0')
    // The fake says the same of every release, so the one before does not pass either.
    await configure([
      { exec: 'grep -q 1.0.0 VERSION', deadline: '20s', interval: '100ms' },
      { systemd: 'shop.service', deadline: '300ms', interval: '100ms' },
    ])
    const { stderr } = await ends('release', 7)
    expect(stderr).toContain('gate: systemd shop.service is active (running) and is not restarting')
    expect(stderr).toContain('failed (failed): exit-code, restarted 5 times')
    expect(stderr).toContain('web1, web2, web3: journal of shop:\n    journal of --no-pager -o short-iso -n 20 -u shop')
    expect(stderr).toContain(
      'systemctl status shop.service:\n    status of status --no-pager --lines=20 -- shop.service',
    )
    expect(stderr).toContain('web1, web2, web3: last lines of log/app.log:')
    expect(stderr).toContain('line 3')
    expect(stderr).not.toContain('line 2')
    expect(stderr).toContain('\\x1b[31mrelease 1.1.0')
    expect(stderr).not.toContain('put-back 1.0.0')
    expect(stderr).toContain('web1, web2, web3: last lines of log/nowhere.log:\n    there is no such file')
    expect(stderr).toContain('gate: exec grep -q 1.0.0 VERSION')
    const file = /all that was seen is kept in (\S+)/.exec(stderr)?.[1] ?? ''
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const kept = readFileSync(file, 'utf8')
    expect(kept).toContain('release of shop 1.1.0 to production')
    expect(kept).toContain('after 0.0 s: exit 1')
    expect(kept).toContain('\\x1b[31mrelease 1.1.0')
    expect(await live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
  })
})

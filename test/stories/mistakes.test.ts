/**
 * Ten mistakes that people make: what they read is enough to go on. Each message names what is wrong, where, and the next command, and holds
 * no stack; the same stands in JSON.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { runs } from './shop.ts'

let place: Place
beforeAll(async () => void (place = await makePlace(2)))
afterAll(() => place.dispose())
beforeEach(() => place.fresh())

interface Told {
  readonly reason: string
  readonly message: string
  readonly host?: string
  readonly state?: string
  readonly details?: readonly string[]
  readonly next: readonly string[]
}

/** Runs a command that fails; what people read, and the same as data, which must not differ. */
async function mistake(
  args: string,
  code: number,
  env: Record<string, string> = {},
): Promise<{ stderr: string; told: Told }> {
  const people = await place.ship(args, { env })
  expect({ code: people.code, said: people.code === code ? '' : people.stdout + people.stderr }).toEqual({
    code,
    said: '',
  })
  const machine = await place.ship(`${args} --json`, { env })
  expect(machine.code).toBe(code)
  const { error } = JSON.parse(machine.stdout.trim().split('\n').at(-1) ?? '') as { error: Told }
  expect(people.stderr).toContain(error.message)
  for (const line of error.next) expect(people.stderr).toContain(line)
  expect(people.stderr).not.toMatch(/^\s+at .*\.ts:\d+/m)
  expect(people.stderr).not.toContain('\u001b')
  expect(error.next.length).toBeGreaterThan(0)
  return { stderr: people.stderr, told: error }
}

describeOverSsh('a mistake is told well enough to go on', () => {
  it('1: a typo in a key', async () => {
    await place.configure({ helath: [] })
    const { told } = await mistake('release', 2)
    expect(`${told.message} ${(told.details ?? []).join(' ')}`).toMatch(/ship\.config\.json:\d+:\d+.*helath.*health/s)
  })

  it('2: the wrong environment', async () => {
    const { told } = await mistake('release -e producton', 2)
    expect(told.message).toBe('there is no environment "producton"; did you mean "production"?')
    expect(told.next).toEqual(['known: production'])
  })

  it('3: the key is missing', async () => {
    await place.build('1.0.0')
    const config = join(place.fleet.dir, 'no_key_config')
    writeFileSync(
      config,
      readFileSync(place.fleet.sshConfigFile, 'utf8').replaceAll(/IdentityFile .*/g, 'IdentityFile /nowhere/id_x'),
    )
    const { told, stderr } = await mistake('release', 4, { SHIP_SSH_CONFIG: config })
    // One block for both hosts, whatever their addresses.
    expect(told).toMatchObject({ reason: 'auth', host: 'web1, web2', state: 'nothing was changed on any host' })
    expect(told.details?.filter((line) => line.includes('/nowhere/id_x'))).toHaveLength(1)
    expect(stderr).toContain('/nowhere/id_x')
    expect(told.next.join('\n')).toMatch(/ssh -p \d+ \S+ true/)
    expect(told.next.join('\n')).toContain('authorized_keys')
  })

  it('4: nothing was built', async () => {
    const { told } = await mistake('release', 2)
    expect(told.message).toContain('shop was not built yet')
    expect(told.next).toEqual(['ship build'])
  })

  it('5: sources that are not committed', async () => {
    await place.configure({}, { build: { from: 'app', dirty: 'refuse' } })
    await place.shop.write('1.0.0')
    const git = (...args: readonly string[]): unknown =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
        cwd: place.shop.dir,
        stdio: 'ignore',
      })
    git('init', '-q')
    git('add', '-A')
    git('commit', '-q', '-m', 'one')
    writeFileSync(join(place.shop.dir, 'app/VERSION'), 'changed\n')
    const { told } = await mistake('build', 9)
    expect(told.details?.join('\n')).toContain('app/VERSION')
    expect(told.next.join('\n')).toContain('--allow-dirty')
    expect(told.state).toContain('nothing was built')
  })

  it('6: a host is down', async () => {
    await place.build('1.0.0')
    const [host] = place.fleet.hosts
    await host?.sshd.stop()
    try {
      const { told } = await mistake('release', 4)
      expect(told).toMatchObject({ reason: 'unreachable', host: 'web1', state: 'nothing was changed on any host' })
      expect(told.message).toContain(`${host?.port}`)
      expect(told.next.join('\n')).toMatch(/ssh|maxUnreachable|--hosts/)
    } finally {
      await host?.sshd.restart()
    }
  })

  it('7: a host whose key nobody compared', async () => {
    await place.build('1.0.0')
    const config = join(place.fleet.dir, 'no_hosts_config')
    const empty = join(place.fleet.dir, 'empty_known_hosts')
    writeFileSync(empty, '')
    writeFileSync(config, readFileSync(place.fleet.sshConfigFile, 'utf8').replaceAll(place.fleet.knownHostsFile, empty))
    const { told, stderr } = await mistake('release --hosts web1', 4, { SHIP_SSH_CONFIG: config })
    expect(told).toMatchObject({ reason: 'host-key', state: 'nothing was changed on any host' })
    expect(told.message).toContain('is not known')
    expect(stderr).toMatch(/SHA256:[\w+/]{43}/)
    expect(stderr).toContain(empty)
    expect(told.next.join('\n')).toContain('ship trust')
  })

  it('8: a disk is full', async () => {
    await place.build('1.0.0')
    const bin = join(place.fleet.dir, 'full')
    mkdirSync(bin, { recursive: true })
    const fakes = { df: 'echo Filesystem\necho "/dev/fake 100 100 0 100% /"', stat: 'echo 100 0 4096 100 100' }
    for (const [name, text] of Object.entries(fakes)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
      chmodSync(join(bin, name), 0o755)
    }
    const [host] = place.fleet.hosts
    await host?.sshd.restart({ config: [`SetEnv PATH=${bin}:/usr/bin:/bin SHLVL=2`] })
    try {
      const { told } = await mistake('release', 5)
      expect(told).toMatchObject({ host: 'web1', state: 'nothing was changed on any host' })
      expect(told.message).toMatch(/not enough disk space: [\d.]+ \S+ needed, 0 B free/)
      expect(told.next.join('\n')).toContain('ship prune')
      for (const dir of place.deployTo) expect(existsSync(join(dir, 'current'))).toBe(false)
    } finally {
      await host?.sshd.restart({ config: ['SetEnv SHLVL=2'] })
    }
  })

  it('9: a health check fails', async () => {
    await place.configure({
      health: [{ exec: 'echo "no database"; test ! -e broken', deadline: '2s' }],
      logs: ['app.log'],
    })
    await place.build('1.0.0')
    await place.ship('release')
    await place.build('1.1.0', { broken: '', 'app.log': 'cannot connect to db:5432\n' })
    const { told, stderr } = await mistake('release', 6)
    expect(told).toMatchObject({ reason: 'put-back', step: 'gate' })
    expect(told.message).toContain('no database')
    expect(told.state).toContain('put back and passed the gate again')
    expect(stderr).toContain('cannot connect to db:5432')
    expect(stderr).toMatch(/ {2}log: {3}\/.*release.*\.run\.log/)
    const [, log = ''] = / {2}log: {3}(.*)/.exec(stderr) ?? []
    expect(readFileSync(log, 'utf8')).toMatch(/gate web[12]: failed after .*no database/)
    expect(told.next.join('\n')).toContain('ship ')
    for (const dir of place.deployTo) expect((await runs(dir)).version).toBe('1.0.0')
  })

  it('10: somebody else is at it', async () => {
    const entered = join(place.fleet.dir, 'entered')
    const go = join(place.fleet.dir, 'go')
    rmSync(entered, { force: true })
    await place.configure({
      hooks: { beforeSwitch: [`touch '${entered}'; while [ ! -e '${go}' ]; do sleep 0.1; done`] },
    })
    await place.build('1.0.0')
    const first = place.ship('release', { env: { GITHUB_ACTOR: 'ada' } })
    while (!existsSync(entered)) await new Promise((resolve) => setTimeout(resolve, 50))
    try {
      const { told, stderr } = await mistake('release', 8)
      expect(told.reason).toBe('locked')
      expect(stderr).toContain('ada')
      expect(stderr).toContain('release 1.0.0')
      expect(told.next.join('\n')).toMatch(/ship (status|unlock)/)
    } finally {
      mkdirSync(dirname(go), { recursive: true })
      writeFileSync(go, '')
      expect((await first).code).toBe(0)
    }
  })
})

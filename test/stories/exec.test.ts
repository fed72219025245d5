/** Commands and tasks on the hosts, by the command line over real SSH: what is shown, what is told at the end, and with which exit code. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'

let place: Place
beforeAll(async () => void (place = await makePlace(3)))
afterAll(() => place.dispose())
beforeEach(async () => {
  await place.fresh()
  for (const dir of place.deployTo) mkdirSync(join(dir, 'current'), { recursive: true })
})

interface Told {
  readonly exitCode: number
  readonly error?: { readonly reason: string; readonly message: string; readonly host?: string }
  readonly data: {
    readonly hosts: readonly { host: string; outcome: string; code?: number; stdout: string; stderr: string }[]
    readonly tasks: readonly {
      task: string
      skipped?: string
      hosts: readonly { host: string; outcome: string; stdout: string; note?: string }[]
    }[]
  }
}

async function json(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Told> {
  const { stdout } = await place.ship(['--json', ...args], { env })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Told
}

/** Processes of this machine whose command line holds a word. */
function processes(word: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(word)
    } catch {
      return false
    }
  })
}

/** The configuration as a module, for tasks that are functions. */
async function configureModule(tasks: string): Promise<void> {
  const config = JSON.parse(readFileSync(join(place.shop.dir, 'ship.config.json'), 'utf8')) as object
  const { rm } = await import('node:fs/promises')
  await rm(join(place.shop.dir, 'ship.config.json'))
  writeFileSync(
    join(place.shop.dir, 'ship.config.mjs'),
    `export default { ...${JSON.stringify(config)}, tasks: ${tasks} }\n`,
  )
}

describeOverSsh('ship exec', () => {
  it('shows output as it comes with its host, and tells equal results once', async () => {
    const text = '[ "$SHIP_HOST" = web2 ] && echo other || echo same; echo "in $(basename "$PWD")"'
    const { code, stdout, stderr } = await place.ship(['exec', '--', text])
    expect(code).toBe(0)
    expect(stdout.replaceAll(/ \([\d.]+ m?s\)/g, '')).toBe(
      ['web1, web3: ok', '  same', '  in current', 'web2: ok', '  other', '  in current', ''].join('\n'),
    )
    expect(stderr).toMatch(/^exec +web2: \| other$/m)
    const quiet = await place.ship(['exec', '-q', '--', 'printf', '<%s>', '$HOME', 'a  b', "it's", ''])
    expect(quiet.stdout).toMatch(/^all 3 hosts: ok.*\n {2}<\$HOME><a {2}b><it's><>\n$/)
    expect(quiet.stderr).toBe('')
  })

  it('ends with 5 when a host failed, and the others are told all the same', async () => {
    const told = await json(['exec', '--', '[ "$SHIP_HOST" != web3 ] || { echo why >&2; exit 7; }; echo fine'])
    expect(told).toMatchObject({ exitCode: 5, error: { reason: 'not-switched', host: 'web3' } })
    expect(told.error?.message).toContain('ended with exit code 7')
    expect(told.data.hosts).toMatchObject([
      { host: 'web1', outcome: 'ok', code: 0, stdout: 'fine\n' },
      { host: 'web2', outcome: 'ok', stdout: 'fine\n' },
      { host: 'web3', outcome: 'failed', code: 7, stdout: '', stderr: 'why\n' },
    ])
    const missing = await place.ship(['exec', '--', 'no-such-program', '-x'])
    expect([missing.code, missing.stderr]).toEqual([
      5,
      expect.stringContaining('there is no command "no-such-program"'),
    ])
    const folder = await place.ship(['exec', '--in', 'none', '--', 'true'])
    expect([folder.code, folder.stderr]).toEqual([5, expect.stringMatching(/the folder ".*\/none" does not exist/)])
    const late = await place.ship(['exec', '--timeout', '1s', '--', 'sleep', '300'])
    expect([late.code, late.stderr]).toEqual([5, expect.stringContaining('was still running after 1 s and was ended')])
  })

  it('ends with 4 when a host is not reached, after the others have answered', async () => {
    const [, second] = place.fleet.hosts
    await second?.sshd.kill()
    const told = await json(['exec', '--', 'echo', 'here'])
    await second?.sshd.restart()
    expect(told).toMatchObject({ exitCode: 4, error: { reason: 'unreachable', host: 'web2' } })
    expect(told.data.hosts.map((host) => host.outcome)).toEqual(['ok', 'failed', 'ok'])
  })

  it('goes to the chosen hosts, one after the other until one fails', async () => {
    const chosen = await json(['exec', '--hosts', 'web1,web3', '--', 'true'])
    expect(chosen.data.hosts.map((host) => host.host)).toEqual(['web1', 'web3'])
    const serial = await json(['exec', '--at-once', '1', '--', '[ "$SHIP_HOST" != web2 ]'])
    expect(serial.data.hosts.map((host) => host.outcome)).toEqual(['ok', 'failed', 'skipped'])
  })

  it('runs in the login folder where there is no release', async () => {
    const { rm } = await import('node:fs/promises')
    await rm(join(place.deployTo[0] ?? '', 'current'), { recursive: true })
    const { data } = await json(['exec', '--hosts', 'web1', '--', '[ "$PWD" = "$HOME" ] && echo home'])
    expect(data.hosts[0]?.stdout).toBe('home\n')
  })

  it('ends what runs on the hosts on Ctrl-C', async () => {
    const mark = `3${process.pid}.25`
    const result = await place.ship(['exec', '--', `echo started; sleep ${mark} & sleep ${mark}`], {
      when: 'web3: | started',
      signal: 'SIGINT',
    })
    expect(result.code).toBe(130)
    expect(result.stderr).toContain('what still ran was ended')
    expect(processes(mark)).toEqual([])
  })

  it('tells that a connection was lost, and that nobody knows how far it got', async () => {
    const [first] = place.fleet.hosts
    const result = await place.ship(['exec', '--hosts', 'web1', '--', 'echo started; sleep 300'], {
      when: 'web1: | started',
      onSeen: () => void first?.sshd.cut(),
    })
    expect(result.code).toBe(4)
    expect(result.stderr).toContain('the connection was lost')
    expect(result.stderr).toContain('nobody knows how far')
  })

  it('works with 50 hosts, and no more connections than it may have', async () => {
    const [first] = place.fleet.hosts
    if (!first) throw new Error('no host')
    const config = join(place.shop.dir, 'fifty')
    const alias = `Host h*\n  HostName ${first.address}\n  Port ${first.port}\n  User ${first.user}\n`
    writeFileSync(config, `${alias}${readFileSync(place.fleet.sshConfigFile, 'utf8')}`)
    const deployTo = join(first.root, 'fifty')
    mkdirSync(join(deployTo, 'current'), { recursive: true })
    await place.shop.configure({
      name: 'shop',
      environments: { production: { hosts: [{ host: 'h[01:50]', deployTo }] } },
    })
    const before = first.sshd.log().length
    // Each host is the same folder: what is there at the same time was running at the same time.
    const text = 'touch "on.$SHIP_HOST"; sleep 0.2; ls | wc -l; rm "on.$SHIP_HOST"'
    const told = await json(['exec', '--at-once', '6', '--', text], { SHIP_SSH_CONFIG: config })
    expect(told.exitCode).toBe(0)
    const counts = told.data.hosts.map((host) => Number(host.stdout))
    expect(counts).toHaveLength(50)
    expect(Math.max(...counts)).toBeLessThanOrEqual(6)
    expect(Math.max(...counts)).toBeGreaterThan(1)
    let open = 0
    let most = 0
    for (const line of first.sshd.log().slice(before).split('\n')) {
      if (line.startsWith('Accepted publickey')) most = Math.max(most, ++open)
      if (/^(?:Disconnected from user|Connection closed by user|Connection reset by user)/.test(line)) open--
    }
    // The server may notice the end of one after it has accepted the next.
    expect(most).toBeLessThanOrEqual(12)
    expect(told.data.hosts.every((host) => host.outcome === 'ok')).toBe(true)
  })
})

describeOverSsh('ship run', () => {
  it('lists the tasks, with what they are for', async () => {
    await place.configure(
      {},
      {
        tasks: {
          clearCache: { run: 'rm -rf tmp/cache', roles: ['web'] },
          'db:migrate': { run: 'true', description: 'bring the database level', once: true },
        },
      },
    )
    const { code, stdout } = await place.ship('run')
    expect(code).toBe(0)
    expect(stdout).toMatch(/clearCache +rm -rf tmp\/cache +hosts of web\n/)
    expect(stdout).toMatch(/db:migrate +bring the database level +one host\n/)
    const wrong = await place.ship('run clearCach')
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('did you mean "clearCache"?')])
  })

  it('runs what a task needs first, once where it says so, and nothing after a failure', async () => {
    await place.configure(
      {},
      {
        tasks: {
          prepare: { run: 'echo "$SHIP_TASK" >>../order', once: true },
          work: { run: ['sh', '-c', 'echo "$1" >>../order', 'sh', 'work'], needs: ['prepare'] },
          broken: { run: '[ "$SHIP_HOST" != web2 ]', needs: ['work'] },
          after: { run: 'echo after >>../order', needs: ['broken'] },
        },
      },
    )
    const told = await json(['run', 'after'])
    expect(told).toMatchObject({ exitCode: 5, error: { host: 'web2' } })
    expect(
      told.data.tasks.map(({ task, skipped, hosts }) => [task, skipped, hosts.map((h) => h.outcome).join()]),
    ).toEqual([
      ['prepare', undefined, 'ok'],
      ['work', undefined, 'ok,ok,ok'],
      ['broken', undefined, 'ok,failed,ok'],
      ['after', 'a task that it needs failed', ''],
    ])
    expect(place.deployTo.map((dir) => readFileSync(join(dir, 'order'), 'utf8'))).toEqual([
      'prepare\nwork\n',
      'work\n',
      'work\n',
    ])
  })

  it('passes words on as arguments and never as text of a shell', async () => {
    await place.configure({}, { tasks: { say: 'printf "<%s>" "$@"', argv: ['printf', '<%s>'] } })
    for (const task of ['say', 'argv']) {
      const { data } = await json(['run', task, '--hosts', 'web1', '--', '$(touch pwned)', '-n', "it's"])
      expect(data.tasks[0]?.hosts[0]?.stdout).toBe("<$(touch pwned)><-n><it's>")
    }
    expect(readdirSync(join(place.deployTo[0] ?? '', 'current'))).toEqual([])
  })

  it('passes secrets on from its own environment and shows them nowhere', async () => {
    await place.configure(
      {},
      { tasks: { login: { run: 'echo "token $TOKEN"; echo "$TOKEN" >token; exit 1', secrets: ['TOKEN'] } } },
    )
    const TOKEN = 'a-secret-4711'
    for (const flags of [[], ['--json'], ['-v']]) {
      const { code, stdout, stderr } = await place.ship(['run', 'login', ...flags], { env: { TOKEN } })
      expect([code, `${stdout}${stderr}`.includes(TOKEN), stdout.includes('token ***')]).toEqual([5, false, true])
    }
    for (const dir of place.deployTo) expect(readFileSync(join(dir, 'current/token'), 'utf8')).toBe(`${TOKEN}\n`)
    const unset = await place.ship('run login')
    expect([unset.code, unset.stderr]).toEqual([2, expect.stringContaining('wants the secret "TOKEN"')])
  })

  it('calls functions with the host, in its folder, with what they are told', async () => {
    await configureModule(
      `{
      work: async (host, context) => {
        await host.write(context.host.deployTo + '/current/note', context.args.join('|'))
        const { stdout } = await host.run\`cat \${'note'}; echo " \${SHIP_HOST}"\`.catch((error) => { throw error })
        context.log('logged')
        return 'did ' + stdout.trim()
      },
      here: { local: true, run: async (host, context) => { await host.run\`touch made-here\`; return String(context.host) } },
      throws: () => { throw new Error('on purpose') },
      slow: { timeout: '1s', run: (host) => host.run\`sleep 300\` },
    }`.replace('${SHIP_HOST}', '\\${SHIP_HOST}'),
    )
    const told = await json(['run', 'work', 'a b', 'c'])
    expect(told.exitCode).toBe(0)
    expect(told.data.tasks[0]?.hosts.map(({ note, stdout }) => [note, stdout])).toEqual(
      ['web1', 'web2', 'web3'].map((name) => [`did a b|c ${name}`, `a b|c ${name}\nlogged\n`]),
    )
    const here = await json(['run', 'here'])
    expect(here.data.tasks[0]?.hosts).toMatchObject([{ host: 'local', outcome: 'ok', note: 'undefined' }])
    expect(existsSync(join(place.shop.dir, 'made-here'))).toBe(true)
    const thrown = await place.ship('run throws')
    expect([thrown.code, thrown.stderr]).toEqual([5, expect.stringContaining('task "throws" threw: on purpose')])
    expect(thrown.stderr).toContain('ship.config.mjs')
    const slow = await place.ship('run slow')
    expect([slow.code, slow.stderr]).toEqual([5, expect.stringContaining('task "slow" was still running after 1 s')])
  })
})

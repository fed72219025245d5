/** The action by the runner's protocol against real hosts: every exit code as result, summary and annotation, and nothing secret anywhere. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { generateKey } from '../support/keys.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { leftovers, runs } from '../stories/shop.ts'
import { makeRunner, type Runner, type Step } from './place.ts'

let runner: Runner
beforeAll(async () => void (runner = await makeRunner(2)))
afterAll(() => runner.dispose())
beforeEach(() => runner.fresh())

/** Runs a step and expects how it ends, in all the places where that is told. */
async function step(inputs: Readonly<Record<string, string>>, code: number, result: string): Promise<Step> {
  const found = await runner.step({ ...runner.ssh, ...inputs })
  expect({ code: found.code, log: found.code === code ? '' : found.seen }).toEqual({ code, log: '' })
  expect(found.outputs['result']).toBe(result)
  expect(found.summary).toContain(`exit code ${code} (${result})`)
  expect(found.left).toEqual([])
  expectNoSecrets(found)
  return found
}

function expectNoSecrets({ seen }: Step): void {
  const lines = (runner.ssh['ssh-private-key'] ?? '')
    .split('\n')
    .filter((line) => line.length > 20 && !line.includes('-----'))
  expect(lines.length).toBeGreaterThan(3)
  expect(lines.filter((line) => seen.includes(line))).toEqual([])
}

async function build(version: string, more?: Readonly<Record<string, string>>): Promise<Step> {
  await runner.shop.write(version, more)
  return step({ command: 'build', version }, 0, 'ok')
}

const live = async (): Promise<string[]> =>
  (await Promise.all(runner.deployTo.map((dir) => runs(dir)))).map((r) => r.version)
const release = { command: 'release', environment: 'production' }
const addresses = (): string[] => runner.fleet.hosts.map(({ address, port }) => `${address}:${port}`)

describeOverSsh('the action', () => {
  it('0: builds, releases, goes back; outputs, summary, groups', async () => {
    const built = await build('1.0.0')
    expect(built.outputs['version']).toBe('1.0.0')
    const artifacts = JSON.parse(built.outputs['artifacts'] ?? '') as { file: string; sha256: string }[]
    expect(artifacts.length).toBeGreaterThan(1)
    for (const { file, sha256 } of artifacts) {
      const sum = execFileSync('sha256sum', [join(runner.shop.dir, 'dist', file)], { encoding: 'utf8' })
      expect(sum.split(' ')[0]).toBe(sha256)
      expect(built.summary).toContain(sha256)
    }
    await step({ ...release, version: '1.0.0' }, 0, 'ok')
    await build('1.1.0')
    const second = await step(release, 0, 'ok')
    expect(second.outputs).toMatchObject({ version: '1.1.0', previous: '1.0.0', artifacts: '[]' })
    expect(JSON.parse(second.outputs['hosts'] ?? '')).toMatchObject(
      addresses().map((host) => ({ host, before: '1.0.0', after: '1.1.0', outcome: 'released' })),
    )
    expect(second.summary).toContain('### ✅ shop 1.1.0 is live on 2 hosts of production')
    for (const host of addresses()) expect(second.summary).toContain(`| ${host} | 1.0.0 | 1.1.0 | released |`)
    expect(second.summary).toMatch(/\*\*Changes\*\*[^]*\| 1\.0\.0 \| \+0 &#126;13 -0 \|/)
    expect(second.stderr).toMatch(/^::group::stage$[^]*^::endgroup::$/m)
    expect(second.errors).toEqual([])
    expect(await live()).toEqual(['1.1.0', '1.1.0'])
    // Who did it is the person of the workflow.
    const history = await step({ command: 'history', environment: 'production' }, 0, 'ok')
    expect(history.summary).toContain('ada')

    const back = await step({ command: 'rollback', environment: 'production', version: '1.0.0' }, 0, 'ok')
    expect(back.outputs).toMatchObject({ version: '1.0.0', previous: '1.1.0' })
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
  })

  it('1: the answer is no', async () => {
    await build('1.0.0')
    await step(release, 0, 'ok')
    await writeFile(join(runner.deployTo[0] ?? '', 'current/VERSION'), 'changed\n')
    const { summary, errors } = await step({ command: 'verify', environment: 'production' }, 1, 'differs')
    expect(summary).toContain('the answer is no')
    expect(errors).toHaveLength(1)
  })

  it('2: inputs and configuration are refused by name', async () => {
    const wrong = await step({ ...release, environment: 'prodution' }, 2, 'invalid')
    expect(wrong.errors.join()).toMatch(/^::error title=ship release::.*prodution/)
    expect(wrong.summary).toContain('prodution')
    expect((await step({ command: '' }, 2, 'invalid')).errors.join()).toContain('the input "command" is missing')
    expect((await step({ command: 'relase' }, 2, 'invalid')).errors.join()).toContain('did you mean "release"')
    const option = await step({ ...release, version: '--force' }, 2, 'invalid')
    expect(option.errors.join()).toContain('the input "version" begins with "-"')
    const quote = await step({ ...release, args: `--hosts "web1` }, 2, 'invalid')
    expect(quote.errors.join()).toContain('the input "args" has a " that is not closed')
    const key = await step({ ...release, 'ssh-private-key': 'no key at all' }, 2, 'invalid')
    expect(key.errors.join()).toContain('the input "ssh-private-key" is not a private key')
    const known = await step({ ...release, 'known-hosts': 'web1' }, 2, 'invalid')
    expect(known.errors.join()).toContain('the input "known-hosts" holds no line')
  })

  it('3: the build fails', async () => {
    await runner.configure({}, { build: { from: 'app', recipe: 'procfile' } })
    await runner.shop.write('1.0.0')
    const { errors, summary } = await step({ command: 'build', version: '1.0.0' }, 3, 'build-failed')
    expect(errors).toHaveLength(1)
    expect(summary).toContain('### ❌ build failed')
  })

  it('4: a host whose key nobody vouches for; a key that no host takes', async () => {
    await build('1.0.0')
    const unknown = await step({ ...release, 'known-hosts': '' }, 4, 'unreachable')
    expect(unknown.errors.join()).toMatch(
      /the host key of .* is not known[^]*next: give the lines of known_hosts as the input "known-hosts"/,
    )
    expect(unknown.summary).toContain('the input')
    // What the machine has learned by itself does not count.
    const home = join(runner.shop.dir, '..', 'home')
    execFileSync('mkdir', ['-p', join(home, '.ssh')])
    await writeFile(join(home, '.ssh/known_hosts'), runner.ssh['known-hosts'] ?? '')
    const learned = await runner.step({ ...runner.ssh, ...release, 'known-hosts': '' }, { env: { HOME: home } })
    expect(learned.code).toBe(4)

    const { file } = generateKey(join(runner.fleet.dir, 'other'))
    const refused = await step({ ...release, 'ssh-private-key': readFileSync(file, 'utf8') }, 4, 'unreachable')
    expect(refused.errors.join()).toContain('none of the keys that were offered')
    for (const dir of runner.deployTo) expect(existsSync(dir)).toBe(false)
  })

  it('5: failed before the switch', async () => {
    await build('1.0.0')
    await step(release, 0, 'ok')
    await build('1.1.0')
    await runner.configure({
      hooks: { beforeSwitch: ['echo "::add-mask::1"; echo "##[error]planted"; echo no such table; exit 3'] },
    })
    const { errors, summary, outputs, stderr, stdout } = await step(release, 5, 'not-switched')
    expect(errors).toHaveLength(1)
    expect(errors[0]).toContain('no such table')
    expect(summary).toContain('no such table')
    expect(outputs['previous']).toBe('1.0.0')
    // Commands that hosts print are text.
    expect(`${stdout}\n${stderr}`).not.toMatch(/^\s*::add-mask::1$/m)
    expect(`${stdout}\n${stderr}`).not.toContain('\n##[error]')
  })

  it('6: every host is put back', async () => {
    await build('1.0.0')
    await step(release, 0, 'ok')
    await build('1.1.0')
    await runner.configure({
      health: [{ exec: 'echo "<b>|x"; grep -q 1.0.0 VERSION', deadline: '300ms', interval: '100ms' }],
    })
    const { summary, errors, outputs } = await step(release, 6, 'put-back')
    for (const host of addresses()) expect(summary).toContain(`| ${host} | 1.0.0 | 1.0.0 | put back |`)
    expect(summary).not.toContain('<b>')
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(/title=ship release::.*gate/)
    expect(outputs['hosts']).toContain('"outcome":"put-back"')
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
  })

  it('7: a person is needed', async () => {
    await build('1.0.0')
    await step(release, 0, 'ok')
    await build('1.1.0')
    const [, second = ''] = addresses()
    await runner.configure({
      health: [{ exec: `[ "$SHIP_HOST" != ${second} ]`, deadline: '300ms', interval: '100ms' }],
    })
    const { summary, errors } = await step(release, 7, 'stranded')
    expect(summary).toContain('### 🔥 release of shop 1.1.0 to production failed')
    expect(summary).toMatch(new RegExp(`\\| ${second} \\|.*\\| stranded \\|`))
    expect(errors).toHaveLength(1)
  })

  it('8: locked by another run', async () => {
    await build('1.0.0')
    await runner.configure({ hooks: { beforeSwitch: ['sleep 2'] } })
    const [one, two] = await Promise.all([0, 1].map(() => runner.step({ ...runner.ssh, ...release })))
    const loser = [one, two].find((s) => s?.code === 8)
    expect(new Set([one?.code, two?.code])).toEqual(new Set([0, 8]))
    expect(loser?.outputs['result']).toBe('locked')
    expect(loser?.errors.join()).toContain('by ada')
    expect(loser?.summary).toContain('exit code 8 (locked)')
  })

  it('9: refused', async () => {
    await build('1.0.0')
    await build('2.0.0')
    await step({ ...release, version: '2.0.0' }, 0, 'ok')
    const { errors, summary } = await step({ ...release, version: '1.0.0' }, 9, 'refused')
    expect(errors.join()).toContain('next: ')
    expect(summary).toContain('- next: <code>')
    await step({ ...release, version: '1.0.0', args: '--allow-downgrade' }, 0, 'ok')
  })
})

describeOverSsh('a cancelled step', () => {
  it('SIGINT, and SIGTERM before it is done: puts back, unlocks, tells so, leaves nothing', async () => {
    await build('1.0.0')
    await step(release, 0, 'ok')
    await build('1.1.0')
    await runner.configure({ health: [{ exec: 'grep -q 1.0.0 VERSION || sleep 30', deadline: '60s', timeout: '60s' }] })
    let child: { kill(signal: NodeJS.Signals): void } | undefined
    const found = await runner.step(
      { ...runner.ssh, ...release },
      {
        when: 'switch        127',
        signal: 'SIGINT',
        onStart: (started) => void (child = started),
        // Sooner than the runner's 7.5 s, and late enough that it is no echo of the first one.
        onSeen: () => void sleep(600).then(() => child?.kill('SIGTERM')),
      },
    )
    expect({ code: found.code, log: found.code === 130 ? '' : found.seen }).toEqual({ code: 130, log: '' })
    expect(found.outputs['result']).toBe('cancelled')
    expect(found.summary).toContain('exit code 130 (cancelled)')
    expect(found.summary).not.toContain('not done yet')
    expect(found.left).toEqual([])
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
    for (const dir of runner.deployTo) expect(await leftovers(dir)).toEqual([])
    expectNoSecrets(found)
  })
})

describeOverSsh('a deployment on GitHub', () => {
  it('is made when a token is given, and ends as the release does; without GitHub the release goes on', async () => {
    const asked: { path: string; token: string | undefined; body: Record<string, unknown> }[] = []
    let status = 201
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const body = JSON.parse(await text(request)) as Record<string, unknown>
      asked.push({ path: request.url ?? '', token: request.headers.authorization, body })
      response.writeHead(status, { 'content-type': 'application/json' }).end('{"id":42}')
    }
    const fakeGitHub = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
    await once(fakeGitHub, 'listening')
    const { port } = fakeGitHub.address() as AddressInfo
    const env = {
      GITHUB_API_URL: `http://127.0.0.1:${port}`,
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: 'acme/shop',
      GITHUB_RUN_ID: '7',
      GITHUB_SHA: '0123456789012345678901234567890123456789',
    }
    const inputs = { ...runner.ssh, ...release, token: 'ghs_token', 'environment-url': 'https://shop.example' }
    try {
      await build('1.0.0')
      expect(asked).toEqual([])
      expect((await runner.step(inputs, { env })).code).toBe(0)
      expect(asked).toMatchObject([
        {
          path: '/repos/acme/shop/deployments',
          token: 'Bearer ghs_token',
          body: { ref: env.GITHUB_SHA, environment: 'production' },
        },
        { path: '/repos/acme/shop/deployments/42/statuses', body: { state: 'in_progress' } },
        {
          path: '/repos/acme/shop/deployments/42/statuses',
          body: {
            state: 'success',
            environment_url: 'https://shop.example',
            log_url: 'https://github.example/acme/shop/actions/runs/7',
          },
        },
      ])
      await build('1.1.0')
      await runner.configure({ health: [{ exec: 'grep -q 1.0.0 VERSION', deadline: '300ms', interval: '100ms' }] })
      expect((await runner.step(inputs, { env })).code).toBe(6)
      expect(asked.at(-1)?.body).toMatchObject({ state: 'failure', description: 'put-back' })

      status = 403
      await runner.configure()
      const alone = await runner.step(inputs, { env })
      expect(alone.code).toBe(0)
      expect(alone.seen).toContain(
        '::warning::no deployment on GitHub: 403: the job needs the permission "deployments: write"',
      )
    } finally {
      fakeGitHub.close()
    }
  })
})

describeOverSsh('secrets', () => {
  for (const type of ['rsa', 'ecdsa'] as const) {
    it(`a ${type} key with a passphrase and lost newlines signs, for ssh2 and for the system's ssh`, async () => {
      const { file, publicKey } = generateKey(join(runner.fleet.dir, `key-${type}`), {
        type,
        passphrase: 'open sesame',
      })
      for (const { sshd } of runner.fleet.hosts) {
        const keys = join(sshd.dir, 'authorized_keys')
        await writeFile(keys, `${readFileSync(keys, 'utf8')}${publicKey}\n`)
      }
      const key = { 'ssh-private-key': readFileSync(file, 'utf8').trim().replaceAll('\n', '\r\n') }
      await build('1.0.0')
      await step({ ...release, ...key, 'ssh-key-passphrase': 'open sesame' }, 0, 'ok')
      for (const dir of runner.deployTo) await rm(dir, { recursive: true })
      await runner.configure({ transport: 'rsync' })
      await step({ ...release, ...key, 'ssh-key-passphrase': 'open sesame' }, 0, 'ok')
      const wrong = await step({ ...release, ...key, 'ssh-key-passphrase': 'sesame open' }, 2, 'invalid')
      expect(wrong.errors.join()).toContain('the passphrase in the input "ssh-key-passphrase" does not open it')
      expect(wrong.seen).not.toContain('sesame')
    })
  }

  it('are not in the environment of hooks, and each line is masked before anything is said', async () => {
    await build('1.0.0')
    await runner.configure({ hooks: { beforeSwitch: [{ run: 'env', local: true }] } })
    const { stdout, stderr } = await step({ ...release, token: 'ghs_token_of_the_job', args: '-v' }, 0, 'ok')
    expect(stderr).toContain('RUNNER_TEMP=')
    expect(stderr).not.toMatch(/INPUT_(?:SSH|TOKEN)/)
    const log = `${stdout}\n${stderr}`.split('\n').filter((line) => line !== '')
    const masks = log.filter((line) => line.startsWith('::add-mask::'))
    expect(masks).toContain('::add-mask::ghs_token_of_the_job')
    expect(masks.length).toBeGreaterThan(5)
    expect(log.filter((line) => line.includes('ghs_token_of_the_job'))).toHaveLength(1)
    expect(stderr.startsWith('::add-mask::')).toBe(true)
  })
})

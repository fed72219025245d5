/** Production is asked about before it is changed, and a webhook is told how it ended. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HAS_TERMINAL, shipOnTerminal } from '../support/cli.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { runs } from './shop.ts'

let place: Place
let server: Server
let url = ''
let answer = 200
const bodies: { readonly text: string }[] = []

beforeAll(async () => {
  place = await makePlace(1)
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      bodies.push(JSON.parse(body))
      response.writeHead(answer, answer === 302 ? { location: `${url}/elsewhere` } : {}).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
})
afterAll(async () => {
  server.close()
  await place.dispose()
})
beforeEach(async () => {
  await place.fresh()
  bodies.length = 0
  answer = 200
})

async function ship(args: string, code: number, env: Record<string, string> = {}) {
  const { code: ended, stdout, stderr } = await place.ship(args, { env })
  expect({ ended, said: ended === code ? '' : stdout + stderr }).toEqual({ ended: code, said: '' })
  return { stdout, stderr }
}

describeOverSsh('a webhook', () => {
  it('is told how releases and rollbacks end, and by whom', async () => {
    await place.configure({
      notify: { webhook: 'SHOP_WEBHOOK' },
      health: [{ exec: 'test ! -e broken', deadline: '2s' }],
    })
    const env = { SHOP_WEBHOOK: url, GITHUB_ACTOR: 'ada <b>' }
    await place.build('1.0.0')
    await ship('release', 0, env)
    await place.build('1.1.0', { broken: '' })
    await ship('release', 6, env)
    await ship('rollback', 9, env)
    const [released, failed, refused] = bodies.map(({ text }) => text)
    expect(bodies).toHaveLength(3)
    expect(released).toMatch(/^shop 1\.0\.0 is live on 1 host of production, verified in [\d.]+ m?s\nby ada &lt;b&gt;$/)
    expect(failed).toMatch(/^release of shop 1\.1\.0 to production failed: web1, gate: .*exit 1/)
    expect(failed).toContain('put back')
    expect(refused).toContain('rollback of shop to production failed: ')
    // What is live already is no news.
    await ship('release 1.0.0', 0, env)
    expect(bodies).toHaveLength(3)
  })

  it('never turns a release red, and its address is told to nobody', async () => {
    await place.configure({ notify: { webhook: url, on: ['success'] } })
    await place.build('1.0.0')
    answer = 302
    const { stderr, stdout } = await ship('release', 0)
    expect(stderr).toContain('warning: the webhook was not told')
    expect(bodies).toHaveLength(1)
    expect(stdout + stderr).not.toContain(url)
    expect((await ship('config -e production', 0)).stdout).not.toContain(url)

    await place.configure({ notify: { webhook: 'SHOP_WEBHOOK' } })
    await place.build('1.1.0')
    expect((await ship('release', 0)).stderr).toContain('the variable SHOP_WEBHOOK is not set')
    await place.build('1.2.0')
    const refused = await ship('release', 0, { SHOP_WEBHOOK: 'http://127.0.0.1:1/secret' })
    expect(refused.stderr).toMatch(/the webhook was not told: \S+/)
    expect(refused.stderr).not.toContain('/secret')
    await place.configure({ notify: { webhook: 'not an address' } })
    expect((await ship('release', 2)).stderr).toContain('neither an http(s) address nor the name of a variable')
  })
})

describeOverSsh('production', () => {
  const marked = async (production: boolean): Promise<void> => {
    const hosts = place.fleet.hosts.map(({ name }, i) => ({ host: name, deployTo: place.deployTo[i] }))
    const tasks = { hello: { run: 'echo hello' } }
    await place.configure({}, { environments: { live: { hosts, production } }, tasks })
    await place.build('1.0.0')
  }

  it('wants --yes where nobody can be asked, when it is marked', async () => {
    await marked(true)
    for (const args of ['release', 'rollback', 'exec -- true', 'run hello', 'prune', 'unlock --force']) {
      const { stderr } = await ship(args, 2)
      expect(stderr).toContain('"live" is marked as production, and there is no terminal to ask on')
      expect(stderr).toContain('next:  add --yes when it is meant')
    }
    await ship('release --dry-run', 0)
    await ship('plan --out plan.json', 0)
    // A plan that was saved was looked at then.
    await ship('release --plan plan.json', 0)
    await ship('exec --yes -- true', 0)
    await marked(false)
    await ship('run hello', 0)
  })

  describe.skipIf(!HAS_TERMINAL)('on a terminal', () => {
    const onTerminal = (args: string, input: string, when: string) => {
      const env = { SHIP_SSH_CONFIG: place.fleet.sshConfigFile, NO_COLOR: '1' }
      return shipOnTerminal(args, { cwd: place.shop.dir, env, input, when })
    }
    const terminal = async (args: string, input: string, when: string): Promise<string> =>
      (await onTerminal(args, input, when)).stdout

    it('is asked about before a command runs there', async () => {
      await marked(true)
      await ship('release --yes', 0)
      const no = await onTerminal('exec -- touch asked', 'n\n', '[y/N]')
      expect(no.stdout).toContain('run "touch asked" on 1 host of live? [y/N]')
      expect(no.stdout).toContain('nothing was done, as you answered')
      // A script that goes on with && must not take a no for a yes.
      expect(no.code).toBe(9)
      expect(await terminal('run hello', 'y\n', '[y/N]')).toContain('hello')
      const { version } = await runs(place.deployTo[0] ?? '')
      expect(version).toBe('1.0.0')
    })

    it('is warned once, though hosts are asked for the plan and again for the run', async () => {
      await place.configure({ health: [{ exec: 'true', role: 'web' }] })
      await place.build('1.0.1')
      const said = await terminal('release', 'y\n', '[y/N]')
      expect(said).toContain('1.0.1')
      expect(said.match(/has the role "web"/g)).toHaveLength(1)
    })
  })
})

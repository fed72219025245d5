/** The nginx drain against a real nginx: what it changes, what it waits for, and what it leaves alone. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Change } from '../../src/drain/drain.ts'
import { drainByType } from '../../src/drain/index.ts'
import { HAS_BALANCERS, startNginx, upstreamText, type Balancer } from '../support/balancers.ts'
import { change, eventually, freePort, here, slowRequest, startApp, type App } from './place.ts'

const closing: (() => unknown)[] = []
let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-drain-'))))
afterAll(async () => {
  for (const close of closing.toReversed()) await close()
  rmSync(dir, { recursive: true, force: true })
})

it.skipIf(!existsSync('/usr/bin/shellcheck'))('the script pleases shellcheck', () => {
  const { stdout, status } = spawnSync('shellcheck', [
    '-s',
    'sh',
    join(import.meta.dirname, '../../src/drain/apply.sh'),
  ])
  expect({ said: stdout.toString(), status }).toEqual({ said: '', status: 0 })
})

describe.skipIf(!HAS_BALANCERS)('nginx', () => {
  const kind = drainByType('nginx')
  let apps: readonly App[] = []
  let proxy: Balancer
  let folder = ''
  let file = ''
  let servers: readonly string[] = []
  beforeAll(async () => {
    folder = join(dir, 'nginx')
    mkdirSync(folder)
    apps = [await startApp(), await startApp(), await startApp(), await startApp()]
    closing.push(...apps.map((app) => () => app.stop()))
    servers = apps.map(({ server }) => server)
    proxy = await startNginx({ dir: folder, address: '127.0.0.1', port: freePort(), servers })
    closing.push(() => proxy.stop())
    file = proxy.options['file'] ?? ''
  })

  const options = (more: object = {}) => kind.options.parse({ ...proxy.options, ...more })
  const apply = async (wanted: Change, more: object = {}) => (await kind.change(here, options(more), wanted)).settle()
  const standings = async () => {
    const pools = await kind.pools(here, options(), change('in', servers))
    return [...(pools[0]?.servers.values() ?? [])]
  }
  const parentOf = (pid: string): number => {
    try {
      return Number(/\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1])
    } catch {
      return 0
    }
  }
  const workers = (): string[] => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === proxy.pid)
  const beside = (): string[] => readdirSync(folder).filter((n) => n.startsWith('.') && !n.endsWith('.ship-lock'))

  it('takes servers out and puts them back; the second time changes nothing', async () => {
    chmodSync(file, 0o640)
    const [first = '', second = ''] = servers
    expect(await apply(change('drained', [first, second]))).toBeUndefined()
    expect(await standings()).toEqual(['drained', 'drained', 'in', 'in'])
    expect(statSync(file).mode & 0o777).toBe(0o640)
    await apply(change('drained', [first]))
    await apply(change('in', [first, second]))
    expect(readFileSync(file, 'utf8')).toBe(upstreamText(servers))
    const before = workers()
    await apply(change('in', [first, second]))
    // Workers of the reloads before may still be ending; one more reload would have made new ones.
    expect(before).toEqual(expect.arrayContaining(workers()))
    expect(beside()).toEqual([])
  })

  it('keeps a link a link, and the file behind it changes', async () => {
    const real = join(folder, 'real.conf')
    renameSync(file, real)
    symlinkSync('real.conf', file)
    await apply(change('drained', servers.slice(0, 1)))
    expect(readFileSync(real, 'utf8')).toContain('drained by ship')
    await apply(change('in', servers.slice(0, 1)))
    expect(readFileSync(real, 'utf8')).toBe(upstreamText(servers))
    renameSync(real, file)
  })

  it('refused by nginx -t: the old file comes back and nothing is reloaded', async () => {
    const broken = join(folder, 'broken.upstreams')
    writeFileSync(broken, 'upstream broken { server; }\n')
    onTestFinished(() => rmSync(broken))
    const before = workers()
    const refused = apply(change('drained', servers.slice(0, 1)))
    await expect(refused).rejects.toMatchObject({
      reason: 'not-switched',
      message: expect.stringContaining('as it was and nothing was reloaded'),
      details: expect.arrayContaining([expect.stringContaining('invalid number of arguments in "server"')]),
    })
    expect(readFileSync(file, 'utf8')).toBe(upstreamText(servers))
    expect(before).toEqual(expect.arrayContaining(workers()))
    expect(beside()).toEqual([])
  })

  it('not heard by nginx: the old file comes back', async () => {
    const deaf = apply(change('drained', servers.slice(0, 1), { waitMs: 1000 }), { reload: 'true' })
    await expect(deaf).rejects.toMatchObject({ details: [expect.stringContaining('old configuration')] })
    expect(readFileSync(file, 'utf8')).toBe(upstreamText(servers))
  })

  it('changed by many at once: nobody loses an update', async () => {
    await Promise.all(servers.map((server) => apply(change('drained', [server]))))
    expect(await standings()).toEqual(['drained', 'drained', 'drained', 'drained'])
    await Promise.all(servers.map((server) => apply(change('in', [server]))))
    expect(readFileSync(file, 'utf8')).toBe(upstreamText(servers))
  })

  it('finishes what a run began that died before the reload', async () => {
    // The text is there, nginx does not run it, and the one before lies beside it.
    await apply(change('drained', servers.slice(0, 1)))
    const text = readFileSync(file, 'utf8')
    writeFileSync(join(folder, '.shop.conf.ship-old'), text)
    writeFileSync(file, upstreamText(servers))
    const before = workers()
    await apply(change('in', servers.slice(0, 1)))
    await eventually(() => before.every((pid) => !workers().includes(pid)))
    expect(beside()).toEqual([])
  })

  it('waits for requests under way, and says when they do not end in time', async () => {
    const requests = await Promise.all(servers.map(() => slowRequest(proxy.url)))
    await eventually(() => apps.reduce((sum, { waiting }) => sum + waiting.length, 0) === 4)
    const late = await apply(change('drained', servers.slice(0, 1), { waitMs: 1000 }))
    expect(late).toMatch(/after 1 s \d+ of the nginx workers from before still had requests under way/)
    await apply(change('in', servers.slice(0, 1)))
    let settled = false
    const done = apply(change('drained', servers.slice(0, 1))).then(() => (settled = true))
    await sleep(1500)
    expect(settled).toBe(false)
    for (const { waiting } of apps) for (const response of waiting.splice(0)) response.end('slow\n')
    await done
    expect(await Promise.all(requests.map(({ status }) => status))).toEqual([200, 200, 200, 200])
    await apply(change('in', servers.slice(0, 1)))
  })

  it('written from a template: a server that the file did not know comes in by its own release', async () => {
    writeFileSync(join(dir, 'shop.template'), 'upstream shop {\n  server {server};\n  keepalive 4;\n}\n')
    const [first = '', second = ''] = servers
    const made = { file: join(folder, 'made.conf.off'), template: join(dir, 'shop.template') }
    expect((await kind.pools(here, options(made), change('in', servers)))[0]?.servers.get(second)).toBe('drained')
    await apply(change('in', [first], { all: servers }), made)
    const text = readFileSync(made.file, 'utf8')
    expect(text.split('\n').filter((line) => line.includes('down; # drained by ship'))).toHaveLength(3)
    expect(text).toContain(`  server ${first};\n`)
    await apply(change('in', servers, { all: servers }), made)
    expect(readFileSync(made.file, 'utf8')).toBe(
      `upstream shop {\n${servers.map((s) => `  server ${s};\n`).join('')}  keepalive 4;\n}\n`,
    )
    await apply(change('drained', [second], { all: servers.slice(0, 2) }), made)
    expect(readFileSync(made.file, 'utf8')).toBe(
      `upstream shop {\n  server ${first};\n  server ${second} down; # drained by ship\n  keepalive 4;\n}\n`,
    )
  })

  it('refuses by name what is not there', async () => {
    const ask = (more: object) => kind.pools(here, options(more), change('in', servers))
    await expect(ask({ file: '/nowhere/shop.conf' })).rejects.toThrow('there is no file "/nowhere/shop.conf"')
    await expect(ask({ pid: '/nowhere/nginx.pid' })).rejects.toThrow('"/nowhere/nginx.pid"')
    await expect(ask({ template: 'none' })).rejects.toThrow('the template "none" cannot be read')
    expect(existsSync('/nowhere')).toBe(false)
  })
})

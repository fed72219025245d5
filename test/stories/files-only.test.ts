/**
 * The main job on hosts that give files only (SFTP, a chroot, no shell), by the command line. Their app is a web server of this test that
 * answers with what `current` holds, asked by ship itself.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { ship, type ShipOptions } from '../support/cli.ts'
import { asSeen, describeInChroot, startFilesOnly } from '../support/files-only.ts'
import type { Fleet } from '../support/fleet.ts'
import { serve, type Web } from '../support/web.ts'
import { leftovers, makeShop, runs, type Shop } from './shop.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')

let dir = ''
let fleet: Fleet
let web: Web
let shop: Shop
let deployTo: string[] = []
let turn = 0

describeInChroot('hosts that give files only', () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ship-files-only-'))
    fleet = await startFilesOnly(2)
    // /0 and /1: the app of each host. It is well when its release says so.
    web = await serve((request, response) => {
      const root = deployTo[Number(request.url?.slice(1))] ?? ''
      const health = readFileSync(join(root, 'current/health'), 'utf8')
      response.statusCode = health === 'good\n' ? 200 : 500
      response.end(readFileSync(join(root, 'current/VERSION')))
    })
  })
  afterAll(async () => {
    await web.close()
    await fleet.dispose()
    rmSync(dir, { recursive: true, force: true })
  })
  beforeEach(async () => {
    turn += 1
    shop = await makeShop(join(dir, `shop ${turn}`))
    deployTo = fleet.hosts.map(({ root }) => join(root, `shop ${turn}`))
    await configure()
  })

  const run = (args: string, more: ShipOptions = {}) =>
    ship(args, { cwd: shop.dir, ...more, env: { SHIP_SSH_CONFIG: fleet.sshConfigFile, NO_COLOR: '1', ...more.env } })

  function configure(release: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const hosts = fleet.hosts.map(({ name }, i) => ({
      host: name,
      deployTo: asSeen(fleet, deployTo[i] ?? ''),
      roles: [`app${i}`],
    }))
    const health = hosts.map((_, i) => ({
      http: `${web.url}/${i}`,
      role: `app${i}`,
      deadline: '1s',
      interval: '100ms',
    }))
    const environments = { production: { hosts } }
    return shop.configure({ name: 'shop', build: { from: 'app' }, release: { health, ...release }, environments })
  }

  async function build(version: string, more: Readonly<Record<string, string>> = {}): Promise<void> {
    await shop.write(version, { health: 'good\n', ...more })
    await expectCode('build', 0)
  }

  async function expectCode(args: string, code: number, more?: ShipOptions) {
    const result = await run(args, more)
    expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
    return result
  }

  async function live(): Promise<string[]> {
    const found = await Promise.all(deployTo.map((one) => runs(one)))
    expect(found.every((f) => f.whole)).toBe(true)
    return found.map((f) => f.version)
  }

  it('are released to, upgraded, put back, rolled back, pinned, pruned and told of', async () => {
    await configure({ keep: 2, shared: { dirs: ['log'] } })
    await build('1.0.0')
    const first = await expectCode('release', 0)
    expect(first.stderr).toContain('files by SFTP only, no shell: no hooks and no exec checks can run')
    expect(first.stderr).toContain('read back')
    await build('1.1.0')
    await expectCode('release', 0)
    expect(await live()).toEqual(['1.1.0', '1.1.0'])
    writeFileSync(join(deployTo[0] ?? '', 'current/log/today'), 'kept\n')

    await build('1.2.0', { health: 'bad\n' })
    const failed = await expectCode('release', 6)
    expect(failed.stderr).toContain('500')
    expect(await live()).toEqual(['1.1.0', '1.1.0'])

    const status = JSON.parse((await expectCode('status --json', 0)).stdout.trim().split('\n').at(-1) ?? '')
    expect(status.data.hosts).toMatchObject(
      ['web1', 'web2'].map((host) => ({ host, version: '1.1.0', state: 'verified', health: 'ok', releases: 3 })),
    )
    expect((await expectCode('verify -e production', 0)).code).toBe(0)

    await expectCode('rollback', 0)
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
    expect((await expectCode('releases', 0)).stdout).toMatch(/1\.1\.0 +bad/)
    await expectCode('pin 1.1.0', 0)
    for (const version of ['1.3.0', '1.4.0']) {
      await build(version)
      await expectCode('release', 0)
    }
    expect(readdirSync(join(deployTo[1] ?? '', 'releases')).toSorted()).toEqual(['1.1.0', '1.3.0', '1.4.0'])
    await expectCode('unpin 1.1.0', 0)
    await expectCode('prune', 0)
    expect(readdirSync(join(deployTo[1] ?? '', 'releases')).toSorted()).toEqual(['1.3.0', '1.4.0'])
    expect(readFileSync(join(deployTo[0] ?? '', 'current/log/today'), 'utf8')).toBe('kept\n')
    const { stdout } = await expectCode('history', 0)
    for (const word of ['release', 'put-back', 'rollback', 'pin', 'unpin']) expect(stdout).toContain(` ${word} `)
    for (const one of deployTo) expect(await leftovers(one)).toEqual([])
  }, 240_000)

  it('cannot run hooks and exec checks, which is said before anything is touched', async () => {
    await build('1.0.0')
    await configure({ hooks: { afterSwitch: [{ run: 'reload', role: 'app1' }] } })
    const { stderr } = await expectCode('release', 5)
    expect(stderr).toMatch(/web2.*runs no programs/)
    expect(stderr).toContain('hook: reload')
    expect(stderr).not.toMatch(/web1.*runs no programs/)
    await configure({ health: [{ exec: './run' }] })
    expect((await expectCode('release', 5)).stderr).toContain('check: exec ./run ends with 0')
    for (const one of deployTo) expect(readdirSync(join(one, '..'))).not.toContain(`shop ${turn}`)
    // For other hosts they may stand in the same file.
    await configure({ hooks: { afterSwitch: [{ run: 'reload', role: 'db' }] } })
    await expectCode('release', 0)
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
  }, 120_000)

  it('have nothing half when ship is killed, and the next run cleans up and ends well', async () => {
    await build('1.0.0')
    await expectCode('release', 0)
    let before = '1.0.0'
    for (const [i, at] of ['step.progress stage', 'step.finished stage', 'step.finished switch'].entries()) {
      const version = `1.${i + 1}.0`
      await build(version)
      const env = { NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: at }
      const { signal, stdout } = await run('release --json', { env })
      expect(signal, stdout).toBe('SIGKILL')
      for (const found of await live()) expect([before, version]).toContain(found)
      const { stderr } = await expectCode('release', 0)
      expect(stderr).toContain('took over the lock of a run that ended')
      expect(await live()).toEqual([version, version])
      for (const one of deployTo) expect(await leftovers(one)).toEqual([])
      before = version
    }
  }, 240_000)

  it('get the whole release when the connection is cut while it is sent', async () => {
    mkdirSync(join(shop.dir, 'app'), { recursive: true })
    await build('1.0.0', { noise: 'many bytes of a file that takes a while\n'.repeat(100_000) })
    const { stdout } = await expectCode('release --json', 0, {
      when: '"event":"step.progress","step":"stage","host":"web1"',
      onSeen: () => void fleet.hosts[0]?.sshd.cut(),
    })
    expect(stdout).toContain('the connection was cut')
    expect(await live()).toEqual(['1.0.0', '1.0.0'])
    for (const one of deployTo) expect(await leftovers(one)).toEqual([])
  }, 120_000)
})

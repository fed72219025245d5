/** A project that is released to strange hosts, all at once, and the oracle's word on each of them after every command. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { makeShop, type Shop } from '../stories/shop.ts'
import { ship, type ShipOptions, type ShipResult } from '../support/cli.ts'
import { losses, snapshotOf } from './oracle.ts'
import { startStrangers, type Strangeness, type StrangeHost } from './strange.ts'

export interface StrangeStory {
  readonly hosts: ReadonlyMap<string, StrangeHost>
  /** Configuration of `ssh` that knows the hosts by name. */
  readonly sshConfigFile: string
  readonly shop: Shop
  host(name: string): StrangeHost
  configure(
    release: Readonly<Record<string, unknown>>,
    more?: (host: StrangeHost) => Readonly<Record<string, unknown>>,
  ): Promise<void>
  build(version: string, more?: Readonly<Record<string, string>>): Promise<void>
  run(args: string, options?: ShipOptions): Promise<ShipResult>
  /** Runs it on all hosts, and expects its exit code and that nothing was lost on any; resolves to what it said. */
  play(args: string, code: number, goal: string): Promise<string>
  dispose(): Promise<void>
}

export async function makeStrangeStory(kinds: Readonly<Record<string, Strangeness>>): Promise<StrangeStory> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-strangers-'))
  const shop = await makeShop(dir)
  const strangers = await startStrangers(kinds)
  const hosts = new Map(strangers.hosts.map((host) => [host.name, host]))
  let entries: readonly { readonly deployTo: string }[] = []
  const story: StrangeStory = {
    hosts,
    sshConfigFile: strangers.sshConfigFile,
    shop,
    host(name) {
      const host = hosts.get(name)
      if (!host) throw new RangeError(`there is no host "${name}"`)
      return host
    },
    async configure(release, more = () => ({})) {
      entries = strangers.hosts.map((host) => ({ host: host.name, deployTo: host.deployTo, ...more(host) }))
      await shop.configure({
        name: 'shop',
        build: { from: 'app' },
        release,
        environments: { production: { hosts: entries } },
      })
    },
    async build(version, more) {
      await shop.write(version, more)
      const { code, stderr } = await story.run('build')
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    },
    run: (args, options = {}) =>
      ship(args, {
        cwd: dir,
        ...options,
        // What it knows of releases from earlier runs would spare it questions.
        env: {
          SHIP_SSH_CONFIG: strangers.sshConfigFile,
          NO_COLOR: '1',
          XDG_CACHE_HOME: join(dir, 'cache'),
          ...options.env,
        },
      }),
    async play(args, code, goal) {
      const roots = entries.map(({ deployTo }) => deployTo)
      const before = Object.fromEntries(roots.map((root) => [root, snapshotOf(root)]))
      const result = await story.run(args)
      const said = result.stdout + result.stderr
      expect(result.code, `ship ${args}: ${said}`).toBe(code)
      const expectation = { before, goals: [goal], mayCome: [], code, mayGo: [] }
      expect(losses(roots, { ...expectation, settled: false })).toEqual([])
      // Before anything was made there is nothing to judge.
      if (code !== 5) expect(losses(roots, { ...expectation, settled: true })).toEqual([])
      return said
    },
    async dispose() {
      await strangers.dispose()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return story
}

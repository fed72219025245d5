/** A place for stories of packages: Debian hosts, a project whose releases are .debs, and what dpkg says on each host. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { ship, type ShipOptions, type ShipResult } from '../support/cli.ts'
import { startDebianHosts, type DebianHosts } from '../support/debian-hosts.ts'

interface Told {
  readonly hosts: readonly {
    readonly version?: string
    readonly state?: string
    readonly releases: readonly { readonly version: string; readonly state: string }[]
  }[]
}

export interface DebPlace {
  readonly hosts: DebianHosts
  readonly dir: string
  /** Settings of a release, of the package and of the rest. */
  configure(release?: object, deb?: object, more?: object): void
  ship(args: string | readonly string[], options?: ShipOptions): Promise<ShipResult>
  /** Runs ship and expects an exit code. */
  ends(args: string | readonly string[], code: number): Promise<ShipResult>
  /** The data of a command's JSON. */
  answer(command: string): Promise<Told>
  /** Releases, and kills ship when something is so. With `afterMs` all that runs on the hosts as well, so much later. */
  killedWhen(isSo: () => boolean, afterMs?: number): Promise<ShipResult>
  /** What dpkg finds half done on each host. */
  audit(): Promise<string[]>
  /** Builds a version; `deb` settings are its own, and `files` are of the app. */
  build(version: string, deb?: object, files?: Readonly<Record<string, string>>): Promise<void>
  /** What each host runs, as its dpkg and its folders say. */
  runs(): Promise<string[]>
  /** A path of the first host, or of another, seen from outside. */
  at(path: string, host?: number): string
  /** The hosts as if the app had never been there. */
  fresh(): Promise<void>
  dispose(): Promise<void>
}

export async function makeDebPlace(size: number): Promise<DebPlace> {
  const hosts = await startDebianHosts(size)
  const dir = mkdtempSync(join(tmpdir(), 'ship-deb-place-'))
  mkdirSync(join(dir, 'app'))
  const env = { SHIP_SSH_CONFIG: hosts.fleet.sshConfigFile, NO_COLOR: '1', XDG_CACHE_HOME: join(dir, 'cache') }
  let settings: readonly (object | undefined)[] = []
  const write = (own: object): void => {
    const [release = {}, deb = {}, more = {}] = settings
    const config = {
      name: 'shop',
      build: { from: 'app', formats: ['deb'] },
      deb: {
        maintainer: 'Shop <ops@shop.example.org>',
        description: 'sells things',
        compression: 'gzip:1',
        ...deb,
        ...own,
      },
      release: { format: 'deb', ...release },
      environments: { production: { hosts: hosts.fleet.hosts.map(({ name }) => name) } },
      ...more,
    }
    writeFileSync(join(dir, 'ship.config.json'), JSON.stringify(config, null, 2))
  }
  const place: DebPlace = {
    hosts,
    dir,
    configure(...given) {
      settings = given
      write({})
    },
    ship: (args, options = {}) => ship(args, { cwd: dir, ...options, env: { ...env, ...options.env } }),
    async build(version, deb = {}, files = {}) {
      writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'shop', version, private: true }))
      rmSync(join(dir, 'app'), { recursive: true })
      mkdirSync(join(dir, 'app'))
      const all = { VERSION: `${version}\n`, health: 'ok\n', 'page one': `${version}\n`.repeat(50), ...files }
      for (const [path, text] of Object.entries(all)) writeFileSync(join(dir, 'app', path), text)
      write(deb)
      const { code, stderr } = await place.ship('build')
      if (code !== 0) throw new Error(`the build of ${version} failed: ${stderr}`)
      write({})
    },
    async ends(args, code) {
      const result = await place.ship(args)
      const said = result.code === code ? '' : result.stderr + result.stdout
      expect({ code: result.code, said }).toEqual({ code, said: '' })
      return result
    },
    async answer(command) {
      const { stdout } = await place.ends(`${command} --json`, 0)
      const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { data: Told }
      return last.data
    },
    async killedWhen(isSo, afterMs) {
      let child: { kill(signal: NodeJS.Signals): void } | undefined
      const running = place.ship('release --yes', { onStart: (started) => void (child = started) })
      while (!isSo()) await sleep(10)
      await sleep(afterMs ?? 0)
      child?.kill('SIGKILL')
      if (afterMs !== undefined) for (const { path } of hosts.roots) endAllIn(path)
      return running
    },
    audit: () => Promise.all(hosts.roots.map(async (root) => (await root.run(['dpkg', '--audit'])).stdout)),
    runs: () => Promise.all(hosts.roots.map((_, index) => runsOn(index))),
    at: (path, host = 0) => join(hosts.roots[host]?.path ?? '', path),
    async fresh() {
      for (const root of hosts.roots) {
        await root.run(['dpkg', '--purge', '--force-all', 'shop'])
        rmSync(join(root.path, 'opt/shop'), { recursive: true, force: true })
      }
      rmSync(join(dir, 'dist'), { recursive: true, force: true })
      place.configure()
    },
    async dispose() {
      await hosts.dispose()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  async function runsOn(index: number): Promise<string> {
    const root = hosts.roots[index]
    const format = '${db:Status-Status} ${Version}'
    const { code, stdout } = (await root?.run(['dpkg-query', '-W', `-f=${format}`, 'shop'])) ?? { code: 1, stdout: '' }
    const said = code === 0 ? stdout.trim() : 'absent'
    const app = place.at('opt/shop', index)
    const current = existsSync(join(app, 'current')) ? readlinkSync(join(app, 'current')) : 'none'
    if (current === 'none') return said
    const [version = '', page = ''] = ['VERSION', 'page one'].map((f) => readFileSync(join(app, 'current', f), 'utf8'))
    const whole = page === version.repeat(50)
    const others = readdirSync(join(app, 'releases')).filter((name) => `releases/${name}` !== current)
    return [said, current, whole ? 'whole' : 'torn', ...others].join(', ')
  }
  place.configure()
  return place
}

/** Ends all that runs inside a root, at once, as a power cut does. */
function endAllIn(root: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readlinkSync(`/proc/${pid}/root`) === root) process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended meanwhile.
    }
  }
}

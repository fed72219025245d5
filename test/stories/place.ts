/** A place for a story: three real sshd, a project, and ship with their ssh configuration. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ship, type ShipOptions, type ShipResult } from '../support/cli.ts'
import { startFleet, type Fleet, type FleetHost, type FleetOptions } from '../support/fleet.ts'
import { makeShop, type Shop } from './shop.ts'

export interface Place {
  readonly fleet: Fleet
  readonly shop: Shop
  /** May be changed before `configure`. */
  readonly deployTo: string[]
  /** Settings of a release and of the build, for all hosts. */
  configure(release?: Readonly<Record<string, unknown>>, more?: Readonly<Record<string, unknown>>): Promise<void>
  ship(args: string | readonly string[], options?: ShipOptions): Promise<ShipResult>
  /** Writes sources of a version and builds it. */
  build(version: string, more?: Readonly<Record<string, string>>): Promise<void>
  /** Folders of the hosts as if they were new. */
  fresh(): Promise<void>
  dispose(): Promise<void>
}

export async function makePlace(size = 3, options: FleetOptions = {}): Promise<Place> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-story-'))
  const fleet = await startFleet(size, options)
  let shop = await makeShop(join(dir, 'shop'))
  let turn = 0
  const deployTo: string[] = []
  const place: Place = {
    fleet,
    get shop() {
      return shop
    },
    deployTo,
    configure: (release = {}, more = {}) =>
      shop.configure({
        name: 'shop',
        build: { from: 'app' },
        release,
        environments: { production: { hosts: fleet.hosts.map((host, i) => hostEntry(host, deployTo[i] ?? '')) } },
        ...more,
      }),
    ship: (args, more = {}) =>
      ship(args, { cwd: shop.dir, ...more, env: { SHIP_SSH_CONFIG: fleet.sshConfigFile, NO_COLOR: '1', ...more.env } }),
    async build(version, more) {
      await shop.write(version, more)
      const { code, stderr } = await place.ship('build')
      if (code !== 0) throw new Error(`the build of ${version} failed: ${stderr}`)
    },
    async fresh() {
      turn += 1
      shop = await makeShop(join(dir, `shop ${turn}`))
      deployTo.splice(0, deployTo.length, ...fleet.hosts.map(({ root }) => join(root, `shop ${turn}`)))
      await place.configure()
    },
    async dispose() {
      await fleet.dispose()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  await place.fresh()
  return place
}

function hostEntry({ name }: FleetHost, deployTo: string): unknown {
  return { host: name, deployTo }
}

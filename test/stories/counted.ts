/** A place for stories about what is sent: two real sshd, the first also as `counted`, through a relay that counts. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ship, type ShipOptions, type ShipResult } from '../support/cli.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { startRelay, type Relay } from '../hosts/relay.ts'
import { makeShop, type Shop } from './shop.ts'

export interface Counted {
  /** Removed by `dispose`. */
  readonly dir: string
  readonly fleet: Fleet
  readonly relay: Relay
  readonly shop: Shop
  /** A folder of its own to deploy to, for each `fresh`. */
  readonly root: string
  fresh(): Promise<void>
  configure(hosts: readonly unknown[], release?: Readonly<Record<string, unknown>>): Promise<void>
  /** Writes sources of a version and builds it. */
  build(version: string, more?: Readonly<Record<string, string | Buffer>>): Promise<void>
  ship(args: string, more?: ShipOptions): Promise<ShipResult>
  expectCode(args: string, code: number, more?: ShipOptions): Promise<ShipResult>
  /** Bytes on the wire of `counted`, both directions, the connection's own included. */
  wire(work: () => Promise<unknown>): Promise<number>
  dispose(): Promise<void>
}

export async function makeCounted(): Promise<Counted> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-counted-'))
  const fleet = await startFleet(2)
  const [one] = fleet.hosts
  if (!one) throw new Error('no host')
  const relay = await startRelay(one)
  const keys = one.sshd.hostKeys.map((key) => `[127.0.0.1]:${relay.port} ${key}\n`).join('')
  writeFileSync(fleet.knownHostsFile, readFileSync(fleet.knownHostsFile, 'utf8') + keys)
  const host = `Host counted\n  HostName 127.0.0.1\n  Port ${relay.port}\n  User ${one.user}\n`
  writeFileSync(fleet.sshConfigFile, host + readFileSync(fleet.sshConfigFile, 'utf8'))
  let shop = await makeShop(join(dir, 'shop'))
  let turn = 0
  const counted: Counted = {
    dir,
    fleet,
    relay,
    get shop() {
      return shop
    },
    get root() {
      return join(dir, `host ${turn}`)
    },
    async fresh() {
      turn += 1
      shop = await makeShop(join(dir, `shop ${turn}`))
    },
    configure: (hosts, release = {}) =>
      shop.configure({ name: 'shop', build: { from: 'app' }, release, environments: { production: { hosts } } }),
    async build(version, more = {}) {
      await shop.write(version)
      for (const [path, content] of Object.entries(more)) {
        mkdirSync(join(shop.dir, 'app', path, '..'), { recursive: true })
        writeFileSync(join(shop.dir, 'app', path), content)
      }
      await counted.expectCode('build', 0)
    },
    ship: (args, more = {}) =>
      ship(args, { cwd: shop.dir, ...more, env: { SHIP_SSH_CONFIG: fleet.sshConfigFile, NO_COLOR: '1', ...more.env } }),
    async expectCode(args, code, more) {
      const result = await counted.ship(args, more)
      expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
      return result
    },
    async wire(work) {
      relay.reset()
      await work()
      return relay.bytes()
    },
    async dispose() {
      await relay.close()
      await fleet.dispose()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return counted
}

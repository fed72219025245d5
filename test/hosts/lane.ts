/**
 * A place where one schedule after another is played: four hosts that are made anew each time from a copy, each behind a relay and with a
 * small disk of its own, and a project whose versions are built already. Several lanes run side by side.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ship, type ShipOptions, type ShipResult } from '../support/cli.ts'
import { startFleet, type FleetHost } from '../support/fleet.ts'
import type { Sshd } from '../support/sshd.ts'
import { startRelay, type Relay } from './relay.ts'
import type { Slot } from './schedule.ts'

const run = promisify(execFile)

export const AS_ROOT = process.getuid?.() === 0

/** Live at the begin; the one before it; the next one. */
export const LIVE = '1.2.0'
export const BEFORE = '1.1.0'
export const NEXT = '1.3.0'
const BUILT = ['1.0.0', BEFORE, LIVE, NEXT]
const DISK_BYTES = 8 * 1024 * 1024

/** Bundles of all versions, and a host as it is after the releases up to each. */
export interface Template {
  readonly dir: string
  readonly dist: string
  hostAt(version: string): string
}

/** Builds and releases to a folder of this machine, once for all lanes. */
export async function makeTemplate(): Promise<Template> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-template-'))
  const host = join(dir, 'host')
  const template: Template = { dir, dist: join(dir, 'dist'), hostAt: (version) => join(dir, `at ${version}`) }
  mkdirSync(join(dir, 'app/deep'), { recursive: true })
  writeConfig(dir, { hosts: [{ host: 'here', local: host }] })
  for (const version of BUILT) {
    writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'shop', version }))
    writeFileSync(join(dir, 'app/VERSION'), `${version}\n`)
    writeFileSync(join(dir, 'app/same'), 'the same in all of them\n'.repeat(20))
    writeFileSync(join(dir, 'app/deep/page'), `${version} page\n`.repeat(200))
    for (const command of version === NEXT ? ['build'] : ['build', 'release']) {
      const { code, stderr } = await ship(command, { cwd: dir })
      if (code !== 0) throw new Error(`${command} of ${version}: ${stderr}`)
    }
    execFileSync('cp', ['-a', host, template.hostAt(version)])
  }
  return template
}

export interface LaneHost {
  readonly slot: Slot
  /** Its deployTo: another folder for each play, so that whatever an earlier one left running on the host finds nothing of this one. */
  readonly root: string
  /** Leaves the folder of the play before, for one that is not there yet. */
  move(): void
  readonly relay?: Relay
  readonly sshd?: Sshd
  /** Fills its disk, or makes room again. */
  fill(): void
  free(): void
}

export interface Lane {
  readonly hosts: ReadonlyMap<Slot, LaneHost>
  /** As after the release of a version, some of them locked by a run that died. */
  fresh(slots: readonly Slot[], at: (slot: Slot) => string, locked: readonly Slot[]): Promise<void>
  configure(slots: readonly Slot[], ill: readonly Slot[], release: Readonly<Record<string, unknown>>): void
  /** A configuration of the same hosts under names that sort the other way round; resolves to its path. */
  reversed(slots: readonly Slot[]): string
  /** By its relays, or past them. */
  ship(args: string, way: 'relay' | 'direct', options?: ShipOptions): Promise<ShipResult>
  dispose(): Promise<void>
}

export async function makeLane(template: Template): Promise<Lane> {
  const dir = mkdtempSync(AS_ROOT ? '/run/ship-lane-' : join(tmpdir(), 'ship-lane-'))
  const caged = [`ChrootDirectory ${dir}`, 'ForceCommand internal-sftp']
  const fleet = await startFleet(AS_ROOT ? 3 : 2, { dir, config: (index) => (index === 2 ? caged : []) })
  const relays = await Promise.all(fleet.hosts.map((host) => startRelay(host)))
  const viaRelay = join(dir, 'ssh_config_relay')
  writeRelayConfig(fleet.hosts, relays, { from: fleet.sshConfigFile, to: viaRelay, known: fleet.knownHostsFile })
  writeAliases(fleet.hosts, fleet.sshConfigFile)
  const project = join(dir, 'project')
  mkdirSync(project)
  symlinkSync(template.dist, join(project, 'dist'))
  const hosts = new Map<Slot, LaneHost>()
  const disks: string[] = []
  const slots: readonly Slot[] = AS_ROOT ? ['web1', 'web2', 'files', 'here'] : ['web1', 'web2', 'here']
  for (const slot of slots) {
    const index = slot === 'here' ? -1 : ['web1', 'web2', 'files'].indexOf(slot)
    const disk = fleet.hosts[index]?.root ?? join(dir, 'here')
    mkdirSync(disk, { recursive: true })
    if (AS_ROOT) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},nr_inodes=2000`, 'tmpfs', disk])
    disks.push(disk)
    hosts.set(slot, laneHost(slot, disk, { relay: relays[index], sshd: fleet.hosts[index]?.sshd }))
  }
  return {
    hosts,
    async fresh(used, at, locked) {
      for (const slot of used) {
        const host = hosts.get(slot)
        if (!host) continue
        host.move()
        await run('cp', ['-a', template.hostAt(at(slot)), host.root])
        if (locked.includes(slot)) plantLock(host.root)
      }
    },
    configure(used, ill, release) {
      const entries = used.map((slot) => ({
        ...entryOf(slot, hosts.get(slot)?.root ?? '', dir),
        roles: ill.includes(slot) ? ['ill'] : [],
      }))
      writeConfig(project, { hosts: entries, release })
    },
    reversed(used) {
      const entries = used.map((slot, index) => {
        const entry = entryOf(slot, hosts.get(slot)?.root ?? '', dir)
        return slot === 'here' ? { ...entry, host: `z${9 - index}` } : { ...entry, host: `z${9 - index}.${slot}` }
      })
      return writeConfig(project, { hosts: entries, release: { keep: 2 } }, 'turned.config.json')
    },
    ship: (args, way, options = {}) =>
      ship(`${args} --json`, {
        cwd: project,
        ...options,
        env: { SHIP_SSH_CONFIG: way === 'relay' ? viaRelay : fleet.sshConfigFile, NO_COLOR: '1', ...options.env },
      }),
    async dispose() {
      await Promise.all(relays.map((relay) => relay.close()))
      for (const host of fleet.hosts) await host.sshd.stop()
      if (AS_ROOT) for (const disk of disks) execFileSync('umount', ['-l', disk])
      await fleet.dispose()
    },
  }
}

function laneHost(
  slot: Slot,
  disk: string,
  { relay, sshd }: { readonly relay: Relay | undefined; readonly sshd: Sshd | undefined },
): LaneHost {
  const filler = join(disk, 'filler')
  let play = 0
  const rootOf = (number: number): string => join(disk, `app${number}`)
  return {
    slot,
    get root() {
      return rootOf(play)
    },
    move() {
      rmSync(rootOf(play), { recursive: true, force: true, maxRetries: 5 })
      play += 1
    },
    ...(relay ? { relay } : {}),
    ...(sshd ? { sshd } : {}),
    fill() {
      const { bfree, bsize } = statfsSync(disk)
      try {
        writeFileSync(filler, Buffer.alloc(bfree * bsize, 1))
      } catch {
        // Something was written meanwhile; what is left is taken, and that is what it is for.
      }
    },
    free: () => rmSync(filler, { force: true }),
  }
}

function entryOf(slot: Slot, root: string, dir: string): Record<string, unknown> {
  if (slot === 'here') return { host: slot, local: root }
  return slot === 'files' ? { host: 'web3', deployTo: root.slice(dir.length) } : { host: slot, deployTo: root }
}

function writeConfig(
  dir: string,
  { hosts, release = {} }: { readonly hosts: unknown; readonly release?: unknown },
  name = 'ship.config.json',
): string {
  const config = { name: 'shop', build: { from: 'app' }, release, environments: { production: { hosts } } }
  writeFileSync(join(dir, name), JSON.stringify(config))
  return join(dir, name)
}

function writeRelayConfig(
  hosts: readonly FleetHost[],
  relays: readonly Relay[],
  { from, to, known }: { readonly from: string; readonly to: string; readonly known: string },
): void {
  const keys: string[] = []
  const aliases = hosts.map(({ name, user, sshd }, index) => {
    const port = relays[index]?.port ?? 0
    keys.push(...sshd.hostKeys.map((key) => `[127.0.0.1]:${port} ${key}\n`))
    return `Host ${name}\n  HostName 127.0.0.1\n  Port ${port}\n  User ${user}\n`
  })
  writeFileSync(known, readFileSync(known, 'utf8') + keys.join(''))
  // The first value counts.
  writeFileSync(to, aliases.join('') + readFileSync(from, 'utf8'))
}

/** Every host under further names that end in its own. */
function writeAliases(hosts: readonly FleetHost[], file: string): void {
  const aliases = hosts.map(
    ({ name, address, port, user }) => `Host *.${name}\n  HostName ${address}\n  Port ${port}\n  User ${user}\n`,
  )
  writeFileSync(file, aliases.join('') + readFileSync(file, 'utf8'))
}

/** The lock of a run that died before the machine was started the last time. */
function plantLock(root: string): void {
  const token = 'deadbeef'.repeat(4)
  const dir = join(root, '.ship/lock', token)
  mkdirSync(dir, { recursive: true })
  const client = { host: hostname(), bootId: 'gone', pid: 1, startTime: '1' }
  const owner = {
    schema: 1,
    token,
    run: 'dead',
    user: 'dead@gone',
    client,
    doing: 'release 1.3.0',
    since: new Date(0).toISOString(),
  }
  writeFileSync(join(dir, 'owner'), `${JSON.stringify(owner)}\n`)
  writeFileSync(join(dir, 'beat'), '1 gone\n')
}

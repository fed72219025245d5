/** What balancers say before a run, and what that means for its plan. Pure. */
import type { DrainSpec } from '../config/balancers.ts'
import { drainByType } from '../drain/index.ts'
import type { Pool, Standing } from '../drain/drain.ts'
import { ShipError } from '../errors.ts'
import type { HostState } from '../host/session.ts'
import type { HostName } from '../names.ts'

/** The pools of one drain on one balancer, as seen before a run. `balancer` is undefined where a command acts and nobody can tell. */
export interface SeenPools {
  readonly spec: DrainSpec
  readonly balancer: HostName | undefined
  readonly pools: readonly Pool[]
}

/**
 * Why a host that runs the right release still has work to do: a run that died left it out of a balancer. Where nobody can tell, the
 * lock of a dead run speaks for it.
 */
export function leftOut(seen: readonly SeenPools[], host: HostName, state: HostState): string | undefined {
  for (const { spec, balancer, pools } of seen) {
    const server = spec.servers.get(host)
    if (server === undefined) continue
    if (pools.some((pool) => pool.servers.get(server) === 'drained'))
      return `out of "${balancer}" since a run that ended before it was done`
    const died = /^(?:release|rollback) /.test(state.lock?.owner.doing ?? '')
    if (balancer === undefined && died)
      return 'a run that ended before it was done may have taken it out of its balancer'
  }
  return undefined
}

/** One text for each balancer that a host is taken out of: "nginx /etc/nginx/conf.d/shop.conf on lb1". */
export function describeDrains(drains: readonly DrainSpec[], host: HostName): string[] {
  return drains
    .filter(({ servers }) => servers.has(host))
    .flatMap(({ type, options, on }) => {
      const where = typeof on === 'string' ? [on] : on.map(({ name }) => name)
      return where.map((place) => `${drainByType(type).describe(options)} on ${place}`)
    })
}

/** Refuses waves that would leave a pool without a server that gets requests, and hosts that their balancer does not know. */
export function refusePools(waves: readonly (readonly HostName[])[], seen: readonly SeenPools[]): void {
  for (const one of seen) {
    const { spec, balancer, pools } = one
    if (balancer !== undefined) refuseUnknown(waves.flat(), one)
    if (spec.allowEmpty) continue
    const all = new Map([...spec.servers.values()].map((server): [string, Standing] => [server, 'in']))
    const watched = balancer === undefined ? [{ name: 'their balancer', servers: all }] : pools
    for (const pool of watched) {
      const emptied = emptyingWave(waves, spec, pool.servers)
      if (emptied) throw emptyError(emptied, one, pool)
    }
  }
}

/** Whether a server is the only one of its pool that gets requests. */
export function isLast(pool: Pool, servers: readonly string[]): boolean {
  const gets = [...pool.servers].filter(([, standing]) => standing === 'in').map(([server]) => server)
  return gets.length > 0 && gets.every((server) => servers.includes(server))
}

/** The first wave whose hosts are all that get requests when it begins. */
function emptyingWave(
  waves: readonly (readonly HostName[])[],
  spec: DrainSpec,
  servers: ReadonlyMap<string, Standing>,
): readonly HostName[] | undefined {
  const now = new Map(servers)
  for (const wave of waves) {
    const mine = wave.flatMap((host) => spec.servers.get(host) ?? [])
    if (isLast({ name: '', servers: now }, mine)) return wave
    // Through its wave, a host is up; what a person took out stays out.
    for (const server of mine) if (now.has(server) && now.get(server) !== 'out') now.set(server, 'in')
  }
  return undefined
}

function emptyError(wave: readonly HostName[], { spec, balancer }: SeenPools, pool: Pool): ShipError {
  const away = [...pool.servers].filter(([, standing]) => standing !== 'in')
  const where = balancer === undefined ? pool.name : `"${pool.name}" on "${balancer}"`
  return new ShipError('refused', `draining ${wave.join(', ')} would leave ${where} without a server`, {
    step: 'plan',
    state: 'nothing was changed on any host',
    details: away.map(([server, standing]) => `${server} is ${IN_WORDS[standing]}`),
    next: [
      ...(spec.servers.size > 1 ? ['switch fewer at once: release.strategy { type: "rolling", batch: 1 }'] : []),
      'or give the pool another host',
      'or let it be empty meanwhile: "allowEmpty": true in release.drain',
    ],
  })
}

const IN_WORDS: Readonly<Record<Standing, string>> = {
  in: 'up',
  sick: 'down by the check of the balancer',
  drained: 'drained by a run before',
  out: 'taken out by a person',
}

function refuseUnknown(hosts: readonly HostName[], { spec, balancer, pools }: SeenPools): void {
  const missing = hosts.filter((host) => {
    const server = spec.servers.get(host)
    return server !== undefined && !pools.some((pool) => pool.servers.has(server))
  })
  const [host] = missing
  if (host === undefined) return
  const there = pools.flatMap((pool) => [...pool.servers.keys()])
  const what = drainByType(spec.type).describe(spec.options)
  throw new ShipError('config', `"${spec.servers.get(host)}" is no server of ${what} on "${balancer}"`, {
    host: missing.join(', '),
    step: 'plan',
    state: 'nothing was changed on any host',
    details: [`known there: ${there.slice(0, 10).join(', ') || 'none'}`],
    next: ['add the server to the balancer, or correct "server" of release.drain'],
  })
}

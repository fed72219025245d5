/**
 * Takes hosts out of their balancers and puts them back. Changes of one balancer are made one after the other, and those that are asked
 * for meanwhile go together in the next one; the waiting for requests under way goes on side by side.
 */
import type { DrainSpec } from '../config/balancers.ts'
import type { Environment } from '../config/environment.ts'
import type { Change, Changed, Drain, DrainHost, DrainServer } from '../drain/drain.ts'
import { drainByType } from '../drain/index.ts'
import { ShipError } from '../errors.ts'
import { stepOnHosts, type Fleet } from '../fleet/fleet.ts'
import { allOrThrow } from '../fleet/results.ts'
import type { Io } from '../io.ts'
import type { HostName } from '../names.ts'
import { runLocal } from '../process.ts'
import type { Host } from '../transport/transport.ts'
import { isLast, type SeenPools } from './pools.ts'

interface DrainOptions {
  /** For commands: what hooks are told. */
  readonly env: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Drains the last server of a pool as well: on the way back, where waiting for another one would not help. */
  readonly evenLast?: boolean
}

export interface Drains {
  /** Resolves when nobody sends requests to the host any more; '' when it stands in no balancer. */
  out(host: Host, options: DrainOptions): Promise<string>
  /** Resolves when its balancers send requests to it again. */
  in(host: Host, options: DrainOptions): Promise<string>
}

/** Where one drain acts for one host: `name` is for people and for the queue. */
interface Place {
  readonly spec: DrainSpec
  readonly name: string
  readonly isShared: boolean
  reach(signal: AbortSignal): Promise<DrainHost>
}

/** Asks every balancer of the environment for its pools. Connects to them first; rejects when one is not reached or does not answer. */
export async function observePools(fleet: Fleet, io: Io): Promise<SeenPools[]> {
  const { environment } = fleet
  const { drains, projectDir } = environment
  const balancers = new Map(
    drains.flatMap(({ on }) => (typeof on === 'string' ? [] : on.map((host) => [host.name, host]))),
  )
  const hosts = [...balancers.values()]
  await fleet.join(hosts, io)
  const results = await stepOnHosts(io, 'pools', hosts, async (host) => {
    const seen: SeenPools[] = []
    for (const spec of drains) {
      if (typeof spec.on === 'string' || !spec.on.includes(host)) continue
      const kind = drainByType(spec.type)
      const scope = { all: [...spec.servers.values()], projectDir, signal: io.signal }
      const pools = await kind.pools(drainHost(fleet, host.name), spec.options, scope)
      seen.push({ spec, balancer: kind.onBalancers ? host.name : undefined, pools })
    }
    return { value: seen }
  })
  const seen = allOrThrow(results, { state: 'nothing was changed on any host' }).flat()
  const blind = drains.filter(({ on }) => typeof on === 'string')
  return [...seen, ...blind.map((spec) => ({ spec, balancer: undefined, pools: [] }))]
}

/** The drains of one run. */
export function drainsOf(fleet: Fleet, io: Io): Drains {
  const queues = new Map<string, (server: DrainServer, to: Change['to'], options: DrainOptions) => Promise<Changed>>()
  const move = async (host: Host, to: Change['to'], options: DrainOptions): Promise<string> => {
    const places = placesOf(fleet, host)
    await Promise.all(
      places.map(async (place) => {
        const server = { server: place.spec.servers.get(host.name) ?? '', env: options.env }
        const key = `${fleet.environment.drains.indexOf(place.spec)} ${place.name}`
        const queue = queues.get(key) ?? changesOf(place, fleet.environment)
        queues.set(key, queue)
        try {
          const changed = await queue({ ...server, env: { ...server.env, SHIP_SERVER: server.server } }, to, options)
          const late = await changed.settle()
          if (late !== undefined) io.emit({ event: 'warning', host: host.name, message: `${late} (${place.name})` })
        } catch (error) {
          throw placed(error, place, to)
        }
      }),
    )
    return [...new Set(places.map(({ name }) => name))].join(', ')
  }
  return {
    out: async (host, options) => told('out of', await move(host, 'drained', options)),
    in: async (host, options) => told('back in', await move(host, 'in', options)),
  }
}

/** Whether a host stands in any balancer. */
export function isDrained(environment: Environment, host: HostName): boolean {
  return environment.drains.some(({ servers }) => servers.has(host))
}

function told(what: string, places: string): string {
  return places === '' ? '' : `${what} ${places}`
}

function placed(error: unknown, { name }: Place, to: Change['to']): unknown {
  if (!(error instanceof ShipError)) return error
  const doing = to === 'drained' ? 'could not be taken out of' : 'could not be put back into'
  const { reason, details, next, cause } = error
  // What is wrong with a balancer is no lost host and no wrong configuration any more: something may have been switched.
  const known = reason === 'sigint' || reason === 'sigterm' || reason === 'locked' ? reason : 'not-switched'
  return new ShipError(known, `${doing} "${name}": ${error.message}`, { details, next, cause: cause ?? error })
}

/** All places at which a host stands in a balancer. */
function placesOf(fleet: Fleet, host: Host): Place[] {
  return fleet.environment.drains.flatMap((spec): Place[] => {
    if (!spec.servers.has(host.name)) return []
    const remote = (name: string, cwd?: string) => async (signal: AbortSignal) => {
      await fleet.reconnect(name, signal)
      return drainHost(fleet, name, cwd)
    }
    if (spec.on === 'host') return [{ spec, name: host.name, isShared: false, reach: remote(host.name, host.deployTo) }]
    if (spec.on === 'client')
      return [{ spec, name: 'this machine', isShared: false, reach: () => Promise.resolve(thisMachine(fleet)) }]
    return spec.on.map(({ name }) => ({
      spec,
      name,
      isShared: drainByType(spec.type).onBalancers,
      reach: remote(name),
    }))
  })
}

function drainHost(fleet: Fleet, name: string, cwd = '/'): DrainHost {
  return {
    run: (argv, options) => fleet.session(name).run(argv, { cwd, ...options }),
    dial: (address, port, signal) => fleet.session(name).dial(address, port, signal),
  }
}

function thisMachine(fleet: Fleet): DrainHost {
  return {
    run: (argv, options) => runLocal(argv, { cwd: fleet.environment.projectDir, ...options }),
    dial: () => Promise.reject(new TypeError('a command dials nowhere')),
  }
}

interface Waiting {
  readonly server: DrainServer
  readonly to: Change['to']
  readonly options: DrainOptions
  readonly resolve: (changed: Changed) => void
  readonly reject: (error: unknown) => void
}

/** The changes of one place: one at a time, in the order of asking, those of the same direction together. */
function changesOf(place: Place, environment: Environment) {
  const waiting: Waiting[] = []
  let busy = false
  const work = async (): Promise<void> => {
    // Whoever asks in the same moment, as the hosts of a wave do, goes along.
    await new Promise((resolve) => setImmediate(resolve))
    for (let [first] = waiting; first; [first] = waiting) {
      const { to } = first
      const group = waiting.filter((one) => one.to === to)
      waiting.splice(0, waiting.length, ...waiting.filter((one) => one.to !== to))
      try {
        const changed = await change(place, environment, group)
        for (const one of group) one.resolve(changed)
      } catch (error) {
        for (const one of group) one.reject(error)
      }
    }
    busy = false
  }
  return (server: DrainServer, to: Change['to'], options: DrainOptions): Promise<Changed> =>
    new Promise((resolve, reject) => {
      waiting.push({ server, to, options, resolve, reject })
      if (busy) return
      busy = true
      void work()
    })
}

async function change(place: Place, environment: Environment, group: readonly Waiting[]): Promise<Changed> {
  const { spec } = place
  const kind = drainByType(spec.type)
  const [first] = group
  const signal = AbortSignal.any(group.map(({ options }) => options.signal))
  const host = await place.reach(signal)
  const all = [...spec.servers.values()]
  const to = first?.to ?? 'in'
  const servers = group.map(({ server }) => server)
  const wanted: Change = { all, projectDir: environment.projectDir, signal, to, servers, waitMs: spec.waitMs }
  const allowed = spec.allowEmpty || group.some(({ options }) => options.evenLast === true)
  if (to === 'drained' && !allowed) await refuseLast(kind, host, { spec, change: wanted })
  return kind.change(host, spec.options, wanted)
}

/** The plan looked at this; but what it saw may have changed since, for servers fall ill and people take them out. */
async function refuseLast(
  kind: Drain<unknown>,
  host: DrainHost,
  { spec, change: wanted }: { readonly spec: DrainSpec; readonly change: Change },
): Promise<void> {
  const pools = await kind.pools(host, spec.options, wanted)
  const names = wanted.servers.map(({ server }) => server)
  const emptied = pools.find((pool) => isLast(pool, names))
  if (!emptied) return
  throw new ShipError('not-switched', `no other server of "${emptied.name}" gets requests now`, {
    next: ['bring the other servers up, then run the same command again'],
  })
}

/** Drains of an environment: balancers as hosts, and each host's name there. */
import { ShipError } from '../errors.ts'
import type { HostName } from '../names.ts'
import type { Host } from '../transport/transport.ts'
import type { DrainConfig } from './drain.ts'
import { expandHosts, type HostDefaults } from './inventory.ts'

/** A drain after parsing. */
export interface DrainSpec {
  readonly type: string
  /** Of the kind; parsed by its schema. */
  readonly options: unknown
  /** Where it acts: on these balancers, on the host itself, or on this machine. */
  readonly on: 'host' | 'client' | readonly Host[]
  /** What the balancer calls each host that it concerns; all of the environment's, chosen for a run or not. */
  readonly servers: ReadonlyMap<HostName, string>
  readonly waitMs: number
  readonly allowEmpty: boolean
}

/** Words in a balancer's configuration and in its runtime API: nothing that would end a word there. */
const SERVER = /^[A-Za-z0-9_.:@/[\]-]+$/

/** `hosts` are all of the environment. Rejects with reason `config`. */
export async function balancersOf(
  drains: readonly DrainConfig[],
  hosts: readonly Host[],
  defaults: HostDefaults,
): Promise<DrainSpec[]> {
  return Promise.all(
    drains.map(async ({ type, options, on, server = '{host}', role, wait, allowEmpty }) => {
      const concerned = hosts.filter((host) => role === undefined || host.roles.includes(role))
      const servers = new Map(concerned.map((host) => [host.name, serverName(server, host)]))
      refuseSame(servers)
      const places = typeof on === 'string' ? on : await placesOf(on, hosts, defaults)
      return { type, options, on: places, servers, waitMs: wait, allowEmpty }
    }),
  )
}

/** A name of one of the environment's hosts means that host, with all that is written of it. */
async function placesOf(
  on: Exclude<DrainConfig['on'], string>,
  hosts: readonly Host[],
  defaults: HostDefaults,
): Promise<readonly Host[]> {
  const found = await expandHosts([...on], defaults)
  return found.map((one) => hosts.find((host) => host.name === one.name) ?? one)
}

/** "{address}:8080" -> "10.0.0.7:8080". A label of the host wins over what ship knows of it. */
function serverName(template: string, host: Host): string {
  const own: Record<string, string | undefined> = { host: host.name, address: host.address, user: host.user }
  const name = template.replaceAll(/\{([^{}]*)\}/g, (_, key: string) => {
    const value = host.labels[key] ?? own[key]
    if (value !== undefined) return value
    throw new ShipError('config', `host "${host.name}" has no label "${key}", which "server" of a drain asks for`, {
      next: [`give it one: { host: "${host.name}", labels: { ${key}: "..." } }`],
    })
  })
  if (SERVER.test(name)) return name
  throw new ShipError('config', `"${name}" is not a name that a balancer has for host "${host.name}"`)
}

function refuseSame(servers: ReadonlyMap<HostName, string>): void {
  const seen = new Map<string, HostName>()
  for (const [host, server] of servers) {
    const other = seen.get(server)
    if (other !== undefined) {
      throw new ShipError('config', `hosts "${other}" and "${host}" would both be server "${server}" of a balancer`, {
        next: ['let "server" of the drain name a label that differs: "{address}:{port}" with labels: { port: "8081" }'],
      })
    }
    seen.set(server, host)
  }
}

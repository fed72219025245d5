/**
 * The contract of a drain kind: how servers are taken out of a load balancer and put back, so that nobody is sent to a host while it is
 * switched. A kind runs programs on the balancer by a `Runner` and knows no transport; who is switched when is not its business.
 */
import type { Duplex } from 'node:stream'
import type { ZodType } from 'zod'
import type { Runner } from '../runner.ts'

/** What a kind may do where it acts. */
export interface DrainHost {
  readonly run: Runner
  /** Opens a TCP connection from there. */
  dial(address: string, port: number, signal: AbortSignal): Promise<Duplex>
}

/**
 * in: gets requests. sick: would, but the balancer holds it for down. drained: taken out by ship. out: taken out by somebody else, who
 * has a reason; it stays so, whatever is released there.
 */
export type Standing = 'in' | 'sick' | 'drained' | 'out'

/** Servers that share the requests of one service, by the names that the balancer has for them. */
export interface Pool {
  readonly name: string
  readonly servers: ReadonlyMap<string, Standing>
}

/** What a question or a change is about. */
export interface DrainScope {
  /** Every server of the environment, for files that are written from a template. */
  readonly all: readonly string[]
  /** Absolute folder of the project, for files that the configuration names. */
  readonly projectDir: string
  readonly signal: AbortSignal
}

/** One server, and what a command is told of its host (`SHIP_HOST`, ...). */
export interface DrainServer {
  readonly server: string
  readonly env: Readonly<Record<string, string>>
}

export interface Change extends DrainScope {
  readonly to: 'drained' | 'in'
  /** All of them change at once. */
  readonly servers: readonly DrainServer[]
  /** Longest time to wait for the balancer, and for requests under way or a server to come up. */
  readonly waitMs: number
}

/** A change that the balancer took over. */
export interface Changed {
  /**
   * Resolves when no request is under way to the servers (`drained`) or when they are up (`in`). Requests that do not end in time are no
   * error: the resolved string says so. A server that does not come up is one.
   */
  settle(): Promise<string | undefined>
}

export interface Drain<O> {
  /** The word in the configuration: `nginx`, `haproxy`, `command`. */
  readonly type: string
  /** Options of this kind only; where, which server, role and time are common to all. */
  readonly options: ZodType<O>
  /** Whether it acts on load balancers that are named under `on` and know each host as a server. */
  readonly onBalancers: boolean
  /** For plans: "nginx /etc/nginx/conf.d/shop.conf". */
  describe(options: O): string
  /** How all servers stand there. Empty when nobody can tell. Rejects with reason `config` when what the options name is not there. */
  pools(host: DrainHost, options: O, scope: DrainScope): Promise<readonly Pool[]>
  /** Idempotent. Called for one balancer once at a time. Rejects with reason `not-switched`, with the balancer as it was. */
  change(host: DrainHost, options: O, change: Change): Promise<Changed>
}

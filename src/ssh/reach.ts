/** A host of the configuration -> one authenticated connection, through its jump hosts, each of them verified like any host. */
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Client } from 'ssh2'
import { messageOf, ShipError } from '../errors.ts'
import { letGo } from './at-once.ts'
import type { Ahead } from './open-at-once.ts'
import { jumpTarget, resolveOptions, type SshOptions, type Target } from './options.ts'
import { hostVerifier } from './verify.ts'

export interface Connection {
  readonly client: Client
  readonly options: SshOptions
  /** Ends the connection and those to its jump hosts. */
  close(): void
}

/** More hops than this are a loop in ~/.ssh/config. */
const MAX_JUMPS = 8

export interface ReachOptions {
  /** The host's keys from the configuration. */
  readonly pins: readonly string[]
  /** What to open and begin together with the login of the host. */
  readonly ahead?: Ahead | undefined
  readonly signal: AbortSignal
}

/** Connects. Rejects with reason `unreachable`, `auth` or `host-key`. */
export async function reach(target: Target, options: ReachOptions): Promise<Connection> {
  return hop(target, { ...options, depth: 0 })
}

interface HopContext extends ReachOptions {
  readonly depth: number
}

async function hop(target: Target, { pins, ahead, signal, depth }: HopContext): Promise<Connection> {
  if (depth > MAX_JUMPS) throw new ShipError('config', `the jump hosts of "${target.address}" lead in a circle`)
  const { env } = process
  // The library takes its time to load, and has it while the ssh program answers.
  const [options, { connectSsh }, { collectIdentities }] = await Promise.all([
    resolveOptions(target, env, signal),
    import('./connect.ts'),
    import('./keys.ts'),
  ])
  const verifier = await hostVerifier(options, pins)
  const before = await jumpChain(options.jumps, target, { signal, depth })
  try {
    const through = before ? await dialThrough(before, options) : undefined
    // Keys are read while the server answers.
    const identities = nextTurn().then(() => collectIdentities(options, env))
    // Whoever connects tells it, unless it gave up before.
    identities.catch(() => undefined)
    const client = await connectSsh({ options, verifier, identities, through, ahead, signal })
    const close = (): void => {
      letGo(client)
      before?.close()
    }
    return { client, options, close }
  } catch (error) {
    before?.close()
    throw error
  }
}

/** The last jump host, reached through those before it. */
async function jumpChain(
  jumps: readonly string[],
  target: Target,
  { signal, depth }: Pick<HopContext, 'signal' | 'depth'>,
): Promise<Connection | undefined> {
  const last = jumps.at(-1)
  if (last === undefined) return undefined
  const rest = jumps.slice(0, -1).join(',')
  const jump = { ...jumpTarget(last, target), ...(rest === '' ? {} : { proxyJump: rest }) }
  return hop(jump, { pins: [], signal, depth: depth + 1 })
}

async function dialThrough({ client, options: jump }: Connection, { hostname, port }: SshOptions): Promise<Duplex> {
  try {
    return await dial(client, hostname, port)
  } catch (cause) {
    throw new ShipError('unreachable', `the jump host ${jump.hostname} did not connect to ${hostname} port ${port}`, {
      cause,
      details: [messageOf(cause)],
      state: 'nothing was changed on any host',
      next: [
        `on the jump host: does sshd allow it (AllowTcpForwarding, PermitOpen), and does nc ${hostname} ${port} connect?`,
      ],
    })
  }
}

/** The far end's reason by its number (RFC 4254, 5.1): its description is free text, and OpenSSH's says "open failed" to both. */
function refusal(error: Error & { readonly reason?: unknown }): Error {
  const PROHIBITED = 1
  return error.reason === PROHIBITED ? new Error('administratively prohibited', { cause: error }) : error
}

/** A TCP connection from the far end of a connection. */
export function dial(client: Client, address: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, address, port, (error, channel) => {
      if (error) reject(refusal(error))
      else resolve(channel)
    })
  })
}

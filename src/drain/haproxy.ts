/**
 * HAProxy: servers are set to `drain` by its runtime API, their requests under way are waited for, and after the switch they are set to
 * `ready` and waited for until HAProxy's own checks hold them for up. What a person takes out by `maint` is left alone.
 */
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { Change, Drain, DrainHost, Pool } from './drain.ts'
import { ask, serverStates, until, type ServerState } from './haproxy-socket.ts'

const NAME = /^[A-Za-z0-9_.:-]+$/

const options = z.strictObject({
  backend: z.string().regex(NAME, 'is not a name of a backend').describe('The backend whose servers the hosts are'),
  socket: z
    .string()
    .regex(/^(?:\/.+|.+:\d+)$/, 'is no socket; write "/run/haproxy/admin.sock" or "127.0.0.1:9999"')
    .default('/run/haproxy/admin.sock')
    .describe('Its stats socket of level admin'),
})
type Options = z.output<typeof options>

/** Requests that were given to a server at the very moment of the drain are counted by the second look. */
const QUIET_LOOKS = 2

export const haproxy: Drain<Options> = {
  type: 'haproxy',
  options,
  onBalancers: true,
  describe: ({ backend }) => `haproxy ${backend}`,
  async pools(host, asked, { signal }): Promise<Pool[]> {
    const states = await read(host, asked, signal)
    return [{ name: asked.backend, servers: new Map([...states].map(([name, { standing }]) => [name, standing])) }]
  },
  async change(host, asked, change) {
    const { to, signal } = change
    const states = await read(host, asked, signal)
    const mine = change.servers.map(({ server }) => server).filter((name) => concerned(states.get(name), to))
    if (mine.length > 0) await set(host, asked, { ...change, names: mine })
    return { settle: () => (to === 'drained' ? quiet(host, asked, change) : up(host, asked, change)) }
  },
}

/** Which servers get a new state: never those that somebody else took out. */
function concerned(state: ServerState | undefined, to: Change['to']): boolean {
  if (state === undefined || state.standing === 'out') return false
  return to === 'drained' ? state.standing !== 'drained' : state.standing === 'drained'
}

async function read(host: DrainHost, { socket, backend }: Options, signal: AbortSignal) {
  const states = await serverStates(host, { socket, backend, signal })
  if (states) return states
  throw new ShipError('config', `HAProxy at "${socket}" has no backend "${backend}"`)
}

async function set(
  host: DrainHost,
  { socket, backend }: Options,
  { names, to, signal }: Change & { readonly names: readonly string[] },
): Promise<void> {
  const state = to === 'drained' ? 'drain' : 'ready'
  const commands = names.map((name) => `set server ${backend}/${name} state ${state}`)
  const answer = (await ask(host, socket, commands.join(';'), signal)).trim()
  // It says nothing when it did it.
  if (answer === '') return
  throw new ShipError('not-switched', `HAProxy refused to set servers of "${backend}" to ${state}`, {
    details: [escapeControls(answer.split('\n')[0] ?? '').slice(0, 300)],
    next: ['the socket needs "level admin"'],
  })
}

async function quiet(host: DrainHost, asked: Options, change: Change): Promise<string | undefined> {
  let looks = 0
  let busy: string[] = []
  const done = await until(async () => {
    const states = await read(host, asked, change.signal)
    busy = change.servers.map(({ server }) => server).filter((name) => (states.get(name)?.sessions ?? 0) > 0)
    looks = busy.length === 0 ? looks + 1 : 0
    return looks >= QUIET_LOOKS
  }, change)
  if (done || busy.length === 0) return undefined
  return `after ${change.waitMs / 1000} s ${busy.join(', ')} still had requests under way`
}

async function up(host: DrainHost, asked: Options, change: Change): Promise<undefined> {
  let down: string[] = []
  const done = await until(async () => {
    const states = await read(host, asked, change.signal)
    down = change.servers
      .map(({ server }) => server)
      .filter((name) => !['in', 'out'].includes(states.get(name)?.standing ?? 'out'))
    return down.length === 0
  }, change)
  if (done) return undefined
  throw new ShipError('not-switched', `HAProxy did not find ${down.join(', ')} up within ${change.waitMs / 1000} s`, {
    next: [`see what its check says: show servers state ${asked.backend}`],
  })
}

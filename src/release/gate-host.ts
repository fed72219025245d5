/** What gates may do on a host: programs in the live release's folder with its environment, and connections; and the same from here. */
import { connect } from 'node:net'
import { namesOf } from '../config/health.ts'
import { ShipError } from '../errors.ts'
import type { GateHost } from '../gates/gate.ts'
import type { HostSession } from '../host/session.ts'
import type { Io } from '../io.ts'
import { runLocal } from '../process.ts'
import type { Runner } from '../runner.ts'
import { hookEnv, type HookFacts } from './hooks.ts'

/** What it takes of a session. */
export type GateSession = Pick<HostSession, 'host' | 'run' | 'dial'>

export function gateHostOf(session: GateSession, facts: HookFacts, io: Io): GateHost {
  const env = hookEnv(facts, io)
  const { projectDir } = facts.environment
  return {
    names: namesOf(session.host),
    run: (argv, options) => session.run(argv, { cwd: facts.cwd, ...options, env: { ...env, ...options.env } }),
    dial: (address, port, signal) => session.dial(address, port, signal),
    client: {
      run: (argv, options) => here(argv, { cwd: projectDir, ...options, env: { ...env, ...options.env } }),
      dial: (address, port, signal) =>
        new Promise((resolve, reject) => {
          const socket = connect({ host: address, port, signal })
          socket.once('connect', () => resolve(socket))
          socket.once('error', reject)
        }),
    },
  }
}

/** A program that is not here is an answer, as it is on a host. */
const here: Runner = async (argv, options) => {
  try {
    return await runLocal(argv, options)
  } catch (error) {
    if (!(error instanceof ShipError) || error.reason !== 'build') throw error
    return { code: 127, stdout: '', stderr: error.message, timedOut: false, truncated: false, durationMs: 0 }
  }
}

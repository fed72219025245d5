/** The contract of a gate kind: one question to one host, asked again by `release/steps/gate.ts` until the answer is good or late. */
import type { Duplex } from 'node:stream'
import type { ZodType } from 'zod'
import type { Runner } from '../runner.ts'

/** What a gate may do on a host. */
export interface GateHost {
  /** Runs a program on the host, in the live release's folder, with the release's environment. */
  readonly run: Runner
  /** Opens a TCP connection from the host, so that 127.0.0.1 means the host's own. */
  dial(address: string, port: number, signal: AbortSignal): Promise<Duplex>
}

export interface ProbeAnswer {
  readonly ok: boolean
  /** What was seen, short: "200", "connection refused", "exit 1: database is locked". */
  readonly said: string
}

export interface Gate<O> {
  /** The key in the configuration that names this kind: `http`, `tcp`, `exec`. */
  readonly key: string
  /** Options of this kind only; timing (interval, timeout, deadline, successes) is common to all. */
  readonly options: ZodType<O>
  /** One line for plans and errors: "http http://127.0.0.1:8080/healthz expects 200". */
  describe(options: O): string
  /** Asks once. Rejects only when aborted; an unreachable address is an answer that is not ok. */
  probe(host: GateHost, options: O, signal: AbortSignal): Promise<ProbeAnswer>
}

/** The contract of a gate kind: one question to one host, asked again by `release/gate.ts` until the answer is good or late. */
import type { Duplex } from 'node:stream'
import type { ZodType } from 'zod'
import type { Runner } from '../runner.ts'

/** What a gate may do on a host, or on this machine when it asks from there. */
export interface GateHost {
  /** Runs a program on the host, in the live release's folder, with the release's environment. */
  readonly run: Runner
  /** Opens a TCP connection from the host, so that 127.0.0.1 means the host's own. */
  dial(address: string, port: number, signal: AbortSignal): Promise<Duplex>
  /** The same for questions from this machine: programs run in the project's folder. */
  readonly client?: GateHost
  /** What `{host}`, `{address}` and `{LABEL}` stand for in addresses. */
  readonly names?: Readonly<Record<string, string>>
}

export interface ProbeAnswer {
  readonly ok: boolean
  /** What was seen, short: "200", "connection refused", "exit 1: database is locked". */
  readonly said: string
}

/** What one gate remembers of a host from one question to the next. */
export type GateMemory = Map<string, string>

/** Where a configuration applies, for what cannot be told from the options alone. */
export interface GateScope {
  /** Absolute folder that paths in options are relative to. */
  readonly projectDir: string
  /** Of each host that is asked: its name, and what its placeholders stand for. */
  readonly hosts: readonly { readonly name: string; readonly names: Readonly<Record<string, string>> }[]
}

export interface Gate<O> {
  /** The key in the configuration that names this kind: `http`, `tcp`, `exec`, `systemd`. */
  readonly key: string
  /** Options of this kind only; timing (interval, timeout, deadline, successes, hold) is common to all. */
  readonly options: ZodType<O>
  /** Reads files that options name, and refuses what cannot work, with a ShipError of reason `config`. */
  prepare?(options: O, scope: GateScope): Promise<O>
  /** One line for plans and errors: "http http://127.0.0.1:8080/healthz expects 200". */
  describe(options: O): string
  /** Programs of the host whose output explains a failure, each with a title. */
  evidence?(options: O): readonly { readonly title: string; readonly argv: readonly string[] }[]
  /** Asks once. Rejects only when aborted; an unreachable address is an answer that is not ok. */
  probe(host: GateHost, options: O, signal: AbortSignal, memory?: GateMemory): Promise<ProbeAnswer>
}

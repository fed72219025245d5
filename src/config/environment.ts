/** Config + the name of an environment -> what a release needs, defaults merged and hosts expanded. */
import type { AppName } from '../names.ts'
import type { Host } from '../transport/transport.ts'

/** A hook after parsing: `run` is an argument list; a string of the config became `['sh', '-c', text]`. */
export interface Hook {
  /** As the user wrote it, for output. */
  readonly title: string
  readonly argv: readonly string[]
  /** Runs on exactly one host (the first of its role in fleet order). */
  readonly once: boolean
  /** Only hosts with this role; undefined: all. */
  readonly role: string | undefined
  readonly timeoutMs: number
  readonly env: Readonly<Record<string, string>>
}

export const HOOK_POINTS = ['beforeStage', 'beforeSwitch', 'afterSwitch', 'afterVerify', 'onFailure'] as const
export type HookPoint = (typeof HOOK_POINTS)[number]

/** A gate after parsing: the kind's own options, and the timing common to all kinds. */
export interface GateSpec {
  readonly kind: string
  readonly options: unknown
  readonly role: string | undefined
  readonly intervalMs: number
  /** For one probe. */
  readonly timeoutMs: number
  /** For the gate as a whole. */
  readonly deadlineMs: number
  /** Good answers in a row that are wanted. */
  readonly successes: number
}

export type Strategy =
  | { readonly type: 'all' }
  | {
      readonly type: 'rolling'
      readonly batch: { readonly hosts: number } | { readonly share: number }
      readonly pauseMs: number
    }

export interface Environment {
  readonly name: string
  readonly app: AppName
  readonly hosts: readonly Host[]
  readonly keep: number
  readonly shared: {
    readonly dirs: readonly string[]
    readonly files: readonly string[]
    readonly optionalFiles: readonly string[]
  }
  readonly hooks: Readonly<Record<HookPoint, readonly Hook[]>>
  readonly health: readonly GateSpec[]
  readonly strategy: Strategy
  /** Absolute folder of the project: where ship.config lies. */
  readonly projectDir: string
}

/** What must hold before anything is released: `branch`, `freeze` and `soak` of the configuration. */
import { z } from 'zod'
import type { Host } from '../transport/transport.ts'
import { duration } from '../units.ts'
import { freeze, type Freeze } from './freeze.ts'
import { nearest } from './nearest.ts'

/** Not a pattern, and nothing that git would take for an option or an expression. */
const branchName = z
  .string()
  .regex(
    /^(?!-)(?!.*(?:\.\.|@\{|\/\/))[^\s~^:?*[\\\p{Cc}]+$/u,
    'is no name of a branch; write it as git branch shows it',
  )

/** A busy host needs a while to log somebody in. */
const MIN_CONFIRM_MS = 5000

/** Keys of a release; `false` takes away what is inherited. */
export const guardShape = {
  branch: z
    .union([branchName, z.array(branchName).min(1), z.literal(false)])
    .optional()
    .describe('Only what was built from a commit on this branch, or on one of these'),
  freeze: freeze.optional(),
  soak: z
    .union([
      z.strictObject({
        environment: z.string().describe('Where the same bundle must be live and healthy on every host'),
        for: duration.describe('How long'),
      }),
      z.literal(false),
    ])
    .optional()
    .describe('Only what has been running somewhere else for a while'),
  confirm: z
    .union([
      duration.refine((ms) => ms >= MIN_CONFIRM_MS, 'is too short to reach a host again; use 5s or more'),
      z.literal(false, { error: 'is no duration; write "30s", or false' }),
    ])
    .optional()
    .describe('The host puts itself back unless ship reaches it over a new connection within this time'),
}

type Written = { readonly [K in keyof typeof guardShape]?: z.output<(typeof guardShape)[K]> }

export interface Guards {
  /** Empty: any. */
  readonly branches: readonly string[]
  readonly freeze: readonly Freeze[]
  readonly soak: Soak | undefined
}

export interface Soak {
  readonly environment: string
  readonly forMs: number
  /** Its hosts, all of them; they are looked up only when they are asked. Rejects with reason `config`. */
  readonly hosts: () => Promise<readonly Host[]>
}

/** What an environment says of its guards. */
export function guardsOf(
  { branch, freeze: windows = [], soak }: Written,
  hostsOf: (environment: string) => Promise<readonly Host[]>,
): Guards {
  return {
    branches: branch === undefined || branch === false ? [] : [branch].flat(),
    freeze: windows,
    soak:
      soak === undefined || soak === false
        ? undefined
        : { environment: soak.environment, forMs: soak.for, hosts: () => hostsOf(soak.environment) },
  }
}

/** What is wrong with where environments soak. `soakOf` says what holds for an environment, inherited or not. */
export function soakProblems(
  names: readonly string[],
  soakOf: (environment: string) => Written['soak'],
): { readonly path: readonly string[]; readonly message: string }[] {
  return names.flatMap((name) => {
    const soak = soakOf(name)
    if (soak === undefined || soak === false) return []
    const path = ['environments', name, 'soak', 'environment']
    if (soak.environment === name) {
      return [{ path, message: `"${name}" would soak in itself; write soak: false there` }]
    }
    if (names.includes(soak.environment)) return []
    const near = nearest(soak.environment, names)
    const hint = near === undefined ? '' : `; did you mean "${near}"?`
    return [{ path, message: `there is no environment "${soak.environment}"${hint}` }]
  })
}

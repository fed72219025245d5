/** `hooks` of the configuration: what may be written, and what a run makes of it. */
import { z } from 'zod'
import { duration } from '../units.ts'

const words = z.array(z.string().min(1))
const HOOK_TIMEOUT_MS = 300_000

export const HOOK_POINTS = ['beforeStage', 'beforeSwitch', 'afterSwitch', 'afterVerify', 'onFailure'] as const
export type HookPoint = (typeof HOOK_POINTS)[number]

/** What a condition may look at. */
export interface WhenFacts {
  readonly app: string
  readonly environment: string
  /** Name of the host. */
  readonly host: string
  readonly roles: readonly string[]
  readonly action: 'release' | 'rollback' | 'put-back'
  /** The version that is, or will be, live; '' when nothing is left to run. */
  readonly version: string
  /** The version before it; '' on a first release. */
  readonly previous: string
  /** Paths that differ between the two releases; undefined when the one before is not known. */
  readonly changed: readonly string[] | undefined
}

export type WhenFunction = (facts: WhenFacts) => boolean | Promise<boolean>
export type Direction = 'first' | 'upgrade' | 'downgrade'
export type When = Direction | { readonly changed: readonly string[] } | WhenFunction

/** A hook after parsing: `argv` is an argument list; a string of the config became `['sh', '-c', text]`. */
export interface Hook {
  /** As the user wrote it, for output. */
  readonly title: string
  readonly argv: readonly string[]
  /** Runs on exactly one host: the first of its role, in the order of the configuration, for which `when` holds. */
  readonly once: boolean
  /** Only hosts with this role; undefined: all. */
  readonly role: string | undefined
  readonly timeoutMs: number
  readonly env: Readonly<Record<string, string>>
  /** Runs on this machine, once, in the folder of the project. */
  readonly local?: boolean
  /** Undefined: always. */
  readonly when?: When | undefined
  /** What it does cannot be taken back, so releases before this one cannot be gone back to. */
  readonly noReturn?: boolean
}

const when = z
  .union([
    z.enum(['first', 'upgrade', 'downgrade'], { error: 'use "first", "upgrade", "downgrade" or { changed: [...] }' }),
    z.strictObject({ changed: words.min(1).describe('Patterns of paths in the release') }),
    z.custom<WhenFunction>((value) => typeof value === 'function', 'use a function, a word or { changed: [...] }'),
  ])
  .describe('Run only then: "first", "upgrade", "downgrade", { changed: ["migrations/**"] }, or a function (facts)')

const hook = z
  .union([
    z.string().min(1),
    words.min(1),
    z.strictObject({
      run: z.union([z.string().min(1), words.min(1)]).describe('A shell command, or a program and its arguments'),
      once: z
        .boolean()
        .default(false)
        .describe('Run on one host only, the first of its role; what a run that died had done is not done again'),
      role: z.string().optional().describe('Run on hosts with this role only'),
      local: z.boolean().default(false).describe('Run once on this machine, in the folder of the project'),
      when: when.optional(),
      pointOfNoReturn: z
        .boolean()
        .default(false)
        .describe('What it does cannot be taken back: a release behind it is not put back by itself'),
      timeout: duration.prefault('5m').describe('End it after this time'),
      env: z
        .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
        .default({})
        .describe('More variables for it'),
    }),
  ])
  .describe('A command run on the hosts, or here')

type HookConfig = z.output<typeof hook>

export const hooks = z
  .strictObject({
    beforeStage: z.array(hook).default([]).describe('In deployTo, before anything is sent'),
    beforeSwitch: z.array(hook).default([]).describe('In the new release, when it is staged on every host: migrations'),
    afterSwitch: z.array(hook).default([]).describe('In current: reload or restart the app'),
    afterVerify: z.array(hook).default([]).describe('When the release is healthy everywhere'),
    onFailure: z.array(hook).default([]).describe('When a run failed, after its hosts were put back'),
  })
  .superRefine((all, context) => {
    for (const point of HOOK_POINTS) {
      for (const [index, one] of all[point].entries()) {
        for (const { key, message } of problemsOf(point, one))
          context.addIssue({ code: 'custom', path: [point, index, key], message })
      }
    }
  })

function problemsOf(point: HookPoint, one: HookConfig): { readonly key: string; readonly message: string }[] {
  if (typeof one === 'string' || Array.isArray(one)) return []
  const isLate = one.pointOfNoReturn && point !== 'beforeStage' && point !== 'beforeSwitch'
  return [
    ...(one.local && one.once ? [{ key: 'once', message: 'says nothing of a local hook, which runs once' }] : []),
    ...(one.local && one.role !== undefined
      ? [{ key: 'role', message: 'says nothing of a local hook, which runs on no host' }]
      : []),
    ...(isLate
      ? [
          {
            key: 'pointOfNoReturn',
            message: 'is for beforeStage and beforeSwitch: later, hosts run the release already',
          },
        ]
      : []),
  ]
}

/** Hooks by point, those of a point that was not written as none. */
export function hooksOf(written: z.output<typeof hooks> | undefined): Readonly<Record<HookPoint, readonly Hook[]>> {
  const at = (point: HookPoint): Hook[] => (written?.[point] ?? []).map(hookOf)
  return {
    beforeStage: at('beforeStage'),
    beforeSwitch: at('beforeSwitch'),
    afterSwitch: at('afterSwitch'),
    afterVerify: at('afterVerify'),
    onFailure: at('onFailure'),
  }
}

function hookOf(written: HookConfig): Hook {
  if (typeof written === 'string' || Array.isArray(written)) {
    return { ...commandOf(written), once: false, role: undefined, timeoutMs: HOOK_TIMEOUT_MS, env: {} }
  }
  const { run, once, role, timeout, env, local, when: condition, pointOfNoReturn: noReturn } = written
  return { ...commandOf(run), once, role, timeoutMs: timeout, env, local, when: condition, noReturn }
}

function commandOf(run: string | readonly string[]): Pick<Hook, 'title' | 'argv'> {
  return typeof run === 'string' ? { title: run, argv: ['sh', '-c', run] } : { title: run.join(' '), argv: run }
}

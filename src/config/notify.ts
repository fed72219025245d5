/** `notify` of the configuration: whom to tell how a release or a rollback ended. */
import { z } from 'zod'

const WEBHOOK = /^(?:https?:\/\/\S+|[A-Za-z_][A-Za-z0-9_]*)$/

export const notify = z
  .union([
    z.strictObject({
      webhook: z
        .string()
        .regex(WEBHOOK, 'is neither an http(s) address nor the name of a variable')
        .describe('Name of the environment variable that holds the address, or the address itself'),
      on: z
        .array(z.enum(['success', 'failure'], { error: 'use "success" or "failure"' }))
        .min(1)
        .default(['success', 'failure'])
        .describe('Ends that are told'),
    }),
    z.literal(false),
  ])
  .optional()
  .describe('Tell a webhook how releases and rollbacks end: JSON with "text", as Slack and its kin take it')

export interface Notify {
  /** An address, or the name of a variable that holds it. */
  readonly webhook: string
  readonly on: readonly ('success' | 'failure')[]
}

/** Undefined: nobody is told. */
export function notifyOf(written: z.output<typeof notify>): Notify | undefined {
  return written === false ? undefined : written
}

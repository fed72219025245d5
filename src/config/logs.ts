/** `logs` of the configuration: what is looked into when a release fails, before it is taken back. */
import { z } from 'zod'
import { relPathProblem } from '../names.ts'

const lines = z.int().min(1).max(500).default(20).describe('How many lines from its end')
const file = z
  .string()
  .refine((path) => path.startsWith('/') || relPathProblem(path) === undefined, 'is not a path inside a release')
  .describe('File in the release or in shared/, or an absolute path')
const unit = z
  .string()
  .regex(/^[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*$/, 'is not the name of a unit; write "shop.service"')
  .describe('Unit whose journal is read (journalctl -u)')

export const logs = z
  .array(z.union([file, z.strictObject({ file, lines }), z.strictObject({ unit, lines })]))
  .optional()
  .describe('Logs whose last lines are shown when a release fails')

/** A log after parsing: exactly one of `file` and `unit`. */
export interface LogSource {
  readonly file?: string
  readonly unit?: string
  readonly lines: number
}

const LINES = 20

export function logsOf(written: z.output<typeof logs>): LogSource[] {
  return (written ?? []).map((log) => (typeof log === 'string' ? { file: log, lines: LINES } : log))
}

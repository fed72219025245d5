/** The options by which commands choose hosts of an environment. */
import type { OptionSpec } from './command.ts'

export const CHOOSE_HOSTS: readonly OptionSpec[] = [
  { flags: '--hosts <names>', summary: 'only these hosts, by name or "label:KEY=VALUE", comma-separated', many: true },
  { flags: '--roles <names>', summary: 'only hosts with one of these roles, comma-separated', many: true },
]

/** The commands, in the order of the help. The module of each is loaded when it runs. */
import { BUILD_COMMANDS } from './build-commands.ts'
import type { Command } from './command.ts'
import { COMPLETE, COMPLETION } from './completion-commands.ts'
import { LOOK_COMMANDS } from './look-commands.ts'
import { RELEASE_COMMANDS } from './release-commands.ts'
import { UPKEEP_COMMANDS } from './upkeep-commands.ts'

export const COMMANDS: readonly Command[] = [
  ...BUILD_COMMANDS,
  ...RELEASE_COMMANDS,
  ...LOOK_COMMANDS,
  ...UPKEEP_COMMANDS,
  COMPLETION,
  COMPLETE,
]

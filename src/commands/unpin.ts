/** `ship unpin`: the release counts towards `keep` again. */
import type { RunCommand } from './command.ts'
import { pinning } from './pin.ts'

export const run: RunCommand = pinning(false)

/** How a script is put to a server: as the command, or, when it is too long for one, as the first line of what the command reads. */
import { commandLine, evalLine, type Script } from '../shell.ts'

/** dropbear gives up at 9000 bytes (MAX_CMD_LEN in its svr-chansession.c). */
const LONGEST_BYTES = 8192

/**
 * Reads one line, byte by byte, so that what follows is left for the script. TMOUT would end the wait (bash). When the connection ends
 * there is no line, and the shell ends too.
 */
const WAIT = `unset TMOUT
IFS= read -r line || exit 0
eval "$line"`

/** The command of a shell that waits for the line of a script. */
export const waitingCommand = commandLine({ name: 'wait', text: WAIT, args: [] })

/** What a waiting shell reads. It becomes that of the script, and keeps nothing of its own. */
export function lineOf(script: Script): string {
  return `unset line; ${evalLine(script)}\n`
}

export interface Asked {
  readonly command: string
  /** To be sent before the input of the script. */
  readonly ahead: string | undefined
}

/** A script for a channel of its own; `longest`: bytes that the server takes as a command. */
export function askedOf(script: Script, longest = LONGEST_BYTES): Asked {
  const command = commandLine(script)
  if (Buffer.byteLength(command) <= longest) return { command, ahead: undefined }
  return { command: waitingCommand, ahead: lineOf(script) }
}

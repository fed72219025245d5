/**
 * Shells that wait on the host for a script, each on a channel of its own: a script that comes to one costs one round trip, while a new
 * channel costs two. Which script a shell runs is all that is new about it; it ends with the script, and another one takes its place.
 */
import type { Client, ClientChannel } from 'ssh2'
import type { Script } from '../shell.ts'
import { isOpenSsh } from './at-once.ts'
import { lineOf, waitingCommand } from './command.ts'

export interface SpareShells {
  /** Hands a script to a shell that waits; undefined when none does. The channel is as one that was opened for the script. */
  run(script: Script): ClientChannel | undefined
  /** Whether the host did not admit one of them. */
  readonly refused: boolean
}

/** So many calls come at once or closely after each other: a new shell takes two round trips to be there. */
const SPARE_SHELLS = 3
/**
 * Channels to open with the login: those of the shells, and two for scripts that come before the shells wait. On a channel that is open a script
 * costs one round trip too.
 */
export const FIRST_CHANNELS = SPARE_SHELLS + 2
/** `read` takes a byte at a time from a pipe, which pays for scripts and not for long lists. */
const MAX_LINE = 65_536

/**
 * Whether the server copes with channels that open while others close, by the name it gives itself. dropbear (2022.83) refuses a command now
 * and then, or ends the connection by an assertion of its own.
 */
export function mayHaveSpares(client: Client): boolean {
  return isOpenSsh(client)
}

/** Opens them on a connection that is authenticated. A host that allows no more channels gets none, and loses nothing. */
export function spareShells(client: Client): SpareShells {
  const waiting: ClientChannel[] = []
  let refused = false
  const open = (): void => {
    if (refused) return
    client.exec(waitingCommand, (error, channel) => {
      if (error) {
        refused = true
        return
      }
      waiting.push(channel)
      const gone = (): void => {
        if (waiting.includes(channel)) waiting.splice(waiting.indexOf(channel), 1)
      }
      channel.once('exit', gone)
      channel.once('close', gone)
      channel.on('error', gone)
    })
  }
  for (let count = 0; count < SPARE_SHELLS; count++) open()
  return {
    get refused() {
      return refused
    },
    run(script) {
      const line = lineOf(script)
      const channel = line.length > MAX_LINE ? undefined : waiting.shift()
      if (!channel) return undefined
      channel.write(line)
      open()
      return channel
    },
  }
}

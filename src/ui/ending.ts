/** The end of a command for people: the answer on stdout, then the error on stderr. */
import { errorLines } from './error.ts'
import type { Ending, Screen } from './renderer.ts'

export function writeEnding(ending: Ending, screen: Screen): void {
  if (ending.text) {
    const width = screen.out.isTTY ? screen.out.columns : Number.POSITIVE_INFINITY
    const lines = ending.text({ style: screen.outStyle, width, now: screen.now() })
    if (lines.length > 0) screen.out.write(`${lines.join('\n')}\n`)
  }
  if (ending.error !== undefined) {
    const lines = errorLines(ending.error, { style: screen.errStyle, verbose: screen.verbose })
    screen.err.write(`${lines.join('\n')}\n`)
  }
}

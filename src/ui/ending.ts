/** The end of a command for people: the answer on stdout, then the error or what comes next on stderr. */
import { escapeControls } from '../names.ts'
import { errorLines } from './error.ts'
import { wrapped } from './wrap.ts'
import type { Ending, Screen } from './renderer.ts'

export function writeEnding(ending: Ending, screen: Screen): void {
  if (ending.text) {
    const width = screen.out.isTTY ? screen.out.columns : Number.POSITIVE_INFINITY
    const lines = ending.text({ style: screen.outStyle, width, now: screen.now() })
    if (lines.length > 0) screen.out.write(`${lines.join('\n')}\n`)
    // Only where both are on one screen: a pipe gets the answer as it is.
    if (lines.length > 0 && ending.error !== undefined && screen.out.isTTY) screen.err.write('\n')
  }
  const next = ending.error === undefined ? (ending.next ?? []) : []
  for (const [i, line] of next.entries()) {
    const label = i === 0 ? screen.errStyle.dim('next: ') : '      '
    screen.err.write(`${label} ${screen.errStyle.cyan(escapeControls(line))}\n`)
  }
  if (ending.error !== undefined) {
    const width = screen.err.isTTY ? screen.err.columns : Number.POSITIVE_INFINITY
    const lines = errorLines(ending.error, { style: screen.errStyle, verbose: screen.verbose, width })
    const log =
      ending.log === undefined ? [] : wrapped(`  ${screen.errStyle.dim('log:  ')} ${escapeControls(ending.log)}`, width)
    screen.err.write(`${[...lines, ...log].join('\n')}\n`)
  }
}

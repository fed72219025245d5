/** Blocks of the help that commander knows nothing of, broken for the terminal with what goes on below its own column. Pure. */
import { wrapped } from '../ui/wrap.ts'
import type { Command } from './command.ts'

/** With less than this left beside the commands, what they do stands below them. */
const NARROWEST = 20

/** "  ship status -e production    a table of hosts", one line or more for each example. */
export function exampleLines(examples: Command['examples'], columns: number): readonly string[] {
  const width = Math.max(...examples.map(([line]) => line.length))
  const isBeside = columns - width - 4 >= NARROWEST
  return examples.flatMap(([line, does]) =>
    isBeside
      ? wrapped(`  ${line.padEnd(width)}  ${does}`, columns, width + 2)
      : [`  ${line}`, ...wrapped(`      ${does}`, columns, 0)],
  )
}

/** "  3    the build failed; hosts untouched" */
export function brokenExits(lines: readonly string[], columns: number): readonly string[] {
  return lines.flatMap((line) => wrapped(line, columns, 5))
}

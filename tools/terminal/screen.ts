/** What a terminal shows: output of programs through a terminal emulator, as lines of runs of equal looks. */
import headless from '@xterm/headless'
import type { IBufferCell, IBufferLine } from '@xterm/headless'
import type { Piece } from './pty.ts'

/** Text that looks the same throughout. `look` names classes of the picture: `c2` is colour 2, `b` bold, `d` dim, `k` the cursor. */
interface Run {
  readonly column: number
  readonly text: string
  readonly look: string
}

export type Line = readonly Run[]

/** A screen and how long it stays. */
export interface Frame {
  readonly atMs: number
  readonly lines: readonly Line[]
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** The screens one after the other, equal ones told once. `everyMs`: what changes faster is seen only then. */
export async function framesOf(pieces: readonly Piece[], size: Size, everyMs: number): Promise<readonly Frame[]> {
  const terminal = open(size)
  const frames: Frame[] = []
  let last = ''
  const look = (atMs: number): void => {
    const lines = linesOf(terminal, true)
    const key = JSON.stringify(lines)
    if (key === last) return
    last = key
    frames.push({ atMs, lines })
  }
  let due: number | undefined
  for (const { atMs, data } of pieces) {
    if (due !== undefined && atMs > due) look(due)
    if (due === undefined || atMs > due) due = Math.ceil(atMs / everyMs) * everyMs
    await write(terminal, data)
  }
  look(due ?? 0)
  terminal.dispose()
  return frames
}

/** All that was ever shown, scrolled away or not: what a person sees who scrolls back. */
export async function pageOf(output: string, size: Size): Promise<readonly Line[]> {
  const terminal = open(size)
  await write(terminal, output)
  const lines = linesOf(terminal, false)
  terminal.dispose()
  return lines
}

/** The text of a line, blanks between its runs included. */
export function textOf(line: Line): string {
  return line.reduce((text, run) => text.padEnd(run.column) + run.text, '')
}

type Terminal = InstanceType<typeof headless.Terminal>

function open({ columns, rows }: Size): Terminal {
  return new headless.Terminal({ cols: columns, rows, scrollback: 10_000, allowProposedApi: true })
}

function write(terminal: Terminal, data: string): Promise<void> {
  return new Promise((resolve) => terminal.write(data, resolve))
}

/** `isScreen`: what is in sight, with the cursor where it stands; else everything up to the last line with text. */
function linesOf(terminal: Terminal, isScreen: boolean): readonly Line[] {
  const { active } = terminal.buffer
  const first = isScreen ? active.baseY : 0
  const count = isScreen ? terminal.rows : active.length
  const lines = Array.from({ length: count }, (_, y) => lineOf(active.getLine(first + y), terminal.cols))
  if (isScreen) return lines
  return lines.slice(0, lines.findLastIndex((line) => line.length > 0) + 1)
}

/** Runs end where the look changes and at two blanks, so that columns stand where they stood, whatever the font. */
function lineOf(line: IBufferLine | undefined, columns: number): Line {
  const runs: { column: number; text: string; look: string }[] = []
  let blanks = 0
  for (let column = 0; column < columns; column++) {
    const cell = line?.getCell(column)
    if (!cell || cell.getWidth() === 0) continue
    const text = cell.getChars()
    if (text === '' || text === ' ') {
      blanks += 1
      continue
    }
    const look = lookOf(cell)
    const before = runs.at(-1)
    if (before && before.look === look && blanks < 2) before.text += ' '.repeat(blanks) + text
    else runs.push({ column, text, look })
    blanks = 0
  }
  return runs
}

function lookOf(cell: IBufferCell): string {
  const color = cell.isFgPalette() ? `c${cell.getFgColor()}` : ''
  return [color, cell.isBold() ? 'b' : '', cell.isDim() ? 'd' : ''].filter((name) => name !== '').join(' ')
}

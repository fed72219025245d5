/** What a terminal shows after some output: enough of a VT100 for what listr2 and we write. Unknown sequences throw. */

export interface Shown {
  /** The lines, trailing blanks removed. */
  readonly lines: readonly string[]
  readonly cursorVisible: boolean
  /** Whether text ever ran over the right edge. */
  readonly wrapped: boolean
}

export function screenOf(output: string, columns: number): Shown {
  const rows: string[][] = [[]]
  let [row, column] = [0, 0]
  let [cursorVisible, wrapped] = [true, false]
  // oxlint-disable-next-line no-control-regex -- control sequences are what is read here
  for (const [token, params, final] of output.matchAll(/\u001b\[([?\d;]*)([A-Za-z])|[^]/g)) {
    const n = Number(params || '1')
    if (final === undefined) {
      if (token === '\n') row += 1
      else if (token === '\r') column = 0
      else if (token === '\u001b') throw new Error('unknown escape sequence')
      else {
        if (column >= columns) wrapped = true
        put(rows, row, column, token)
        column += 1
      }
      // A pty turns \n into \r\n by itself.
    } else if (final === 'A') row = Math.max(0, row - n)
    else if (final === 'B') row += n
    else if (final === 'G') column = n - 1
    else if (final === 'K') erase(rows, row, params === '2' ? 0 : column)
    else if (final === 'h' || final === 'l') cursorVisible = params === '?25' ? final === 'h' : cursorVisible
    else if (final !== 'm') throw new Error(`unknown control sequence ${JSON.stringify(token)}`)
  }
  return { lines: rows.map((cells) => (cells ?? []).join('').trimEnd()), cursorVisible, wrapped }
}

function put(rows: string[][], row: number, column: number, char: string): void {
  while (rows.length <= row) rows.push([])
  const cells = rows[row]!
  while (cells.length < column) cells.push(' ')
  cells[column] = char
}

function erase(rows: string[][], row: number, from: number): void {
  if (rows[row]) rows[row].length = Math.min(rows[row].length, from)
}

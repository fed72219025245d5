/**
 * Rows in columns. On a terminal they fit its width: only columns marked `shrink` give way, by an ellipsis, so that host names
 * and versions stay whole. In a pipe (width Infinity) nothing is cut. Cells are data: control characters are escaped here.
 */
import { escapeControls } from '../names.ts'
import type { Style } from './style.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** May be cut when the terminal is narrow. */
  readonly shrink?: boolean
}

/** A cell, or a cell with the colour it is painted in after it was measured. */
export type Cell = string | { readonly text: string; readonly paint: keyof Style }

const GAP = '  '
const NARROWEST = 8

/** The lines of a table, header first; none when there is no row. Columns that are empty in every row are left out. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  view: { readonly width: number; readonly style: Style },
): readonly string[] {
  if (rows.length === 0) return []
  const cells = rows.map((row) => columns.map((_, i) => escapeControls(textOf(row[i] ?? ''))))
  const shown = columns.map((_, i) => i).filter((i) => cells.some((row) => row[i] !== ''))
  const widths = fit(
    shown.map((i) => ({
      width: Math.max(columns[i]?.title.length ?? 0, ...cells.map((row) => lengthOf(row[i] ?? ''))),
      shrink: columns[i]?.shrink ?? false,
    })),
    view.width,
  )
  const line = (texts: readonly string[], paints: readonly (keyof Style | undefined)[]): string =>
    shown
      .map((i, at) => {
        const text = cut(texts[i] ?? '', widths[at] ?? 0)
        const fill = ' '.repeat(Math.max(0, (widths[at] ?? 0) - lengthOf(text)))
        const paint = paints[i]
        const painted = paint && text !== '' ? view.style[paint](text) : text
        if (columns[i]?.align === 'right') return fill + painted
        return at === shown.length - 1 ? painted : painted + fill
      })
      .join(GAP)
      .trimEnd()
  return [
    line(
      columns.map((c) => c.title),
      columns.map(() => 'dim' as const),
    ),
    ...cells.map((row, r) =>
      line(
        row,
        columns.map((_, i) => paintOf(rows[r]?.[i] ?? '')),
      ),
    ),
  ]
}

/** Text cut to `width` columns, with an ellipsis when something is missing. */
export function cut(text: string, width: number): string {
  if (lengthOf(text) <= width) return text
  return width < 1
    ? ''
    : `${Array.from(text)
        .slice(0, width - 1)
        .join('')}…`
}

function fit(columns: readonly { readonly width: number; readonly shrink: boolean }[], width: number): number[] {
  const widths = columns.map((c) => c.width)
  let excess = widths.reduce((sum, w) => sum + w, GAP.length * (widths.length - 1)) - width
  while (excess > 0) {
    const widest = columns.reduce(
      (best, c, i) =>
        c.shrink && (widths[i] ?? 0) > Math.max(NARROWEST, best < 0 ? 0 : (widths[best] ?? 0)) ? i : best,
      -1,
    )
    if (widest < 0) break
    widths[widest] = (widths[widest] ?? 0) - 1
    excess -= 1
  }
  return widths
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text
}

function paintOf(cell: Cell): keyof Style | undefined {
  return typeof cell === 'string' ? undefined : cell.paint
}

function lengthOf(text: string): number {
  return Array.from(text).length
}

/**
 * Rows in columns. On a terminal they fit its width: only columns marked `shrink` give way, by an ellipsis, so that host names
 * and versions stay whole; where even that is too wide, each row is a block with its cells below the first one. In a pipe (width
 * Infinity) nothing is cut. Cells are data: control characters are escaped here.
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
  const cells = rows.map((row) => columns.map((_, i) => shownCell(row[i] ?? '')))
  const used = columns.map((_, i) => i).filter((i) => cells.some((row) => row[i]?.text !== ''))
  const shown = used.flatMap((i) => columns[i] ?? [])
  const body = cells.map((row) => used.flatMap((i) => row[i] ?? []))
  const widths = fit(
    shown.map(({ title, shrink = false }, i) => ({
      width: Math.max(title.length, ...body.map((row) => lengthOf(row[i]?.text ?? ''))),
      shrink,
    })),
    view.width,
  )
  if (widthOf(widths) > view.width) return inBlocks(shown, body, view.style)
  const head = shown.map(({ title }): Shown => ({ text: title, paint: 'dim' }))
  return [head, ...body].map((row) => inColumns(shown, row, { widths, style: view.style }))
}

function inColumns(
  columns: readonly Column[],
  row: readonly Shown[],
  { widths, style }: { readonly widths: readonly number[]; readonly style: Style },
): string {
  const texts = row.map(({ text, paint }, i) => {
    const width = widths[i] ?? 0
    const fits = cut(text, width)
    const fill = ' '.repeat(Math.max(0, width - lengthOf(fits)))
    const painted = paintedWith(style, fits, paint)
    if (columns[i]?.align === 'right') return fill + painted
    return i === row.length - 1 ? painted : painted + fill
  })
  return texts.join(GAP).trimEnd()
}

/** For a terminal that is too narrow for rows: the first cell of each, and below it the others with their titles. */
function inBlocks(columns: readonly Column[], body: readonly (readonly Shown[])[], style: Style): readonly string[] {
  const width = Math.max(...columns.slice(1).map(({ title }) => title.length))
  const cell = ({ text, paint }: Shown, i: number): readonly string[] => {
    const painted = paintedWith(style, text, paint)
    if (i === 0) return [painted]
    return text === '' ? [] : [`${GAP}${style.dim((columns[i]?.title ?? '').padEnd(width))}${GAP}${painted}`]
  }
  return body.flatMap((row) => row.flatMap(cell))
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
  let excess = widthOf(widths) - width
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

function widthOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1))
}

interface Shown {
  readonly text: string
  readonly paint: keyof Style | undefined
}

function shownCell(cell: Cell): Shown {
  const { text, paint } = typeof cell === 'string' ? { text: cell, paint: undefined } : cell
  return { text: escapeControls(text), paint }
}

function paintedWith(style: Style, text: string, paint: keyof Style | undefined): string {
  return paint && text !== '' ? style[paint](text) : text
}

function lengthOf(text: string): number {
  return Array.from(text).length
}

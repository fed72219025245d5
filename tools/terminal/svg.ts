/**
 * Screens as pictures: one screen, or a film of many that loops. SVG with CSS alone, no script, so that it plays as an image. It
 * follows the reader's dark or light, and stands still on the last screen for who wants no motion, and where CSS does not animate.
 *
 * A film keeps a strip for each row of the screen: what the row showed, side by side, moved along in steps. Most rows stay most of
 * the time, so this is far smaller than a picture for each moment.
 */
import type { Frame, Line, Size } from './screen.ts'

export interface Picture {
  /** What it shows, for who does not see it. */
  readonly title: string
  readonly size: Size
}

const FONT_SIZE = 14
const CELL = 8.45
const ROW = 19
const PAD = 18
const TOP = 38

const DARK = { back: '#161b22', edge: '#30363d', text: '#d7dde4', dim: '#8b949e', dot: '#3a424c' }
const LIGHT = { back: '#fbfcfd', edge: '#d0d7de', text: '#24292f', dim: '#626a73', dot: '#d5dae0' }
/** Colours 1 to 6 of a terminal, each with a contrast of at least 4.5 on its ground. */
const DARK_COLORS = ['#ff7b72', '#56d364', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd']
const LIGHT_COLORS = ['#c4222d', '#177a30', '#8a5a00', '#0860ca', '#7d3fd0', '#06727c']

/** A screen that stands still. */
export function pictureOf(lines: readonly Line[], { title, size }: Picture): string {
  const rows = lines.slice(0, size.rows).flatMap((line, row) => (line.length === 0 ? [] : [at(row, textOf(line))]))
  return frame({ title, size, styles: '', body: rows.join('\n') })
}

/** Screens that follow each other; the last one stays for `holdMs`, then all of it begins anew. */
export function filmOf(frames: readonly Frame[], holdMs: number, { title, size }: Picture): string {
  const totalMs = (frames.at(-1)?.atMs ?? 0) + holdMs
  const width = widthOf(size)
  const shared = sharedLines(frames, size)
  const styles: string[] = []
  const rows: string[] = []
  for (let row = 0; row < size.rows; row++) {
    const strip = stripOf(frames, row)
    if (strip.every(({ line }) => line.length === 0)) continue
    const places = [...new Set(strip.map(({ key }) => key))]
    const shift = (key: string): string => `transform:translate(${-places.indexOf(key) * width}px)`
    const texts = places.flatMap((key, place) => {
      if (key === '[]') return []
      const id = shared.get(key)
      const x = place === 0 ? '' : ` x="${place * width}"`
      if (id !== undefined) return [`<use href="#${id}"${x}/>`]
      return [textOf(JSON.parse(key) as Line, place * width)]
    })
    const last = strip.at(-1)?.key ?? '[]'
    if (strip.length === 1) {
      rows.push(at(row, texts.join('')))
      continue
    }
    const keys = strip.map(({ atMs, key }) => `${percent(atMs / totalMs)}{${shift(key)}}`)
    styles.push(`@keyframes r${row}{${keys.join('')}}`)
    rows.push(at(row, `<g class="s" style="animation-name:r${row};${shift(last)}">${texts.join('')}</g>`))
  }
  const defs = [...shared].map(([key, id]) => textOf(JSON.parse(key) as Line, 0, id))
  styles.unshift(`.s{animation:${(totalMs / 1000).toFixed(2)}s step-end infinite}`)
  styles.push('@media (prefers-reduced-motion:reduce){.s{animation:none}}')
  const body = [`<defs>${defs.join('')}</defs>`, ...rows].join('\n')
  return frame({ title, size, styles: styles.join('\n'), body })
}

interface Shown {
  readonly atMs: number
  readonly key: string
  readonly line: Line
}

/** What one row shows, from when on. */
function stripOf(frames: readonly Frame[], row: number): readonly Shown[] {
  const strip: Shown[] = []
  for (const { atMs, lines } of frames) {
    const line = lines[row] ?? []
    const key = JSON.stringify(line)
    if (strip.at(-1)?.key !== key) strip.push({ atMs: strip.length === 0 ? 0 : atMs, key, line })
  }
  return strip
}

/** Lines that several rows show, as the same text moves up a screen: written once. */
function sharedLines(frames: readonly Frame[], size: Size): ReadonlyMap<string, string> {
  const rowsOf = new Map<string, number>()
  for (let row = 0; row < size.rows; row++) {
    for (const key of new Set(stripOf(frames, row).map((shown) => shown.key)))
      rowsOf.set(key, (rowsOf.get(key) ?? 0) + 1)
  }
  const several = [...rowsOf].filter(([key, rows]) => rows > 1 && key !== '[]').map(([key]) => key)
  return new Map(several.map((key, index) => [key, `t${index.toString(36)}`]))
}

function textOf(line: Line, left = 0, id?: string): string {
  const runs = line.map(({ column, text, look }) => {
    const name = look === '' ? '' : ` class="${look}"`
    return `<tspan x="${round(left + column * CELL)}"${name}>${escaped(text)}</tspan>`
  })
  return `<text${id === undefined ? '' : ` id="${id}"`}>${runs.join('')}</text>`
}

function at(row: number, content: string): string {
  return `<g transform="translate(${PAD} ${TOP + Math.round((row + 0.75) * ROW)})">${content}</g>`
}

function frame(parts: { title: string; size: Size; styles: string; body: string }): string {
  const { title, size, styles, body } = parts
  const width = widthOf(size)
  const height = TOP + size.rows * ROW + PAD
  const dots = [0, 1, 2].map((n) => `<circle class="o" cx="${PAD + 5 + n * 17}" cy="19" r="5"/>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
<style>
text{font:${FONT_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;white-space:pre}
.b{font-weight:bold}
${colors(DARK, DARK_COLORS)}
@media (prefers-color-scheme:light){${colors(LIGHT, LIGHT_COLORS)}}
${styles}
</style>
<rect class="w" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="9"/>
${dots.join('')}
${body}
</svg>
`
}

function colors(theme: typeof DARK, palette: readonly string[]): string {
  const numbered = palette.map((color, index) => `.c${index + 1},.c${index + 9}{fill:${color}}`)
  // Gray of a terminal is what "dim" is: less to be looked at, and still to be read.
  const dim = `.d,.c8{fill:${theme.dim}}`
  return `.w{fill:${theme.back};stroke:${theme.edge}}.o{fill:${theme.dot}}text{fill:${theme.text}}${dim}${numbered.join('')}`
}

function widthOf({ columns }: Size): number {
  return Math.ceil(columns * CELL + 2 * PAD)
}

function percent(share: number): string {
  return `${round(share * 100)}%`
}

function round(n: number): number {
  return Math.round(n * 100) / 100
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** What the recorder makes of the output of a terminal: the screens that were there, in a picture that plays by itself. */
import { expect, test } from 'vitest'
import { framesOf, pageOf, textOf } from '../../tools/terminal/screen.ts'
import { filmOf, pictureOf } from '../../tools/terminal/svg.ts'

const SIZE = { columns: 30, rows: 4 }
const PICTURE = { title: 'a <run> & its end', size: SIZE }
const ESC = '\u001B'
/** Two hosts at work, redrawn in place as a live list is; then the end of it, and more lines than the screen has. */
const PIECES = [
  { atMs: 0, data: `${ESC}[?25l${ESC}[33m⠋${ESC}[39m web1  1 MB\r\n⠋ web2\r\n` },
  { atMs: 100, data: `${ESC}[2A${ESC}[G${ESC}[32m✔${ESC}[39m web1  ${ESC}[2m(1 s)${ESC}[22m${ESC}[K\r\n` },
  { atMs: 1000, data: `⠋ web2\r\n${ESC}[1mHOST   NOW${ESC}[22m\r\na & b  <1>\r\nlast` },
]

test('screens are those of a terminal: redrawn lines replace, a full screen scrolls', async () => {
  const frames = await framesOf(PIECES, SIZE, 50)
  expect(frames.map(({ lines }) => lines.map(textOf))).toEqual([
    ['⠋ web1  1 MB', '⠋ web2', '', ''],
    ['✔ web1  (1 s)', '⠋ web2', '', ''],
    ['⠋ web2', 'HOST   NOW', 'a & b  <1>', 'last'],
  ])
  expect(frames[1]?.lines[0]).toEqual([
    { column: 0, text: '✔', look: 'c2' },
    { column: 2, text: 'web1', look: '' },
    { column: 8, text: '(1 s)', look: 'd' },
  ])
  const page = await pageOf(PIECES.map(({ data }) => data).join(''), SIZE)
  expect(page.map(textOf)).toEqual(['✔ web1  (1 s)', '⠋ web2', 'HOST   NOW', 'a & b  <1>', 'last'])
})

test('a film holds each line of a row once, moves it in at its time, and rests on the last screen', async () => {
  const svg = filmOf(await framesOf(PIECES, SIZE, 50), 1000, PICTURE)
  const width = Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1])
  const row0 = /@keyframes r0\{(.*)\}\n/.exec(svg)?.[1] ?? ''
  const [working, done, last] = [...row0.matchAll(/([\d.]+)%\{transform:translate\((-?\d+)px\)\}/g)]
  expect([working?.[1], done?.[1], last?.[1]]).toEqual(['0', '5', '50'])
  expect(last?.[2]).toBe(String(-2 * width))
  expect(svg).toContain(`animation-name:r0;transform:translate(${-2 * width}px)`)
  expect(svg).toContain('.s{animation:2.00s step-end infinite}')
  expect(svg.match(/web1/g)).toHaveLength(2)
  expect(svg).toContain('a &amp; b</tspan>')
  expect(svg).toContain('aria-label="a &lt;run&gt; &amp; its end"')
  expect(svg).not.toMatch(/<script|https?:(?!\/\/www\.w3\.org\/2000\/svg)/)
})

test('every colour can be read on its ground, dark and light', async () => {
  const svg = pictureOf(await pageOf('text', SIZE), PICTURE)
  const [dark = '', light = ''] = svg.split('@media (prefers-color-scheme:light)')
  for (const theme of [dark, light]) {
    const ground = /\.w\{fill:(#\w+)/.exec(theme)?.[1] ?? ''
    const inks = [...theme.matchAll(/(?:text|\.d,\.c8|\.c\d,\.c\d+)\{fill:(#\w+)/g)].map(([, color = '']) => color)
    expect(inks).toHaveLength(8)
    for (const ink of inks) expect({ ink, isLegible: contrast(ink, ground) >= 4.5 }).toEqual({ ink, isLegible: true })
  }
})

/** As WCAG 2 counts it. */
function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].toSorted((one, other) => one - other)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** docs/errors.md names every exit code and every reason, and messages that ship has. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exitMeanings } from '../../src/commands/exit-status.ts'
import { EXIT_CODES } from '../../src/errors.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')
const SECTIONS = PAGE.split('\n## ').slice(1)

/** Cells of the rows of all tables in a text, without their heads. */
function rowsOf(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )
}

describe('docs/errors.md', () => {
  it('has every exit code, in order', () => {
    const codes = SECTIONS.filter((text) => text.startsWith('Exit codes')).flatMap(rowsOf)
    expect(codes.slice(1).map(([code]) => Number(code))).toEqual(exitMeanings().map(([code]) => code))
  })

  it('has every reason with its exit code', () => {
    const told = SECTIONS.flatMap((text) => {
      const [, reason = '', code] = /^([\w-]+)\n\nExit code (\d+)[.,]/.exec(text) ?? []
      return code === undefined ? [] : [[reason, Number(code)]]
    })
    expect(Object.fromEntries(told)).toEqual(EXIT_CODES)
  })

  it('quotes messages that ship has', () => {
    const sources = globSync('{src,recipes}/**/*.ts', { cwd: ROOT }).map((file) =>
      readFileSync(join(ROOT, file), 'utf8'),
    )
    const quoted = SECTIONS.slice(1).flatMap((text) =>
      rowsOf(text)
        .slice(1)
        .map(([message = '']) => message.slice(1, -1)),
    )
    expect(quoted.length).toBeGreaterThan(50)
    // What stands between two "…" is text of one file, in that order.
    const lost = quoted.filter((message) => {
      const parts = message.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
      const pattern = new RegExp(parts.join(String.raw`[^\n]{0,120}`))
      const longest = message.split('…').toSorted((a, b) => b.length - a.length)[0] ?? ''
      return !sources.some((text) => text.includes(longest) && pattern.test(text))
    })
    expect(lost, 'no source says so any more').toEqual([])
  })
})

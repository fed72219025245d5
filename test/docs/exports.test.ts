/** What the package exports is named in the documentation, and nothing else is called exported. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from './pages.ts'

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** Names in the first column of the table below a heading. */
function named(file: string, heading: string): readonly string[] {
  const [, section = ''] = read(file).split(`\n## ${heading}\n`)
  const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'))
  return rows.flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name = '']) => name))
}

it('names every export, and no other', () => {
  const exported = [...read('src/index.ts').matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = '']) =>
    list
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== ''),
  )
  const told = [...named('docs/programs.md', 'What is exported'), ...named('docs/recipes.md', 'What recipes are given')]
  expect(exported.length).toBeGreaterThan(40)
  expect(told.toSorted()).toEqual(exported.toSorted())
})

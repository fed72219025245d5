/** The table of promises stays true: it has every promise of the README and of its own list, and its tests and mutations are there. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

interface Row {
  readonly promise: string
  /** A file, and words of a title in it. */
  readonly tests: readonly { readonly file: string; readonly words: string | undefined }[]
  readonly mutations: readonly string[]
}

const ROWS: readonly Row[] = read('docs/promises.md')
  .split('\n')
  .filter((line) => /^\| \d+\. /.test(line))
  .map((line) => {
    const [, promise = '', , tests = '', mutations = ''] = line.split('|').map((cell) => cell.trim())
    return { promise, tests: testsOf(tests), mutations: mutations.split('; ').map((name) => name.slice(1, -1)) }
  })

function testsOf(cell: string): Row['tests'] {
  return cell.split('; ').map((one) => {
    const [, file = one, words] = /^`([^`]+)`(?: "(.+)")?$/.exec(one) ?? []
    return { file, words }
  })
}

describe('docs/promises.md', () => {
  it('has every promise of the README, in its order', () => {
    const [, section = ''] = read('README.md').split('\n## Promises\n')
    const numbers = (section.split('\n## ')[0] ?? '').match(/^\d+(?=\. )/gm)
    expect(numbers).not.toBeNull()
    expect(ROWS.map(({ promise }) => Number.parseInt(promise, 10))).toEqual(numbers?.map(Number))
    expect(section).toContain('docs/promises.md')
  })

  it('words every promise in full, in the same order', () => {
    const [, section = ''] = read('docs/promises.md').split('\n## The promises\n')
    const numbers = (section.split('\n## ')[0] ?? '').match(/^\d+(?=\. )/gm)
    expect(numbers?.map(Number)).toEqual(ROWS.map(({ promise }) => Number.parseInt(promise, 10)))
  })

  it('names tests that are there', () => {
    const lost = ROWS.flatMap(({ promise, tests }) =>
      tests
        .filter(({ file, words }) => !existsSync(join(ROOT, file)) || !read(file).includes(words ?? ''))
        .map(({ file, words }) => `${promise}: ${file} ${words ?? ''}`),
    )
    expect(lost).toEqual([])
  })

  it('names mutations that are there, one at least for each promise', () => {
    const known = (JSON.parse(read('tools/mutations.json')) as readonly { readonly promise: string }[]).map(
      ({ promise }) => promise,
    )
    const lost = ROWS.flatMap(({ promise, mutations }) =>
      mutations.filter((name) => !known.includes(name)).map((name) => `${promise}: ${name}`),
    )
    expect(lost).toEqual([])
  })
})

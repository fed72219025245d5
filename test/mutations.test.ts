/** The list of mutations stays true: each finds its place, and its test is there. Whether tests notice them is `npm run test:mutations`. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

interface Mutation {
  readonly promise: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly test: readonly [string, ...string[]]
}

const ROOT = join(import.meta.dirname, '..')
const MUTATIONS = JSON.parse(readFileSync(join(ROOT, 'tools/mutations.json'), 'utf8')) as readonly Mutation[]

describe('mutations', () => {
  it('find their place, once each, and change something there', () => {
    const lost = MUTATIONS.filter(({ file, find, replace }) => {
      const places = readFileSync(join(ROOT, file), 'utf8').split(find).length - 1
      return places !== 1 || find === replace
    })
    expect(lost.map(({ promise, file }) => `${file}: ${promise}`)).toEqual([])
  })

  it('are of tests that are there', () => {
    const files = MUTATIONS.flatMap(({ test }) => test.filter((word) => word.endsWith('.test.ts')))
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
    expect(MUTATIONS.filter(({ test }) => !test[0].endsWith('.test.ts'))).toEqual([])
  })

  it('have names of their own', () => {
    const names = MUTATIONS.map(({ promise }) => promise)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })
})

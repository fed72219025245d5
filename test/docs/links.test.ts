/** Links between pages lead somewhere: to a file that is there, and to a heading in it. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anchors, links, pages, ROOT } from './pages.ts'

const PAGES = pages()

describe('links', () => {
  it('lead to files and headings that are there', () => {
    const all = PAGES.flatMap(({ file, text }) => links(text).map((link) => ({ file, text, ...link })))
    expect(all.length).toBeGreaterThan(60)
    const broken = all.filter(({ file, text, target }) => {
      if (/^[a-z]+:/.test(target)) return false
      const [path = '', anchor] = target.split('#')
      const to = normalize(join(dirname(file), path))
      if (path !== '' && !existsSync(join(ROOT, to))) return true
      if (anchor === undefined) return false
      return !anchors(path === '' ? text : readFileSync(join(ROOT, to), 'utf8')).has(anchor)
    })
    expect(broken.map(({ file, line, target }) => `${file}:${line}: ${target}`)).toEqual([])
  })

  it('lead from the README to every page, at most over one other', () => {
    const targets = (file: string): readonly string[] => {
      const page = PAGES.find((one) => one.file === file)
      return links(page?.text ?? '').map(({ target }) => normalize(join(dirname(file), target.split('#')[0] ?? '')))
    }
    const first = targets('README.md')
    const reached = new Set([...first, ...first.flatMap(targets)])
    const lost = PAGES.map(({ file }) => file).filter((file) => file.startsWith('docs/') && !reached.has(file))
    expect(lost).toEqual([])
  })

  it('keep the README on one screen, with the set-up commands', () => {
    const text = readFileSync(join(ROOT, 'README.md'), 'utf8')
    expect(text.split('\n').length).toBeLessThanOrEqual(150)
    expect(text).toContain('npm ci && npm run demo')
    expect(text).toContain('npm ci && npm test')
  })
})

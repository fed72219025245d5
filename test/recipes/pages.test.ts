/** static-site: pages as they are, and as a script makes them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { place } from './place.ts'

const FIXTURE = join(import.meta.dirname, '../../fixtures/static-site')

describe('static-site', () => {
  it('ships the pages of the fixture byte for byte, and takes them from what is kept next time', async () => {
    const project = place('static-site')
    project.configure({ recipe: 'static-site', cache: { dir: 'kept' }, exclude: ['kept'] })
    await project.build()
    const tree = project.unpack()
    for (const file of ['index.html', 'css/site.css'])
      expect(readFileSync(join(tree, file)).equals(readFileSync(join(FIXTURE, file))), file).toBe(true)
    expect(project.entries()).toEqual(['css', 'css/site.css', 'index.html'])
    expect(project.buildOffline('--locked --json')).toContain('"outcome":"kept"')
    project.write({ 'index.html': '<p>other\n' })
    expect((await project.build('--json')).stdout).toContain('"outcome":"built","reasons":["index.html changed"]')
    expect(readFileSync(join(project.unpack(), 'index.html'), 'utf8')).toBe('<p>other\n')
    project.dispose()
  })

  it('ships what the build script wrote, and nothing of what it was made from', async () => {
    const project = place()
    const names = { name: 'pages', version: '1.0.0' }
    project.write({
      'package.json': JSON.stringify({
        ...names,
        scripts: { build: 'mkdir dist && echo "<p>made of $(cat text)" > dist/index.html' },
      }),
      'package-lock.json': JSON.stringify({ ...names, lockfileVersion: 3, requires: true, packages: { '': names } }),
      text: 'words',
    })
    project.configure({ recipe: 'static-site', cache: { dir: 'kept' }, exclude: ['kept'] })
    await project.build()
    expect(project.entries()).toEqual(['index.html'])
    expect(readFileSync(join(project.unpack(), 'index.html'), 'utf8')).toBe('<p>made of words\n')
    expect(project.buildOffline('--locked --json')).toContain('"outcome":"kept"')
    project.write({ text: 'other words' })
    await project.build()
    expect(readFileSync(join(project.unpack(), 'index.html'), 'utf8')).toBe('<p>made of other words\n')
    project.dispose()
  })
})

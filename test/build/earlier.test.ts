/** What earlier builds left beside the sources is never part of the next one, packages included. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeEach(() => {
  project = smallProject()
  project.write({ 'index.html': 'hello\n' })
})
afterEach(() => project.dispose())

it('leaves out archives, packages and lists of earlier builds', async () => {
  const build = { formats: ['tar.gz', 'zip', 'deb'] }
  const deb = { maintainer: 'Shop <ops@shop.example>', package: 'web-shop', description: 'sells things' }
  project.configure({ build, deb })
  await project.ship('build')
  project.configure({ build, deb, version: '1.1.0' })
  await project.ship('build')
  const { entries } = JSON.parse(project.read('dist/shop-1.1.0.manifest.json')) as { entries: { path: string }[] }
  expect(entries.map((e) => e.path)).toEqual(['index.html'])
})

/** Web pages: the sources themselves, or what their own `build` script makes of them. */
import { existsSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { defineRecipe, npmInstall, npmRun, readPackage, ShipError, type BuildStep } from '../src/index.ts'

/** Where generators put their pages. */
const OUTPUTS = ['dist', 'build', 'public', '_site', 'out']

export default defineRecipe({
  name: 'static-site',
  summary: 'web pages as they are, or as the "build" script of package.json makes them',
  exclude: ['**/node_modules', '.npmrc'],
  async build(step) {
    await step.copy()
    const isPackage = existsSync(join(step.out, 'package.json'))
    if (isPackage && (await readPackage(step.out)).scripts?.['build'] !== undefined) await generate(step)
    if (existsSync(join(step.out, 'index.html'))) return
    throw new ShipError('build', 'there is no index.html in the site', {
      state: 'nothing was written to dist/',
      next: [`give the folder of the pages as build.from, or a "build" script that writes to ${OUTPUTS.join(', ')}`],
    })
  },
})

/** Builds in a scratch copy, so that only the pages are shipped. */
async function generate(step: BuildStep): Promise<void> {
  const work = join(step.scratch, 'site')
  await cp(step.out, work, { recursive: true, verbatimSymlinks: true })
  await rm(step.out, { recursive: true })
  await npmInstall(step, work, { dev: true })
  await npmRun(step, work, 'build')
  const pages = OUTPUTS.map((name) => join(work, name)).find((folder) => existsSync(join(folder, 'index.html')))
  if (pages === undefined) {
    throw new ShipError('build', 'the "build" script wrote no index.html', {
      next: [`it is looked for in ${OUTPUTS.join(', ')}`],
    })
  }
  await cp(pages, step.out, { recursive: true, verbatimSymlinks: true })
}

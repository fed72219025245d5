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
  tools: async ({ sources }) => ((await isGenerated(sources)) ? ['node', 'npm'] : []),
  // A script sees the sources, the locked packages and a clean environment. One that reads pages from elsewhere needs build.cache: false.
  cache: true,
  async build(step) {
    await step.copy()
    if (await isGenerated(step.out)) await generate(step)
    if (existsSync(join(step.out, 'index.html'))) return
    throw new ShipError('build', 'there is no index.html in the site', {
      state: 'nothing was written to dist/',
      next: [`give the folder of the pages as build.from, or a "build" script that writes to ${OUTPUTS.join(', ')}`],
    })
  },
})

async function isGenerated(folder: string): Promise<boolean> {
  return existsSync(join(folder, 'package.json')) && (await readPackage(folder)).scripts?.['build'] !== undefined
}

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

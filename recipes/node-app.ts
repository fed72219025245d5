/**
 * A Node app: its files and the production packages of its lockfile. A `build` script runs first, with development packages. With the
 * omnibus layout the Node runtime comes along, and `bin/` has the programs of package.json.
 */
import { join } from 'node:path'
import {
  defineRecipe,
  forgetNotes,
  npmComponents,
  npmInstall,
  npmPlatform,
  npmPrograms,
  npmPrune,
  npmRun,
  readPackage,
} from '../src/index.ts'

export default defineRecipe({
  name: 'node-app',
  summary: 'a Node app with the production packages of its lockfile',
  exclude: ['**/node_modules', '.npmrc'],
  platform: npmPlatform,
  dependencies: ({ layout }) => (layout === 'omnibus' ? ['node'] : []),
  tools: ['node', 'npm'],
  cache: true,
  components: (step) => npmComponents(step),
  async build(step) {
    const { scripts } = await readPackage(step.sources)
    await step.copy()
    if (scripts?.['build'] === undefined) {
      await npmInstall(step, step.out)
      await forgetNotes(step.out)
    } else {
      await npmInstall(step, step.out, { dev: true })
      await npmRun(step, step.out, 'build')
      await npmPrune(step, step.out)
    }
    const omnibus = step.context.layout === 'omnibus'
    for (const [name, file] of Object.entries(await npmPrograms(step, omnibus))) {
      await step.bin(name, { run: omnibus ? ['embedded/bin/node', join('app', file)] : [file] })
    }
  },
})

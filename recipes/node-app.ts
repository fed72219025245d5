/** A Node app: its files and the production packages of its lockfile. A `build` script runs first, with development packages. */
import { defineRecipe, forgetNotes, npmInstall, npmPlatform, npmPrune, npmRun, readPackage } from '../src/index.ts'

export default defineRecipe({
  name: 'node-app',
  summary: 'a Node app with the production packages of its lockfile',
  exclude: ['**/node_modules', '.npmrc'],
  platform: npmPlatform,
  async build(step) {
    const { scripts } = await readPackage(step.sources)
    await step.copy()
    if (scripts?.['build'] === undefined) {
      await npmInstall(step, step.out)
      await forgetNotes(step.out)
      return
    }
    await npmInstall(step, step.out, { dev: true })
    await npmRun(step, step.out, 'build')
    await npmPrune(step, step.out)
  },
})

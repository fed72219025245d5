/** Loads the configurations of the folders that are named, each with all its environments, and prints what is wrong with each as JSON. */
import { environmentOf } from '../../src/config/environment.ts'
import { loadProject } from '../../src/config/load.ts'
import { messageOf, ShipError } from '../../src/errors.ts'

async function problemOf(folder: string): Promise<string> {
  try {
    const project = await loadProject({ cwd: folder })
    for (const name of Object.keys(project.config.environments)) await environmentOf(project, { name })
    return ''
  } catch (error) {
    return error instanceof ShipError ? [error.message, ...error.details, ...error.next].join(' ') : messageOf(error)
  }
}

const problems: string[] = []
for (const folder of process.argv.slice(2)) problems.push(await problemOf(folder))
process.stdout.write(JSON.stringify(problems))

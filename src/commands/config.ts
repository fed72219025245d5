/** `ship config`: the configuration as it applies, each value with where it comes from; secrets are masked by the config room. */
import { effectiveConfig } from '../config/effective.ts'
import type { RunCommand } from './command.ts'
import { openProject } from './project.ts'

export const run: RunCommand = async (_, context) => {
  const project = await openProject(context)
  const { data, lines } = await effectiveConfig(project, context.environment)
  return { data, text: () => lines }
}

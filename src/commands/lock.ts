/** `ship lock`: which bytes the sources of recipes stand for from now on. */
import { resolve } from 'node:path'
import { lockedSources, recipesOf } from '../build/recipes.ts'
import { LOCK_FILE } from '../components/lock-file.ts'
import { nearest } from '../config/nearest.ts'
import { ShipError } from '../errors.ts'
import { count } from '../ui/measure.ts'
import type { RunCommand } from './command.ts'
import { openProject } from './project.ts'

export const run: RunCommand = async (input, context) => {
  const project = await openProject(context)
  const nodes = await recipesOf(project, resolve(project.dir, project.config.build.from))
  const only = input.args[0]
  const names = nodes.map((n) => n.name)
  if (only !== undefined && !names.includes(only)) {
    const near = nearest(only, names)
    throw new ShipError('usage', `this build has no component "${only}"`, {
      next: [near === undefined ? `it has ${names.join(', ')}` : `did you mean "${near}"?`],
    })
  }
  const { sources, changes } = await lockedSources(
    project,
    nodes,
    'update',
    context.io,
    nodes.filter((n) => n.name === only).map((n) => n.id),
  )
  const total = [...sources.values()].reduce((sum, list) => sum + list.length, 0)
  const closing =
    total === 0
      ? `no recipe of this build has sources of its own: there is nothing to lock`
      : changes.length === 0
        ? `${LOCK_FILE} was up to date: ${count(total, 'source')}`
        : `${LOCK_FILE} has ${count(total, 'source')}; commit it`
  return { data: { changes, sources: total }, text: ({ style }) => [...changes, style.bold(closing)] }
}

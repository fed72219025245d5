/** `tasks` of the configuration: what may be written, and that tasks need only tasks that there are, in no circle. */
import { z } from 'zod'
import type { TaskFunction } from '../machine.ts'
import { duration } from '../units.ts'
import { nearest } from './nearest.ts'

const words = z.array(z.string().min(1))
const settingName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not a name for an environment variable')
const run = z
  .union([
    z.string().min(1),
    words.min(1),
    z.custom<TaskFunction>((value) => typeof value === 'function', 'use a command, a list of words, or a function'),
  ])
  .describe('A shell command, a program and its arguments, or a function (host, context)')

const object = z.strictObject({
  run: run.optional().describe('Nothing: the task stands for those that it needs'),
  description: z.string().min(1).optional().describe('One line for the list of tasks'),
  needs: words.default([]).describe('Tasks that run before, each once'),
  roles: words.default([]).describe('Run on hosts with one of these roles only'),
  once: z.boolean().default(false).describe('Run on one host only: the first of those'),
  local: z.boolean().default(false).describe('Run on this machine, in the folder of the project, instead of the hosts'),
  parallel: z
    .union([z.boolean(), z.int().min(1)])
    .default(true)
    .describe('false: one host after the other, until one fails; a number: so many at a time'),
  timeout: duration.optional().describe('End it on a host after this time'),
  cwd: z
    .string()
    .min(1)
    .optional()
    .describe('Folder, relative to deployTo; default "current"; local tasks: to the project'),
  env: z.record(settingName, z.string()).default({}).describe('More variables for it'),
  secrets: z
    .array(settingName)
    .default([])
    .describe("Variables of ship's own environment to pass on; masked in output"),
})

const task = z.union([run, object]).describe('Something to run on the hosts by "ship run"')
const NAME = /^[A-Za-z][A-Za-z0-9._:-]*$/

export type TaskConfig = z.output<typeof task>
type Tasks = Readonly<Record<string, TaskConfig>>

export const tasks = z
  .record(z.string().regex(NAME, 'is not a name for a task; use letters, digits, ".", "_", ":" and "-"'), task)
  .default({})
  .superRefine((all, context) => {
    for (const [name, { needs }] of Object.entries(all).map(([n, t]) => [n, taskObject(t)] as const)) {
      for (const [index, needed] of needs.entries()) {
        if (Object.hasOwn(all, needed)) continue
        const near = nearest(needed, Object.keys(all))
        const hint = near === undefined ? '' : `; did you mean "${near}"?`
        context.addIssue({
          code: 'custom',
          path: [name, 'needs', index],
          message: `there is no task "${needed}"${hint}`,
        })
      }
    }
    const circle = circleOf(all)
    if (circle) {
      const message = `tasks need each other in a circle: ${circle.join(' -> ')}`
      context.addIssue({ code: 'custom', path: [circle[0] ?? '', 'needs'], message })
    }
    for (const [name, { run: work, needs, local, once, roles }] of Object.entries(all).map(
      ([n, t]) => [n, taskObject(t)] as const,
    )) {
      if (work === undefined && needs.length === 0) {
        context.addIssue({ code: 'custom', path: [name], message: 'has nothing to do: give it "run" or "needs"' })
      }
      if (local && (once || roles.length > 0)) {
        context.addIssue({ code: 'custom', path: [name], message: 'is local: "roles" and "once" say nothing then' })
      }
    }
  })

/** A task that was written short, as an object. */
export function taskObject(written: TaskConfig): z.output<typeof object> {
  if (typeof written === 'object' && !Array.isArray(written)) return written
  return { run: written, needs: [], roles: [], once: false, local: false, parallel: true, env: {}, secrets: [] }
}

/** The first circle of needs, from a task back to itself; undefined when there is none. */
function circleOf(all: Tasks): readonly string[] | undefined {
  const done = new Set<string>()
  const visit = (name: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    const found = all[name]
    if (done.has(name) || found === undefined) return undefined
    for (const needed of taskObject(found).needs) {
      const circle = visit(needed, [...path, name])
      if (circle) return circle
    }
    done.add(name)
    return undefined
  }
  for (const name of Object.keys(all)) {
    const circle = visit(name, [])
    if (circle) return circle
  }
  return undefined
}

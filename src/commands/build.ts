/** `ship build`: what came out, and where it lies. */
import { join, relative } from 'node:path'
import { build, type BuildReport } from '../build/build.ts'
import { ShipError } from '../errors.ts'
import { count } from '../ui/measure.ts'
import { size } from '../size.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import { BUMPS, type Bump } from '../version.ts'
import type { Input, RunCommand } from './command.ts'
import { openProject } from './project.ts'

export const run: RunCommand = async (input, context) => {
  const project = await openProject(context)
  const report = await build(
    {
      project,
      version: input.text('version'),
      bump: bumpOf(input),
      snapshot: input.on('snapshot'),
      ref: input.text('ref'),
      formats: input.list('format'),
      checkRepro: input.on('checkRepro'),
    },
    context.io,
  )
  return { data: report, text: (view) => reportLines(report, context.cwd, view) }
}

function bumpOf(input: Input): Bump | undefined {
  const text = input.text('bump')
  if (text === undefined) return undefined
  const kind = BUMPS.find((b) => b === text)
  if (kind !== undefined) return kind
  throw new ShipError('usage', `"${text}" cannot be bumped`, { next: [`use --bump ${BUMPS.join(', ')}`] })
}

const COLUMNS = [{ title: 'ARTIFACT' }, { title: 'SIZE', align: 'right' }, { title: 'SHA256', shrink: true }] as const

function reportLines(report: BuildReport, cwd: string, { style, width }: View): readonly string[] {
  const rows = report.artifacts.map((a): Cell[] => [
    relative(cwd, join(report.dist, a.file)),
    size(a.sizeBytes),
    a.sha256,
  ])
  const what = `${report.name} ${report.version}`
  const from =
    report.commit === undefined
      ? ''
      : `, commit ${report.commit.slice(0, 9)}${report.dirty === true ? ' with changes' : ''}`
  const built = report.outcome === 'unchanged' ? `${what} was built before with the same bytes` : `built ${what}`
  const closing = `${built}: ${count(report.files, 'file')}, ${size(report.treeBytes)}${from}`
  return [...table(COLUMNS, rows, { style, width }), style.bold(closing)]
}

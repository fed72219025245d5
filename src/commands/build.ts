/** `ship build`: what came out, and where it lies. */
import { join, relative } from 'node:path'
import { build, type BuildReport, type PartReport } from '../build/build.ts'
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
      locked: input.on('locked'),
      allowDirty: input.on('allowDirty'),
      freeTerminal: context.prompts.interactive ? () => context.settle() : undefined,
    },
    context.io,
  )
  const [first] = Object.keys(project.config.environments)
  // A package alone is released where the configuration says so, and installed by hand elsewhere.
  const isReleased = report.artifacts.some(({ kind }) => kind === 'bundle') || project.config.release.format === 'deb'
  const next =
    first === undefined || !isReleased
      ? []
      : [`ship plan -e ${first}    # what a release would do`, `ship release -e ${first}`]
  return { data: report, text: (view) => reportLines(report, context.cwd, view, input.on('explain')), next }
}

function bumpOf(input: Input): Bump | undefined {
  const text = input.text('bump')
  if (text === undefined) return undefined
  const kind = BUMPS.find((b) => b === text)
  if (kind !== undefined) return kind
  throw new ShipError('usage', `"${text}" cannot be bumped`, { next: [`use --bump ${BUMPS.join(', ')}`] })
}

const COLUMNS = [{ title: 'ARTIFACT' }, { title: 'SIZE', align: 'right' }, { title: 'SHA256', shrink: true }] as const

function reportLines(report: BuildReport, cwd: string, { style, width }: View, explain: boolean): readonly string[] {
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
  const signed = report.signedBy === undefined ? '' : `, signed by ${report.signedBy}`
  const closing = `${built}: ${count(report.files, 'file')}, ${size(report.treeBytes)}${from}${signed}`
  const { edited } = report
  const needs = needsOf(report)
  const note = edited.length === 0 ? [] : [`${edited.join(', ')}: ${report.version} written, not committed yet`]
  const why = explain ? [...report.parts.flatMap(explained), ''] : []
  return [...why, ...table(COLUMNS, rows, { style, width }), ...needs, ...note, style.bold(closing)]
}

/** The C library that hosts must have, with the oldest release of each distribution that has it. */
function needsOf({ needs }: BuildReport): readonly string[] {
  if (needs?.glibc === undefined) return []
  const { glibc, distributions } = needs
  const oldest = Map.groupBy(distributions, (name) => name.replace(/[\d.]+$/, ''))
  const names = [...oldest.values()].flatMap(([first]) => first ?? [])
  const where = names.length === 0 ? 'newer than that of any distribution known here' : `${names.join(', ')} or newer`
  return [`needs glibc ${glibc.version} (${where})`]
}

/** Why a part was made anew, one input a line. */
function explained({ name, version, outcome, reasons }: PartReport): readonly string[] {
  if (outcome === 'kept') return [`${name} ${version}: kept from an earlier build, for no input changed`]
  if (reasons.length === 0) return [`${name} ${version}: made anew each time, for its recipe says so`]
  return [`${name} ${version}: made anew`, ...reasons.map((reason) => `  ${reason}`)]
}

/** `ship inspect`: what is inside a bundle, or what differs between two. */
import type { Bundle } from '../formats/bundle.ts'
import { diffManifests, type Change, type ManifestDiff } from '../tree/diff.ts'
import { count } from '../ui/measure.ts'
import { size } from '../size.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { RunCommand } from './command.ts'
import { chosenFile } from './project.ts'

const COLUMNS = [{ title: 'MODE' }, { title: 'SIZE', align: 'right' }, { title: 'PATH' }] as const

export const run: RunCommand = async (input, context) => {
  const bundle = await chosenFile(input.args[0], context)
  const other = input.text('diff')
  if (other === undefined) {
    return { data: bundle, text: (view) => [...facts(bundle), '', ...listing(bundle, view)] }
  }
  const older = await chosenFile(other, context)
  const diff = diffManifests(older.manifest, bundle.manifest)
  return {
    data: { from: older.manifest.version, to: bundle.manifest.version, ...diff },
    text: (view) => diffLines(older, bundle, diff, view),
  }
}

function facts({ manifest, digest, archive }: Bundle): readonly string[] {
  const files = manifest.entries.filter((e) => e.type === 'file')
  const bytes = files.reduce((sum, e) => sum + e.size, 0)
  const { commit, dirty, components } = manifest
  return [
    `name      ${manifest.name}`,
    `version   ${manifest.version}`,
    `platform  ${manifest.platform}`,
    ...(commit === undefined ? [] : [`commit    ${commit}${dirty === true ? ' with changes' : ''}`]),
    `time      ${new Date(manifest.epoch * 1000).toISOString()}`,
    `digest    ${digest}`,
    `archive   ${archive}`,
    `content   ${count(files.length, 'file')}, ${size(bytes)}`,
    ...components.map((c) => `component ${c.name} ${c.version}${c.license === undefined ? '' : ` (${c.license})`}`),
  ]
}

function listing({ manifest }: Bundle, view: View): readonly string[] {
  const rows = manifest.entries.map((e): Cell[] => [
    { file: '-', dir: 'd', link: 'l' }[e.type] + e.mode.toString(8).padStart(4, '0'),
    e.type === 'file' ? size(e.size) : '',
    e.type === 'link' ? `${e.path} -> ${e.target}` : e.path,
  ])
  return table(COLUMNS, rows, view)
}

function diffLines(older: Bundle, newer: Bundle, diff: ManifestDiff, { style }: View): readonly string[] {
  const line = (mark: string, change: Change): string =>
    `${mark} ${change.path}${change.size === undefined ? '' : ` (${size(change.size)})`}`
  const lines = [
    ...diff.removed.map((c) => style.red(line('-', c))),
    ...diff.added.map((c) => style.green(line('+', c))),
    ...diff.changed.map((c) => style.yellow(line('~', c))),
  ]
  const names = `${older.manifest.version} -> ${newer.manifest.version}`
  if (lines.length === 0) return [`${names}: the same files`]
  const closing = `${names}: +${diff.added.length} ~${diff.changed.length} -${diff.removed.length}, ${diff.unchanged} the same`
  return [...lines, style.bold(closing)]
}

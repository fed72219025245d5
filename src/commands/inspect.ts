/** `ship inspect`: what is inside a bundle, or what differs between two. */
import { hostNeeds, type HostNeeds } from '../build/host-needs.ts'
import { debEntries, type DebBundle } from '../deb/open.ts'
import { ShipError, throwIfAborted } from '../errors.ts'
import type { Bundle } from '../formats/bundle.ts'
import type { ArchiveEntry } from '../formats/format.ts'
import { changesBetween } from '../tree/changes.ts'
import { manifestDigest, type Entry, type Manifest } from '../tree/manifest.ts'
import { count } from '../ui/measure.ts'
import { escapeControls } from '../names.ts'
import { size } from '../size.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Answer, Context, RunCommand } from './command.ts'
import { diffLines, type HostsCompared } from './diff-text.ts'
import { chosenFile, chosenManifest } from './project.ts'

const COLUMNS = [{ title: 'MODE' }, { title: 'SIZE', align: 'right' }, { title: 'PATH' }] as const

export const run: RunCommand = async (input, context) => {
  const [wanted] = input.args
  const other = input.text('diff')
  if (other === undefined) {
    const bundle = await chosenFile(wanted, context)
    if ('fields' in bundle) return inspectDeb(bundle, context)
    return { data: bundle, text: (view) => [...facts(bundle), '', ...listing(bundle.manifest.entries, view)] }
  }
  const newer = await chosenManifest(wanted, context)
  const older = await chosenManifest(other, context)
  const changes = changesBetween(older, newer)
  const hosts = await hostNeedsOf({ from: [older, other], to: [newer, wanted] }, context)
  return {
    data: { from: headOf(older), to: headOf(newer), ...changes, hosts },
    text: (view) => diffLines(older, newer, { ...changes, hosts }, view),
  }
}

/** A package: what it says of itself, and everything that it installs. */
async function inspectDeb(deb: DebBundle, { io }: Context): Promise<Answer> {
  const entries = await debEntries(deb, io.signal)
  const { manifest, fields, controlFiles } = deb
  const control = Object.entries(fields).map(([name, value]) => escapeControls(`${name}: ${value}`, 'newlines'))
  const head = [
    ...control,
    `Scripts and lists: ${controlFiles.map((name) => escapeControls(name)).join(', ')}`,
    '',
    `manifest  ${manifest.name} ${manifest.version}`,
    `digest    ${deb.digest}`,
    `archive   ${deb.archive}`,
  ]
  return { data: { ...deb, installs: entries }, text: (view) => [...head, '', ...listing(entries, view)] }
}

/** What both sides need of hosts. Only archives tell, and one that is gone or damaged is no reason to tell nothing at all. */
async function hostNeedsOf(
  sides: Readonly<Record<'from' | 'to', readonly [Manifest, string | undefined]>>,
  context: Context,
): Promise<HostsCompared> {
  const [from, to] = [await needsOf(sides.from, context), await needsOf(sides.to, context)]
  if ('unknown' in from) return from
  return 'unknown' in to ? to : { from, to }
}

async function needsOf(
  [{ platform, version }, wanted]: readonly [Manifest, string | undefined],
  context: Context,
): Promise<HostNeeds | { readonly unknown: string }> {
  // Data and scripts run anywhere; those who pack them say so.
  if (platform === 'any') return { libraries: [], glibc: undefined }
  const { signal } = context.io
  try {
    return await hostNeeds(await chosenFile(wanted, context), signal)
  } catch (error) {
    throwIfAborted(signal)
    if (!(error instanceof ShipError)) throw error
    return { unknown: `${version}: ${error.message}` }
  }
}

function headOf(manifest: Manifest): Readonly<Record<string, string>> {
  const { name, version, platform } = manifest
  return { name, version, platform, digest: manifestDigest(manifest) }
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
    ...components.map((c) =>
      escapeControls(`component ${c.name} ${c.version}${c.license === undefined ? '' : ` (${c.license})`}`),
    ),
  ]
}

function listing(entries: readonly (Entry | ArchiveEntry)[], view: View): readonly string[] {
  const rows = entries.map((e): Cell[] => [
    { file: '-', dir: 'd', link: 'l' }[e.type] + e.mode.toString(8).padStart(4, '0'),
    e.type === 'file' ? size(e.size) : '',
    e.type === 'link' ? `${e.path} -> ${e.target ?? ''}` : e.path,
  ])
  return table(COLUMNS, rows, view)
}

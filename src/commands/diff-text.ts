/** The answer of `ship inspect --diff` for people: what went, came, changed and moved, then what it means, the sum last. */
import type { HostNeeds } from '../build/host-needs.ts'
import { escapeControls } from '../names.ts'
import type { Component } from '../recipe.ts'
import { size } from '../size.ts'
import { newAndLost, type BundleChanges, type Changed, type OneSided, type Renamed } from '../tree/changes.ts'
import type { Manifest } from '../tree/manifest.ts'
import type { View } from '../ui/renderer.ts'
import type { Style } from '../ui/style.ts'
import { table, type Cell } from '../ui/table.ts'

type Head = Pick<Manifest, 'name' | 'version' | 'platform'>

const COLUMNS = [
  { title: '' },
  { title: 'SIZE', align: 'right' },
  { title: 'GROWTH', align: 'right' },
  { title: 'PATH', shrink: true },
] as const
const NARROWEST = 24

interface Row {
  readonly mark: string
  readonly paint: keyof Style
  readonly size?: number | undefined
  readonly growth?: number | undefined
  readonly path: string
  /** Shown on a line of its own when it does not fit behind the path. */
  readonly more?: string | undefined
}

/** What two bundles need of their hosts, or why that is not known. */
export type HostsCompared = { readonly from: HostNeeds; readonly to: HostNeeds } | { readonly unknown: string }

export function diffLines(
  older: Head,
  newer: Head,
  changes: BundleChanges & { readonly hosts?: HostsCompared },
  view: View,
): readonly string[] {
  const moved = changes.renamed
  const removed = withoutImplied(
    changes.removed,
    moved.map((r) => r.from),
  )
  const added = withoutImplied(
    changes.added,
    moved.map((r) => r.to),
  )
  const rows = [
    ...biggestFirst(removed, sizeOf).map((c): Row => ({ mark: '-', paint: 'red', size: c.size, path: named(c) })),
    ...biggestFirst(added, sizeOf).map((c): Row => ({ mark: '+', paint: 'green', size: c.size, path: named(c) })),
    ...biggestFirst(changes.changed, (c) => c.growth).map(changedRow),
    ...biggestFirst(moved, sizeOf).map(renamedRow),
  ]
  const lines = [
    ...tableLines(rows, view),
    ...section('components', componentLines(changes, view.style)),
    ...section('licences', nameLines(changes.licenses, view.style)),
    ...section('shared libraries', nameLines(changes.libraries, view.style)),
    ...section('needed of hosts', changes.hosts === undefined ? [] : hostLines(changes.hosts, view.style)),
  ]
  const counts = [`+${added.length}`, `~${changes.changed.length}`, `-${removed.length}`]
  const files = [...counts, ...(moved.length > 0 ? [`>${moved.length}`] : [])].join(' ')
  const names = `${headOf(older, newer)} -> ${headOf(newer, older)}`
  const closing = `${names}: ${rows.length === 0 ? 'the same files' : `${files}, ${changes.unchanged} the same; ${sum(changes)}`}`
  const body = lines[0] === '' ? lines.slice(1) : lines
  return [...body, ...(body.length === 0 ? [] : ['']), view.style.bold(closing)]
}

/** What weighs most stands first, what shrank last; equal ones stay in the order of paths. */
function biggestFirst<T>(items: readonly T[], bytes: (item: T) => number): readonly T[] {
  return items.toSorted((a, b) => bytes(b) - bytes(a))
}

function sizeOf({ size: bytes }: { readonly size?: number | undefined }): number {
  return bytes ?? 0
}

function sum({ bytes: { from, to } }: BundleChanges): string {
  return `${size(from)} -> ${size(to)}${from === to ? '' : ` (${signed(to - from)})`}`
}

/** The version, with name and platform when the other side has another one. */
function headOf({ name, version, platform }: Head, other: Head): string {
  const parts = [...(name === other.name ? [] : [name]), version, ...(platform === other.platform ? [] : [platform])]
  return parts.join(' ')
}

/** Without folders of which something is listed: they came or went with it. */
function withoutImplied(items: readonly OneSided[], moved: readonly string[]): readonly OneSided[] {
  const parents = new Set(
    [...items.map(({ path }) => path), ...moved].map((path) => path.slice(0, Math.max(0, path.lastIndexOf('/')))),
  )
  return items.filter(({ type, path }) => type !== 'dir' || !parents.has(path))
}

function named({ path, type, target }: OneSided): string {
  if (type === 'dir') return `${path}/`
  return type === 'link' ? `${path} -> ${target ?? ''}` : path
}

function changedRow({ path, from, to, growth }: Changed): Row {
  const facts = [
    ...(from.type === to.type ? [] : [`${from.type} -> ${to.type}`]),
    ...(from.mode === to.mode || from.type !== to.type ? [] : [`mode ${octal(from.mode)} -> ${octal(to.mode)}`]),
    ...(from.target !== undefined && to.target !== undefined && from.target !== to.target
      ? [`to ${from.target} -> ${to.target}`]
      : []),
  ]
  const more = facts.length === 0 ? undefined : `(${facts.join(', ')})`
  return { mark: '~', paint: 'yellow', size: to.size, growth: growth === 0 ? undefined : growth, path, more }
}

function renamedRow({ from, to, size: bytes, modes: [before, after] }: Renamed): Row {
  const mode = before === after ? '' : ` (mode ${octal(before)} -> ${octal(after)})`
  return { mark: '>', paint: 'cyan', size: bytes, path: from, more: `-> ${to}${mode}` }
}

function tableLines(rows: readonly Row[], view: View): readonly string[] {
  const sizes = Math.max(4, ...rows.map((r) => (r.size === undefined ? 0 : size(r.size).length)))
  const growths = Math.max(6, ...rows.map((r) => (r.growth === undefined ? 0 : signed(r.growth).length)))
  const grown = rows.some((r) => r.growth !== undefined)
  const sized = rows.some((r) => r.size !== undefined)
  const used = 1 + (sized ? sizes + 2 : 0) + (grown ? growths + 2 : 0) + 2
  const room = Math.max(NARROWEST, view.width - used)
  return table(
    COLUMNS,
    rows.flatMap((row) => cellsOf(row, room)),
    view,
  )
}

function cellsOf({ mark, paint, size: bytes, growth, path, more }: Row, room: number): readonly (readonly Cell[])[] {
  const cell = (text: string): Cell => ({ text: endOf(text, room), paint })
  const head = [
    { text: mark, paint },
    bytes === undefined ? '' : size(bytes),
    growth === undefined ? '' : signed(growth),
  ] as const
  if (more === undefined) return [[...head, cell(path)]]
  if (path.length + 1 + more.length <= room) return [[...head, cell(`${path} ${more}`)]]
  return [
    [...head, cell(path)],
    ['', '', '', cell(`  ${more}`)],
  ]
}

/** A path that is too long loses its start: its end tells more. */
function endOf(text: string, room: number): string {
  const letters = Array.from(text)
  return letters.length <= room ? text : `…${letters.slice(letters.length - room + 1).join('')}`
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
}

function componentLines({ components }: BundleChanges, style: Style): readonly string[] {
  const { added, removed, changed } = components
  return [
    ...removed.map((c) => style.red(escapeControls(`- ${c.name} ${versionOf(c)}`))),
    ...added.map((c) => style.green(escapeControls(`+ ${c.name} ${versionOf(c)}`))),
    ...changed.map(({ name, from, to }) => {
      const both = from.license === to.license ? ({ version }: typeof to) => version : versionOf
      return style.yellow(escapeControls(`~ ${name} ${both(from)} -> ${both(to)}`))
    }),
  ]
}

function versionOf({ version, license }: Omit<Component, 'name'>): string {
  return license === undefined ? version : `${version} (${license})`
}

function nameLines(names: BundleChanges['licenses'], style: Style): readonly string[] {
  return [
    ...names.removed.map((name) => style.red(escapeControls(`- ${name}`))),
    ...names.added.map((name) => style.green(escapeControls(`+ ${name}`))),
  ]
}

function hostLines(hosts: HostsCompared, style: Style): readonly string[] {
  if ('unknown' in hosts) return [style.yellow(escapeControls(`not known: ${hosts.unknown}`))]
  const { from, to } = hosts
  const glibc = `${from.glibc ?? 'none'} -> ${to.glibc ?? 'none'}`
  return [
    ...nameLines(newAndLost(from.libraries, to.libraries), style),
    ...(from.glibc === to.glibc ? [] : [style.yellow(escapeControls(`~ glibc ${glibc}`))]),
  ]
}

function signed(bytes: number): string {
  return `${bytes < 0 ? '-' : '+'}${size(Math.abs(bytes))}`
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

/** All that decides what a recipe makes. Equal inputs, equal result: their digest is the key under which it is kept. */
import { hash } from 'node:crypto'
import { ownVersion } from '../own-version.ts'
import type { Resolved } from '../sources/index.ts'
import { fingerprint, treeDigest } from '../sources/tree-digest.ts'
import type { Entry } from '../tree/manifest.ts'
import type { Node } from './graph.ts'
import { systemName, toolVersion } from './tools.ts'

/** Changes when what ship does around recipes changes. */
const SCHEMA = '2'
const SHOWN = 5

export interface Inputs {
  /** What it is -> its value, short enough to be shown. */
  readonly values: Readonly<Record<string, string>>
  /** The app's source files: path -> state. */
  readonly files: Readonly<Record<string, string>>
}

export interface InputFacts {
  readonly node: Node
  readonly resolved: readonly Resolved[]
  /** Keys of direct dependencies. */
  readonly dependencies: ReadonlyMap<string, string>
  /** For the app: its source files as they are now. */
  readonly entries: readonly Entry[]
  readonly epoch: number
  readonly prefix: string
  readonly signal: AbortSignal
}

export async function inputsOf(facts: InputFacts): Promise<Inputs> {
  const { node, resolved, dependencies, entries, epoch, prefix, signal } = facts
  const { recipe, context, role, tools } = node
  const named = <T>(kind: string, all: Iterable<readonly [string, T]>): Record<string, T> =>
    Object.fromEntries([...all].map(([name, value]) => [`${kind} ${name}`, value]))
  const programs = await Promise.all(tools.map(async (tool) => [tool, await toolVersion(tool, signal)] as const))
  const values: Record<string, string> = {
    ship: `${ownVersion()} ${SCHEMA}`,
    platform: `${context.platform}${tools.length === 0 ? '' : ` ${await systemName()}`}`,
    layout: context.layout,
    prefix,
    ...(context.wanted === undefined ? {} : { 'wanted version': context.wanted }),
    ...(recipe.version === undefined ? {} : { version: recipe.version }),
    ...named('recipe', Object.entries(node.text)),
    ...named(
      'source',
      resolved.map((r) => [r.name, r.digest] as const),
    ),
    ...named('tool', programs),
    ...named(
      'variable',
      Object.entries(declaredEnv(node)).map(([name, value]) => [name, hash('sha256', value)] as const),
    ),
    ...named('dependency', dependencies),
    ...(Object.keys(context.bin).length === 0 ? {} : { 'build.bin': JSON.stringify(context.bin) }),
    ...(role === 'app' ? { 'source files': treeDigest(entries), 'time of the sources': String(epoch) } : {}),
  }
  const files = role === 'app' ? Object.fromEntries(entries.map((e) => [e.path, fingerprint(e)])) : {}
  return { values, files }
}

/** Variables of the caller that the recipe asks for, those that are set. */
export function declaredEnv({ recipe }: Node): Readonly<Record<string, string>> {
  const all = (recipe.env ?? []).map((name) => [name, process.env[name]] as const)
  return Object.fromEntries(all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

/** sha256 over names and values, hexadecimal. */
export function keyOf({ values }: Inputs): string {
  const lines = Object.keys(values)
    .toSorted()
    .map((name) => JSON.stringify([name, values[name]]))
  return hash('sha256', lines.join('\n'))
}

/** What is different, as phrases: "recipe changed", "tool cc: gcc 12.2 -> gcc 13.1", "server.js changed". */
export function differences(before: Inputs, now: Inputs): readonly string[] {
  const names = [...new Set([...Object.keys(before.values), ...Object.keys(now.values)])]
  return names.flatMap((name): string[] => {
    const [a, b] = [before.values[name], now.values[name]]
    if (a === b) return []
    if (name === 'source files') return fileDifferences(before.files, now.files)
    if (a === undefined || b === undefined) return [`${name} ${a === undefined ? 'added' : 'removed'}`]
    const digests = [a, b].some((text) => /^(?:sha512-\S+|[0-9a-f]{64})$/.test(text)) || a.length + b.length > 80
    return [digests ? `${name} changed` : `${name}: ${a} -> ${b}`]
  })
}

function fileDifferences(before: Inputs['files'], now: Inputs['files']): string[] {
  const paths = [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((p) => before[p] !== now[p])
    .toSorted()
  const said = paths.slice(0, SHOWN).map((p) => {
    const what = before[p] === undefined ? 'added' : now[p] === undefined ? 'removed' : 'changed'
    return `${p} ${what}`
  })
  return paths.length > SHOWN ? [...said, `${paths.length - SHOWN} more files`] : said
}

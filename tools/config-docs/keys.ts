/** Every key of the configuration, read from its JSON Schema: the sections of docs/config.md. Pure. */
import { configJsonSchema } from '../../src/config/json-schema.ts'
import { STATED } from './stated.ts'

export interface Key {
  /** As in `release.install.lock`; `[]` is an entry of a list, `<name>` one of a map. */
  readonly path: string
  readonly means: string
  readonly default: string
}

export interface Section {
  readonly title: string
  /** First part of its paths, and its name in examples.ts. */
  readonly id: string
  readonly keys: readonly Key[]
}

/** The parts of JSON Schema that are used. */
interface Node {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: Node | boolean
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Node>>
}

const SCHEMA: Node = configJsonSchema()

/** Sections in the order of the page. Keys whose own keys have a section of their own are not gone into. */
export function sections(): readonly Section[] {
  const release = at(SCHEMA, 'release')
  const environment = objectIn(at(SCHEMA, 'environments').additionalProperties)
  const hooks = at(release, 'hooks')
  const deb = at(SCHEMA, 'deb')
  const strategies = branches(at(release, 'strategy')).flatMap((node) => branches(node).filter(hasKeys))
  return [
    section('Top level', '', SCHEMA, ['build', 'release', 'environments', 'deb', 'tasks']),
    section('build', 'build', at(SCHEMA, 'build')),
    section('release', 'release', release, ['hooks', 'health', 'strategy', 'drain', 'relay']),
    section('Hooks', 'hooks', hooks, Object.keys(hooks.properties ?? {})),
    section('A hook', 'hook', objectIn(Object.values(hooks.properties ?? {})[0]?.items)),
    ...kinds('Health check', 'health', branches(SCHEMA.$defs?.['health-check']), (node) => node.required?.[0]),
    ...strategies
      .map((node) => section(`Strategy: ${typeOf(node)}`, `strategy:${typeOf(node)}`, node))
      .filter(({ keys }) => keys.length > 1),
    ...kinds('Drain', 'drain', branches(SCHEMA.$defs?.['drain']), typeOf),
    section('An environment', 'environment', only(environment, ['extends', 'hosts', 'production'])),
    section('A host', 'host', objectIn(at(release, 'relay'))),
    section('A task', 'task', objectIn(at(SCHEMA, 'tasks').additionalProperties)),
    section('deb', 'deb', deb, ['service', 'services', 'packages', 'architectures']),
    section('A service of a package', 'service', at(deb, 'service'), ['extra']),
  ]
}

function section(title: string, id: string, node: Node, apart: readonly string[] = []): Section {
  return { title, id, keys: keysOf(node, id === '' ? '' : `${id}.`, apart) }
}

/** One section for what all kinds have, and one for each with what it has alone. */
function kinds(
  title: string,
  id: string,
  all: readonly Node[],
  nameOf: (node: Node) => string | undefined,
): readonly Section[] {
  const names = Object.keys(all[0]?.properties ?? {})
  const common = names.filter((name) => name !== 'type' && all.every((node) => node.properties?.[name] !== undefined))
  const own = all.map((node) => {
    const mine = Object.keys(node.properties ?? {}).filter((name) => !common.includes(name))
    return section(`${title}: ${nameOf(node) ?? ''}`, `${id}:${nameOf(node) ?? ''}`, only(node, mine))
  })
  // A key that one kind needs is told as needed there, not for all.
  const shared = { ...only(all.at(-1) ?? {}, common) }
  return [...own, section(`${title}: every kind`, id, shared)]
}

function typeOf(node: Node): string {
  return String(node.properties?.['type']?.const)
}

/** Keys below a node. What is below those of `apart` is told elsewhere. */
function keysOf(node: Node, prefix: string, apart: readonly string[] = []): Key[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, inner]) => {
    const path = `${prefix}${name}`
    const required = node.required?.includes(name) === true
    const own = { path, means: meaning(inner), default: defaultOf(path, inner, required) }
    return [own, ...(apart.includes(name) ? [] : deeperKeys(inner, path))]
  })
}

/** Keys of an object, or of the objects that a list, a map or a choice may hold. Hosts have their own section. */
function deeperKeys(node: Node, path: string): Key[] {
  if (path.endsWith('.hosts') || path.endsWith('.on') || path.endsWith('when') || path.endsWith('rest')) return []
  const direct = keysOf(node, `${path}.`)
  const listed = (node.items ? [node.items, ...branches(node.items)] : []).flatMap((one) => keysOf(one, `${path}[].`))
  const chosen = branches(node).flatMap((one) => keysOf(one, `${path}.`))
  return unique([...direct, ...listed, ...chosen])
}

function unique(keys: readonly Key[]): Key[] {
  return keys.filter((key, index) => keys.findIndex((other) => other.path === key.path) === index)
}

function meaning(node: Node): string {
  const values = valuesOf(node)
  const text =
    node.const === undefined ? (node.description ?? '').replace(/[;,] default [^,;:(]*$/i, '') : 'Names the kind'
  const choice = values.length < 2 ? '' : `: ${values.map((value) => code(value)).join(', ')}`
  // A choice that the words name already is not told twice.
  return values.every((value) => text.includes(String(value))) ? text : `${text}${choice}`
}

function valuesOf(node: Node): readonly unknown[] {
  if (node.enum) return node.enum
  if (node.items?.enum) return node.items.enum
  return branches(node).flatMap((one) => one.enum ?? [])
}

function defaultOf(path: string, node: Node, required: boolean): string {
  const stated = STATED[path]
  if (stated !== undefined) return stated
  if (node.const !== undefined) return `always ${code(node.const)}`
  if (required) return 'required'
  const value = node.default
  const isNone = value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  return isNone ? 'none' : code(value)
}

/** The same in backticks. */
function code(value: unknown): string {
  return `\`${literal(value)}\``
}

/** A value as one writes it in TypeScript. */
export function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const pairs = Object.entries(value).map(
    ([name, inner]) => `${/^\w+$/.test(name) ? name : literal(name)}: ${literal(inner)}`,
  )
  return `{ ${pairs.join(', ')} }`
}

function at(node: Node, name: string): Node {
  const found = node.properties?.[name]
  if (!found) throw new Error(`the schema has no "${name}"`)
  return found
}

/** The branch that is an object, of one that may be written shorter. */
function objectIn(node: Node | boolean | undefined): Node {
  if (node === undefined || typeof node === 'boolean') throw new Error('the schema has no such part')
  return [node, ...branches(node)].find(hasKeys) ?? node
}

function hasKeys(node: Node): boolean {
  return node.properties !== undefined
}

function branches(node: Node | undefined): readonly Node[] {
  return node?.anyOf ?? node?.oneOf ?? []
}

function only(node: Node, names: readonly string[]): Node {
  const properties = Object.fromEntries(Object.entries(node.properties ?? {}).filter(([name]) => names.includes(name)))
  return { ...node, properties }
}

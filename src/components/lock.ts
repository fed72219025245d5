/**
 * `ship.lock`: which bytes each source stood for, so that a build can be replayed. A source that is not in it is looked up and added;
 * one whose text in the recipe changed is looked up anew. `--locked` refuses both.
 */
import { ShipError } from '../errors.ts'
import { publicSource } from '../sources/address.ts'
import { isLocked, resolveSource, type Resolved } from '../sources/index.ts'
import type { SourceContext } from '../sources/source.ts'
import type { Node } from './graph.ts'
import { LOCK_FILE, readLock, sorted, writeLock, type Lock } from './lock-file.ts'

export type LockMode =
  /** Take what is locked, look up what is not, write the file. */
  | 'use'
  /** Take what is locked and refuse what is not. */
  | 'locked'
  /** Look everything up anew (`only`: of these components) and write the file. */
  | 'update'

export interface LockRequest {
  readonly projectDir: string
  readonly mode: LockMode
  /** With `update`: ids of nodes; none: all. */
  readonly only?: readonly string[] | undefined
  readonly signal: AbortSignal
}

export interface LockResult {
  /** Sources of each node, by its id. */
  readonly sources: ReadonlyMap<string, readonly Resolved[]>
  /** What is different in the file now, as sentences. */
  readonly changes: readonly string[]
}

/** Rejects with `config` for a lock that cannot be read, and for drift under `locked`; `build` when a source is not to be had. */
export async function lockSources(
  nodes: readonly Node[],
  { projectDir, mode, only = [], signal }: LockRequest,
  context: (node: Node, signal: AbortSignal) => SourceContext,
): Promise<LockResult> {
  const before = await readLock(projectDir)
  if (mode === 'locked') refuseDrift(nodes, before)
  // The first failure ends the other look-ups.
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const lookUp = async (node: Node): Promise<readonly [string, readonly Resolved[]]> => {
    const afresh = mode === 'update' && (only.length === 0 || only.includes(node.id))
    const resolved = Object.entries(node.sources).map(async ([name, source]) => {
      const known = afresh ? undefined : lockedOf(before, node, name)
      return { ...(await resolveSource(`${node.name}: ${name}`, source, known, context(node, both))), name }
    })
    return [node.id, await Promise.all(resolved)]
  }
  const work = nodes.map(lookUp)
  for (const one of work) one.catch((error: unknown) => stop.abort(error))
  await Promise.allSettled(work)
  if (stop.signal.aborted) throw stop.signal.reason
  const sources = new Map(await Promise.all(work))
  if (mode === 'locked') return { sources, changes: [] }
  const after = lockOf(nodes, sources)
  const changes = changesBetween(before, after)
  if (changes.length > 0) await writeLock(projectDir, after)
  return { sources, changes }
}

function lockOf(nodes: readonly Node[], sources: LockResult['sources']): Lock {
  const components = nodes.flatMap((node) => {
    const locked = (sources.get(node.id) ?? []).filter((r) => isLocked(r.source))
    if (locked.length === 0) return []
    const entries = locked.map(
      (r) => [r.name, { source: { ...r.source }, locked: { ...(r.locked as object) } }] as const,
    )
    return [[node.id, Object.fromEntries(entries)] as const]
  })
  return { schema: 1, components: Object.fromEntries(components) }
}

/** What the lock says of a source, when it was locked for the same text. */
function lockedOf(lock: Lock, node: Node, name: string): unknown {
  const found = lock.components[node.id]?.[name]
  const source = node.sources[name]
  return found && source && same(found.source, publicSource(source)) ? found.locked : undefined
}

function refuseDrift(nodes: readonly Node[], lock: Lock): void {
  const drift = nodes.flatMap((node) =>
    Object.entries(node.sources)
      .filter(([name, source]) => isLocked(source) && lockedOf(lock, node, name) === undefined)
      .map(([name]) => {
        const was = lock.components[node.id]?.[name]
        return `${node.name}: ${name} ${was ? `was locked for ${JSON.stringify(was.source)}` : 'is not locked'}`
      }),
  )
  const stale = Object.entries(lock.components).flatMap(([id, entries]) => {
    const node = nodes.find((n) => n.id === id)
    if (!node) return [`${id} is locked, and not used`]
    const names = Object.keys(entries).filter((name) => !(name in node.sources))
    return names.map((name) => `${node.name}: ${name} is locked, and not used`)
  })
  const all = [...drift, ...stale]
  if (all.length === 0) return
  throw new ShipError('config', `${LOCK_FILE} does not fit the recipes`, {
    state: 'nothing was built',
    details: all,
    next: ['ship lock, and commit the file'],
  })
}

function changesBetween(before: Lock, after: Lock): readonly string[] {
  const names = [...new Set([...Object.keys(before.components), ...Object.keys(after.components)])].toSorted()
  return names.flatMap((component) => {
    const old = before.components[component] ?? {}
    const now = after.components[component] ?? {}
    return [...new Set([...Object.keys(old), ...Object.keys(now)])]
      .filter((name) => !same(old[name], now[name]))
      .map((name) => `${component}: ${name} ${said(old[name]?.locked)} -> ${said(now[name]?.locked)}`)
  })
}

/** The shortest that tells a lock entry from another. */
function said(locked: Readonly<Record<string, unknown>> | undefined): string {
  if (!locked) return 'nothing'
  const { version, commit, sha256, packages } = locked
  if (typeof version === 'string') return version
  if (typeof commit === 'string') return commit.slice(0, 9)
  if (typeof sha256 === 'string') return sha256.slice(0, 12)
  return Array.isArray(packages) ? `${packages.length} packages` : 'other content'
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
}

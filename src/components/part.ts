/** One part of the tree: taken from what is kept, or made by its recipe. */
import { join } from 'node:path'
import semver from 'semver'
import { ShipError } from '../errors.ts'
import type { Component } from '../recipe.ts'
import type { Resolved } from '../sources/index.ts'
import { guardTree } from '../tree/guard.ts'
import type { Entry } from '../tree/manifest.ts'
import { takenEntries } from './copy-tree.ts'
import type { Node } from './graph.ts'
import { inputsOf, keyOf, type Inputs } from './inputs.ts'
import { keep, takeKept } from './kept.ts'
import { LICENCES } from './licences.ts'
import { mergeParts, type Part } from './merge.ts'
import { runRecipe } from './run-recipe.ts'
import type { Workshop } from './workshop.ts'

export interface MadePart extends Part {
  readonly node: Node
  readonly version: string
  readonly license: string | undefined
  readonly resolved: readonly Resolved[]
  /** What the recipe found inside: packages of a lockfile, say. */
  readonly parts: readonly Component[]
  readonly key: string
  readonly outcome: 'built' | 'kept'
  /** Why it was built. */
  readonly reasons: readonly string[]
  /** Paths of licence texts in the tree. */
  readonly licences: readonly string[]
  /** The part together with all that it depends on: where, and what. */
  readonly view: Part
}

/** Time that parts other than the app are told: theirs must not change with every commit of the app. */
const STEADY_EPOCH = 315_532_800

/** `below`: the parts of all dependencies. Rejects with reason `build`. */
export async function makePart(
  node: Node,
  resolved: readonly Resolved[],
  below: readonly MadePart[],
  workshop: Workshop,
): Promise<MadePart> {
  const keeps = node.recipe.cache ?? node.role === 'component'
  const kept = keeps ? workshop.keep : undefined
  const epoch = node.role === 'app' ? workshop.epoch : STEADY_EPOCH
  const scratch = join(workshop.scratch, node.id)
  const [root, view] = [join(scratch, 'tree'), join(scratch, 'view')]
  const version = versionOf(node, resolved, workshop)
  mergeParts(below, view)
  const inputs = await partInputs(node, resolved, below, { ...workshop, epoch }, keeps)
  const key = keyOf(inputs)
  const found = kept ? await takeKept(key, root, kept) : undefined
  const reasons = found || !keeps ? [] : await reasonsFor(node, inputs, workshop)
  const place = { ...workshop, epoch, scratch, root, embedded: join(view, 'embedded') }
  const part = found ?? (await runRecipe(node, resolved, place))
  const entries = mergeParts([{ name: node.name, root, entries: part.entries }], view, below)
  // What was kept was looked through as well, but maybe by somebody who meant more.
  guardTree(view, part.entries, workshop.allow, entries)
  if (kept && !found) await keep(key, root, part, kept)
  if (kept) await workshop.last.remember(node.id, inputs)
  const { license } = node.recipe
  const made = { name: node.name, node, root, resolved, key, version, license, reasons, ...part }
  return {
    ...made,
    outcome: found ? 'kept' : 'built',
    licences: licencesIn(part.entries),
    view: { name: node.name, root: view, entries },
  }
}

async function partInputs(
  node: Node,
  resolved: readonly Resolved[],
  below: readonly MadePart[],
  { sources, filter, signal, epoch, prefix }: Workshop,
  keeps: boolean,
): Promise<Inputs> {
  const entries = keeps && node.role === 'app' ? await takenEntries(sources, filter, signal) : []
  const direct = below.filter((p) => node.dependencies.includes(p.node.id)).map((p) => [p.node.id, p.key] as const)
  return inputsOf({ node, resolved, dependencies: new Map(direct), entries, epoch, prefix, signal })
}

function reasonsFor(node: Node, inputs: Inputs, { keep: kept, last }: Workshop): Promise<readonly string[]> | string[] {
  return kept ? last.reasons(node.id, inputs) : ['nothing is kept: build.cache is false']
}

/** Rejects when there is none, and when the configuration asks for another one than the recipe gives. */
function versionOf(
  { name, role, recipe, context }: Node,
  resolved: readonly Resolved[],
  { version }: Workshop,
): string {
  if (role === 'app') return version
  const { wanted } = context
  const found = recipe.version ?? resolved.find((r) => r.version !== undefined)?.version ?? wanted
  if (found === undefined)
    throw new ShipError('config', `the recipe "${name}" has no version`, { next: ['add version to it'] })
  if (wanted === undefined || fits(found, wanted)) return found
  throw new ShipError('config', `build.components asks for ${name} ${wanted}, and its recipe gives ${found}`, {
    next: ['let the recipe look at the version that is wanted, or take it out of build.components'],
  })
}

/** "22" is any 22.x; what does not begin as a version is a tag, which only its registry knows. */
function fits(version: string, wanted: string): boolean {
  if (!/^[\d^~<>=]/.test(wanted) || version === wanted || version.startsWith(`${wanted}.`)) return true
  return semver.valid(version) !== null && semver.satisfies(version, wanted, { includePrerelease: true })
}

function licencesIn(entries: readonly Entry[]): readonly string[] {
  return entries.filter((e) => e.type === 'file' && e.path.startsWith(`${LICENCES}/`)).map((e) => e.path)
}

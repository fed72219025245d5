/**
 * What a list of entries must be to be a tree: sorted, complete, without two names for one place, and closed: no link leads out.
 * The same rules hold for a tree about to be built and for a manifest from a stranger.
 */
import { relPathProblem } from '../names.ts'
import type { Entry } from './manifest.ts'

export const MAX_ENTRIES = 1_000_000
const MAX_TARGET_BYTES = 4095
const SHA256 = /^[0-9a-f]{64}$/

export interface EntryProblem {
  readonly path: string
  /** Predicate of a sentence whose subject is the path: `stands twice`. */
  readonly problem: string
}

/** Order of paths by their UTF-8 bytes; JavaScript's own order differs from it beyond the basic plane only. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x !== y) return codeRank(x) - codeRank(y)
  }
  return a.length - b.length
}

/** Surrogates stand for code points above all others. */
function codeRank(code: number): number {
  return code >= 0xd800 && code <= 0xdfff ? code + 0x10000 : code
}

/** Content of all files, bytes. */
export function contentBytes(entries: readonly Entry[]): number {
  return entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0)
}

/** The first entry that breaks a rule, or undefined for a tree. `links: 'free'` leaves link targets to the caller. */
export function entriesProblem(
  entries: readonly Entry[],
  options: { readonly links?: 'closed' | 'free' } = {},
): EntryProblem | undefined {
  if (entries.length > MAX_ENTRIES) return { path: '', problem: `is a tree of more than ${MAX_ENTRIES} entries` }
  const known = new Map<string, Entry>()
  const composed = new Map<string, string>()
  let last: string | undefined
  for (const entry of entries) {
    const problem =
      relPathProblem(entry.path) ?? placeProblem(entry, last, known) ?? unicodeProblem(entry.path, known, composed)
    if (problem ?? fieldProblem(entry)) return { path: entry.path, problem: problem ?? fieldProblem(entry) ?? '' }
    known.set(entry.path, entry)
    last = entry.path
  }
  if (options.links === 'free') return undefined
  for (const entry of entries) {
    const problem = entry.type === 'link' ? linkProblem(entry.path, entry.target, known) : undefined
    if (problem) return { path: entry.path, problem }
  }
  return undefined
}

/** Why a link may not stand in a tree: it is absolute, or leads out of the tree by itself or through another link. */
export function linkProblem(path: string, target: string, tree: ReadonlyMap<string, Entry>): string | undefined {
  if (target === '') return 'is a link to nothing'
  if (target.startsWith('/')) return `is an absolute link, to "${target}"`
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (/[\u0000-\u001f\u007f]/.test(target)) return 'is a link whose target holds a control character'
  if (!target.isWellFormed()) return 'is a link whose target is not valid Unicode'
  if (Buffer.byteLength(target) > MAX_TARGET_BYTES) return 'is a link with a target too long'
  let place = path.split('/').slice(0, -1)
  const steps = target.split('/').filter((s) => s !== '' && s !== '.')
  for (const [i, step] of steps.entries()) {
    if (step !== '..') {
      place.push(step)
    } else if (place.length === 0) {
      return `is a link that leads out of the tree, to "${target}"`
    } else if (tree.get(place.join('/'))?.type === 'link' && i > 0) {
      // What ".." means behind a link depends on where that one leads; nobody needs such a target.
      return `is a link that goes back through another link, to "${target}"`
    } else {
      place = place.slice(0, -1)
    }
  }
  return undefined
}

function placeProblem(
  { path }: Entry,
  last: string | undefined,
  known: ReadonlyMap<string, Entry>,
): string | undefined {
  if (known.has(path)) return 'stands twice'
  if (last !== undefined && compareBytes(last, path) > 0) return `is out of order after "${last}"`
  const cut = path.lastIndexOf('/')
  if (cut < 0) return undefined
  const parent = known.get(path.slice(0, cut))
  if (!parent) return 'stands in a directory that is not listed'
  return parent.type === 'dir' ? undefined : `stands below a ${parent.type}`
}

/** Two spellings of one name are two files on Linux and one on other systems; archives cross between them. */
function unicodeProblem(
  path: string,
  known: ReadonlyMap<string, Entry>,
  composed: Map<string, string>,
): string | undefined {
  // oxlint-disable-next-line no-control-regex -- the whole of ASCII
  if (/^[\u0000-\u007f]*$/.test(path)) return undefined
  const key = path.normalize('NFC')
  const twin = composed.get(key) ?? (key !== path && known.has(key) ? key : undefined)
  if (twin !== undefined) return `is the same name as "${twin}" in another Unicode spelling`
  composed.set(key, path)
  return undefined
}

function fieldProblem(entry: Entry): string | undefined {
  switch (entry.type) {
    case 'dir':
      return entry.mode === 0o755 ? undefined : modeProblem(entry.mode)
    case 'link':
      return entry.mode === 0o777 ? undefined : modeProblem(entry.mode)
    case 'file':
      if (entry.mode !== 0o644 && entry.mode !== 0o755) return modeProblem(entry.mode)
      if (!Number.isSafeInteger(entry.size) || entry.size < 0) return 'has a size that is no size'
      return SHA256.test(entry.sha256) ? undefined : 'has a sha256 that is none'
    default:
      return 'is of no known type'
  }
}

function modeProblem(mode: number): string {
  return `has mode ${mode.toString(8).padStart(4, '0')}, which no tree of ship has`
}

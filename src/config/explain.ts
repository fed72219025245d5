/** What is wrong with a configuration: every problem with its place, its path, and the word that was probably meant. */
import type { z } from 'zod'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { locate } from './locate.ts'
import { nearest } from './nearest.ts'

export interface Source {
  /** Path as it is shown. */
  readonly file: string
  readonly text: string
}

type Issue = z.core.$ZodIssue
type Schema = z.core.$ZodType

const MEND = 'mend the configuration; ship schema prints what is allowed'
/** More are no help. */
const MOST_KEYS = 20

interface Problem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** One error for all issues of a parse; `schema` names the keys that would have been right. */
export function explain(issues: readonly Issue[], schema: Schema, source: Source): ShipError {
  const problems = issues.flatMap((issue) => problemsOf(issue, schema, []))
  const lines = problems.map((problem) => lineOf(problem, source))
  const [only] = lines
  const message = lines.length === 1 && only !== undefined ? only : `${lines.length} problems in ${source.file}`
  return new ShipError('config', message, {
    details: lines.length === 1 ? [] : lines,
    state: 'nothing was done',
    next: [MEND],
  })
}

/** An error of what a key means, with the place of the key. */
export function placed(error: ShipError, source: Source, path: Problem['path']): ShipError {
  const { message, details, next, cause } = error
  return new ShipError('config', lineOf({ path, message }, source), {
    details,
    state: 'nothing was done',
    next: next.length > 0 ? next : [MEND],
    cause,
  })
}

function lineOf({ path, message }: Problem, source: Source): string {
  const place = locate(source.file, source.text, path)
  const where = place ? `${source.file}:${place.line}:${place.column}` : source.file
  return `${where}  ${path.length > 0 ? `${escapeControls(pathText(path))}: ` : ''}${message}`
}

function problemsOf(issue: Issue, schema: Schema, above: readonly (string | number)[]): Problem[] {
  const path = [...above, ...issue.path.filter((p) => typeof p !== 'symbol')]
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path, issue.input)
    return issue.keys.map((key) => {
      const near = nearest(key, known)
      const hint = near === undefined ? knownKeys(known) : `; did you mean "${near}"?`
      return { path: [...path, key], message: `unknown key${hint}` }
    })
  }
  if (issue.code === 'invalid_union') {
    const best = bestBranch(issue.errors)
    // Issues of a branch have paths relative to the union.
    if (best.length > 0) return best.flatMap((inner) => problemsOf(inner, schema, path))
  }
  return [{ path, message: escapeControls(wording(issue)) }]
}

/** The branch that came furthest: whose first problem lies deepest, and of those the one with the fewest problems that is no mere wrong type. */
function bestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const score = (branch: readonly Issue[]): number => {
    const depth = Math.max(0, ...branch.map((i) => i.path.length))
    const wrongShape = branch.some((i) => i.path.length === 0 && (i.code === 'invalid_type' || i.code === 'custom'))
    return depth * 100 - (wrongShape ? 1000 : 0) - branch.length
  }
  return branches.toSorted((a, b) => score(b) - score(a))[0] ?? []
}

function wording(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'is missing'
  // A name in a record: why it is none stands inside.
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  // A union that one key tells apart; zod words it for programmers.
  const kinds = /^Invalid discriminator value\. Expected (.*)$/.exec(issue.message)?.[1]
  if (kinds !== undefined) {
    const all = kinds.replaceAll(' | ', ', ').replaceAll("'", '"')
    return issue.input === undefined ? `is missing; it is one of ${all}` : `is none of ${all}`
  }
  return issue.message.replace(/^Invalid input: /, '').replace(/^Too small: /, '')
}

function knownKeys(known: readonly string[]): string {
  return known.length > 0 && known.length <= MOST_KEYS ? ` (known: ${known.join(', ')})` : ''
}

/** Of a union that a key tells apart, the branch that the value chose. */
function branchesOf(def: Record<string, unknown>, value: unknown): Schema[] {
  const all = def['options'] as Schema[]
  const name = def['discriminator']
  if (typeof name !== 'string' || typeof value !== 'object' || value === null) return all
  const chosen = (value as Record<string, unknown>)[name]
  return all.filter(({ _zod }) => (_zod.propValues?.[name] as Set<unknown> | undefined)?.has(chosen) !== false)
}

function pathText(path: readonly (string | number)[]): string {
  return path.map((p, i) => (typeof p === 'number' || /^\d+$/.test(p) ? `[${p}]` : i === 0 ? p : `.${p}`)).join('')
}

/** Keys that an object at a path may have, over all branches of unions, or over those that its own kind leaves. */
function keysAt(schema: Schema, path: readonly (string | number)[], value: unknown): string[] {
  const def = (schema as unknown as { _zod: { def: Record<string, unknown> } })._zod.def
  const inner = (key: string): string[] => keysAt(def[key] as Schema, path, value)
  switch (def['type']) {
    case 'object': {
      const shape = def['shape'] as Record<string, Schema>
      const [first, ...rest] = path
      if (first === undefined) return Object.keys(shape).filter((k) => k !== '$schema')
      const child = shape[String(first)]
      return child ? keysAt(child, rest, value) : []
    }
    case 'array':
      return path.length > 0 ? keysAt(def['element'] as Schema, path.slice(1), value) : []
    case 'record':
      return path.length > 0 ? keysAt(def['valueType'] as Schema, path.slice(1), value) : []
    case 'union':
      return [
        ...new Set(branchesOf(def, path.length === 0 ? value : undefined).flatMap((one) => keysAt(one, path, value))),
      ]
    case 'pipe':
      return inner('in')
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
      return inner('innerType')
    default:
      return []
  }
}

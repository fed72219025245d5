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

interface Problem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** One error for all issues of a parse; `schema` names the keys that would have been right. */
export function explain(issues: readonly Issue[], schema: Schema, source: Source): ShipError {
  const problems = issues.flatMap((issue) => problemsOf(issue, schema, []))
  const lines = problems.map((problem) => {
    const place = locate(source.file, source.text, problem.path)
    const where = place ? `${source.file}:${place.line}:${place.column}` : source.file
    const path = problem.path.length > 0 ? `${pathText(problem.path)}: ` : ''
    return `${where}  ${path}${problem.message}`
  })
  const [only] = lines
  const message = lines.length === 1 && only !== undefined ? only : `${lines.length} problems in ${source.file}`
  return new ShipError('config', message, {
    details: lines.length === 1 ? [] : lines,
    state: 'nothing was done',
    next: ['mend the configuration; ship schema prints what is allowed'],
  })
}

function problemsOf(issue: Issue, schema: Schema, above: readonly (string | number)[]): Problem[] {
  const path = [...above, ...issue.path.filter((p) => typeof p !== 'symbol')]
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path)
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
  return issue.message.replace(/^Invalid input: /, '').replace(/^Too small: /, '')
}

function knownKeys(known: readonly string[]): string {
  return known.length > 0 && known.length <= 12 ? ` (known: ${known.join(', ')})` : ''
}

function pathText(path: readonly (string | number)[]): string {
  return path.map((p, i) => (typeof p === 'number' || /^\d+$/.test(p) ? `[${p}]` : i === 0 ? p : `.${p}`)).join('')
}

/** Keys that an object at a path may have, over all branches of unions. */
function keysAt(schema: Schema, path: readonly (string | number)[]): string[] {
  const def = (schema as unknown as { _zod: { def: Record<string, unknown> } })._zod.def
  const inner = (key: string): string[] => keysAt(def[key] as Schema, path)
  switch (def['type']) {
    case 'object': {
      const shape = def['shape'] as Record<string, Schema>
      const [first, ...rest] = path
      if (first === undefined) return Object.keys(shape).filter((k) => k !== '$schema')
      const child = shape[String(first)]
      return child ? keysAt(child, rest) : []
    }
    case 'array':
      return path.length > 0 ? keysAt(def['element'] as Schema, path.slice(1)) : []
    case 'record':
      return path.length > 0 ? keysAt(def['valueType'] as Schema, path.slice(1)) : []
    case 'union':
      return [...new Set((def['options'] as Schema[]).flatMap((option) => keysAt(option, path)))]
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

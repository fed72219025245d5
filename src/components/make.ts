/** All parts of a build: independent ones side by side, each as soon as what it depends on is there. */
import { availableParallelism } from 'node:os'
import { ShipError } from '../errors.ts'
import { inStep } from '../io.ts'
import type { Resolved } from '../sources/index.ts'
import { allDependencies, type Node } from './graph.ts'
import { makePart, type MadePart } from './part.ts'
import { stepOf, type Workshop } from './workshop.ts'

export interface MakeRequest extends Workshop {
  /** Dependencies before their dependents. */
  readonly nodes: readonly Node[]
  readonly resolved: ReadonlyMap<string, readonly Resolved[]>
  /** Looks at a part as soon as it is there; throws when it must not be shipped. */
  readonly inspect: (part: MadePart) => void
}

const SHOWN_REASONS = 2

/** In the order of `nodes`. The first failure stops the others; it is what is thrown, when all have stopped. */
export async function makeParts(request: MakeRequest): Promise<readonly MadePart[]> {
  const { nodes, resolved, emit } = request
  const stop = new AbortController()
  let failure: { readonly error: unknown } | undefined
  const signal = AbortSignal.any([request.signal, stop.signal])
  const workshop = { ...request, signal, keep: request.keep && { ...request.keep, signal } }
  const turn = turnstile(availableParallelism())
  const made = new Map<string, Promise<MadePart>>()
  const make = async (node: Node): Promise<MadePart> => {
    const below = await Promise.all(allDependencies(node, nodes).map((id) => found(made, id)))
    return turn(async () => {
      let part: MadePart | undefined
      const title = node.role === 'app' ? node.recipe.name : `${node.name} (${node.recipe.summary})`
      await inStep(emit, { step: stepOf(node), title }, async () => {
        part = await makePart(node, resolved.get(node.id) ?? [], below, workshop)
        request.inspect(part)
        return said(part)
      })
      if (!part) throw new Error('a step that ended well has its result')
      return part
    })
  }
  for (const node of nodes) {
    const work = make(node)
    work.catch((error: unknown) => {
      failure ??= { error }
      stop.abort(new ShipError('build', `stopped, for ${stepOf(node)} failed`))
    })
    made.set(node.id, work)
  }
  const results = await Promise.allSettled(made.values())
  if (failure) throw failure.error
  return results.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []))
}

function found(made: ReadonlyMap<string, Promise<MadePart>>, id: string): Promise<MadePart> {
  const part = made.get(id)
  if (!part) throw new Error(`"${id}" must come before what depends on it`)
  return part
}

function said({ node, version, outcome, reasons }: MadePart): string {
  const what = node.role === 'app' ? '' : version
  if (outcome === 'kept') return [what, 'kept'].filter((part) => part !== '').join(', ')
  const more = reasons.length - SHOWN_REASONS
  const why = [...reasons.slice(0, SHOWN_REASONS), ...(more > 0 ? [`${more} more`] : [])].join(', ')
  return [what, why].filter((part) => part !== '').join(', ')
}

/** Lets so many in at a time, first come, first served. */
function turnstile(width: number) {
  let free = width
  const waiting: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free += 1
    }
  }
}

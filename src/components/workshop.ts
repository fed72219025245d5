/** What all parts of one build share. */
import type { Emit } from '../events.ts'
import type { SourceContext } from '../sources/source.ts'
import type { SourceFilter } from './filter.ts'
import type { Node } from './graph.ts'
import type { KeepOptions } from './kept.ts'
import type { LastInputs } from './last.ts'

export interface Workshop {
  readonly projectDir: string
  readonly version: string
  readonly sources: string
  readonly filter: SourceFilter
  /** Paths that the guard lets through. */
  readonly allow: readonly string[]
  readonly epoch: number
  readonly prefix: string
  readonly scratch: string
  /** Folder for downloads. */
  readonly cache: string
  /** Undefined: nothing is taken from what is kept, and nothing is kept. */
  readonly keep: KeepOptions | undefined
  readonly last: LastInputs
  /** Folder for the logs of recipes. */
  readonly logs: string
  readonly signal: AbortSignal
  readonly emit: Emit
}

/** Where a source's downloads go, and where it says what it does. */
export function sourceContext(
  { projectDir, cache, signal, emit }: Pick<Workshop, 'projectDir' | 'cache' | 'signal' | 'emit'>,
  node: Node,
): SourceContext {
  return { projectDir, cache, signal, log: (text) => emit({ event: 'log', step: stepOf(node), text }) }
}

/** Name of a part's step in the output. */
export function stepOf(node: Node): string {
  return node.role === 'app' ? 'recipe' : `component ${node.name}`
}

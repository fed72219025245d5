/** Sources looked up and fetched as builds do it, with a cache of their own. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ShipError } from '../../src/errors.ts'
import type { Source } from '../../src/recipe.ts'
import { resolveSource, type Resolved } from '../../src/sources/index.ts'
import type { SourceContext } from '../../src/sources/source.ts'

export interface SourceRoom {
  readonly dir: string
  readonly context: SourceContext
  /** What was logged. */
  readonly logged: string[]
  resolve(source: Source, locked?: unknown): Promise<Resolved>
  /** Fetches into a new folder and gives its path. */
  fetch(resolved: Resolved): Promise<string>
  /** Forgets all downloads. */
  forget(): void
  dispose(): void
}

export function sourceRoom(): SourceRoom {
  const dir = mkdtempSync(join(tmpdir(), 'ship-sources-'))
  const logged: string[] = []
  const context: SourceContext = {
    projectDir: join(dir, 'project'),
    cache: join(dir, 'cache'),
    signal: new AbortController().signal,
    log: (text) => void logged.push(text),
  }
  mkdirSync(context.projectDir)
  let turn = 0
  return {
    dir,
    context,
    logged,
    resolve: (source, locked) => resolveSource('part: it', source, locked, context),
    async fetch(resolved) {
      const to = join(dir, `fetched-${++turn}`)
      await resolved.fetch(to, context)
      return to
    },
    forget: () => rmSync(context.cache, { recursive: true, force: true }),
    dispose: () => rmSync(dir, { recursive: true, force: true }),
  }
}

/** The ShipError that a promise is rejected with, as one text; anything else is thrown on. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof ShipError)) throw error
    return [`${error.reason}: ${error.message}`, ...error.details, ...error.next].join('\n')
  }
  throw new Error('it was not refused')
}

/** The kinds of sources. A new one is a file beside this one, its shape in `recipe.ts`, and a line here. */
import { ShipError } from '../errors.ts'
import type { Source } from '../recipe.ts'
import { publicSource } from './address.ts'
import { apt } from './apt.ts'
import { aptSource } from './apt-source.ts'
import { git } from './git.ts'
import { npm } from './npm.ts'
import { path } from './path.ts'
import type { Material, SourceContext, SourceKind } from './source.ts'
import { url } from './url.ts'

const KINDS = [path, git, url, npm, apt, aptSource] as readonly SourceKind<Source, unknown>[]

/** A source whose bytes are known. */
export interface Resolved {
  readonly name: string
  /** As the recipe has it, without credentials. */
  readonly source: Source
  /** As it stands in the lock; undefined for kinds that need no entry. */
  readonly locked: unknown
  readonly digest: string
  readonly version: string | undefined
  readonly purl: string | undefined
  readonly materials: readonly Material[]
  /** Puts the bytes into a folder. */
  fetch(to: string, context: SourceContext): Promise<void>
}

/** Whether a source has an entry in the lock. */
export function isLocked(source: Source): boolean {
  return kindOf(source).key !== 'path'
}

/** Takes what `locked` says, or finds out when it says nothing. Rejects with `config` when an entry of the lock is none. */
export async function resolveSource(
  name: string,
  source: Source,
  locked: unknown,
  context: SourceContext,
): Promise<Resolved> {
  const kind = kindOf(source)
  const parsed = locked === undefined ? undefined : kind.locked.safeParse(locked)
  if (parsed?.success === true && !kind.fits(source, parsed.data)) {
    throw new ShipError('config', `ship.lock has something else for "${name}" than its recipe asks for`, {
      details: [`asked for is ${JSON.stringify(publicSource(source))}`, `locked is ${JSON.stringify(locked)}`],
      next: ['ship lock', 'or take the file from the version control again'],
    })
  }
  if (parsed?.success === false) {
    throw new ShipError('config', `ship.lock has an entry for "${name}" that cannot be read`, {
      next: ['ship lock', 'or take the file from the version control again'],
    })
  }
  const value = parsed ? parsed.data : await kind.resolve(source, context)
  return {
    name,
    source: publicSource(source),
    locked: kind.key === 'path' ? undefined : value,
    digest: kind.digest(value),
    version: kind.version(value),
    purl: kind.purl(value),
    materials: kind.materials(source, value),
    fetch: (to, at) => kind.fetch(source, value, to, at),
  }
}

function kindOf(source: Source): SourceKind<Source, unknown> {
  const kind = KINDS.find((k) => k.is(source))
  if (kind) return kind
  const known = KINDS.map((k) => k.key).join(', ')
  throw new ShipError('config', `a source has none of the keys ${known}: ${JSON.stringify(publicSource(source))}`)
}

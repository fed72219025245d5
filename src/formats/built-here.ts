/**
 * Archives that were built here: an empty file in the user's cache for each, named after all that it says. What ship wrote from a tree holds
 * exactly what its manifest lists, so the same bytes need not be read through to know it; an archive from elsewhere is.
 */
import { createHash } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheFolder } from '../cache-folder.ts'
import { ownVersion } from '../own-version.ts'

export interface BuiltArchive {
  /** Name of its format. */
  readonly format: string
  /** sha256 of its bytes. */
  readonly archive: string
  /** sha256 of the canonical manifest. */
  readonly manifest: string
}

export function wasBuiltHere(built: BuiltArchive): Promise<boolean> {
  return stat(markOf(built)).then(
    (found) => found.isFile(),
    () => false,
  )
}

/** Best effort: without the mark it is read like any other. */
export async function markBuiltHere(built: BuiltArchive): Promise<void> {
  const mark = markOf(built)
  await mkdir(dirname(mark), { recursive: true })
    .then(() => writeFile(mark, ''))
    .catch(() => undefined)
}

function markOf({ format, archive, manifest }: BuiltArchive): string {
  const facts = JSON.stringify([ownVersion(), format, archive, manifest])
  return join(cacheFolder(), 'built', createHash('sha256').update(facts).digest('hex'))
}

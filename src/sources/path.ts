/** `path`: a folder or file of the project. It is in the project's own history, so it has no entry in the lock. */
import { existsSync } from 'node:fs'
import { cp, realpath, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import type { Source } from '../recipe.ts'
import { walkTree } from '../tree/walk.ts'
import { treeDigest } from './tree-digest.ts'
import type { SourceKind } from './source.ts'

type PathSource = Extract<Source, { path: string }>

export const path: SourceKind<PathSource, { readonly digest: string }> = {
  key: 'path',
  is: (source): source is PathSource => 'path' in source,
  locked: z.object({ digest: z.string() }),
  async resolve(source, { projectDir, signal }) {
    const from = resolve(projectDir, source.path)
    if (!existsSync(from)) throw new ShipError('build', `the source "${source.path}" does not exist`)
    const folder = (await stat(from)).isDirectory()
    const entries = folder
      ? await walkTree(await realpath(from), { signal, include: (p) => p !== '.git' && !p.endsWith('/.git') })
      : await walkTree(resolve(from, '..'), { signal, include: (p) => p === basename(from) })
    return { digest: treeDigest(entries) }
  },
  async fetch(source, _locked, to, { projectDir }) {
    const from = resolve(projectDir, source.path)
    const target = (await stat(from)).isDirectory() ? to : join(to, basename(from))
    await cp(await realpath(from), target, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (p) => basename(p) !== '.git',
    })
  },
  fits: () => true,
  digest: (locked) => locked.digest,
  version: () => undefined,
  purl: () => undefined,
  // The project's own files: its commit tells them.
  materials: () => [],
}

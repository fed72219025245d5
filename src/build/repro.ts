/** Two builds of the same sources, compared to the last byte; what differs is named. */
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { ShipError } from '../errors.ts'
import { fileDigest } from '../formats/bundle.ts'
import type { Format } from '../formats/format.ts'
import { diffManifests } from '../tree/diff.ts'
import { manifestDigest, type Tree } from '../tree/manifest.ts'

const SHOWN = 20

/** Resolves with a note. Rejects (reason `build`) naming the files that came out different, or the format. */
export async function compareBuilds(
  first: Tree,
  second: Tree,
  formats: readonly Format[],
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  const { added, changed, removed } = diffManifests(first.manifest, second.manifest)
  const differences = [
    ...changed.map((c) => `${c.path}: other content`),
    ...added.map((c) => `${c.path}: only in the second build`),
    ...removed.map((c) => `${c.path}: only in the first build`),
  ]
  if (differences.length > 0 || manifestDigest(first.manifest) !== manifestDigest(second.manifest)) {
    throw new ShipError('build', 'two builds of the same sources differ', {
      state: 'dist/ is as it was',
      details: [
        ...differences.slice(0, SHOWN),
        ...(differences.length > SHOWN ? [`and ${differences.length - SHOWN} more`] : []),
      ],
      next: [
        'look for times, random names and absolute paths in what the recipe writes (SOURCE_DATE_EPOCH is set for it)',
      ],
    })
  }
  for (const format of formats) {
    const digests = [first, second].map(async (tree, index) => {
      const file = join(folder, `repro-${index}.${format.name}`)
      await format.write(tree, createWriteStream(file), { signal })
      return fileDigest(file, signal)
    })
    const [a, b] = await Promise.all(digests)
    if (a !== b)
      throw new ShipError('build', `two archives of the same tree differ: ${format.name}`, {
        state: 'dist/ is as it was',
      })
  }
  return `equal in ${formats.map((f) => f.name).join(', ')}`
}

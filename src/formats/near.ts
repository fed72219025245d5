/**
 * Big files that the base has under the same path, with other content: what of them is new is found out by rsync, which puts them beside
 * the releases of the host. From there the payload copies them like anything else that the host has.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Entry, Manifest } from '../tree/manifest.ts'
import type { Delta } from './delta.ts'
import type { Content } from './format.ts'

export interface Near {
  /** Digest of the paths and contents: the name under which a host keeps them. */
  readonly id: string
  /** Absolute folder here that holds the files under their paths. */
  readonly folder: string
  readonly paths: readonly string[]
  readonly sizeBytes: number
  /** Most that may be sent a second. */
  readonly bytesPerSecond?: number | undefined
}

/** Undefined when there is no such file. They are written to `folder` by `writeNear`, while the bundle is read. */
export function nearOf(manifest: Manifest, delta: Delta | undefined, folder: string): Near | undefined {
  if (!delta || delta.near.size === 0) return undefined
  const sum = createHash('sha256')
  let sizeBytes = 0
  for (const entry of manifest.entries) {
    if (entry.type !== 'file' || !delta.near.has(entry.path)) continue
    sum.update(`${entry.sha256} ${entry.path}\n`)
    sizeBytes += entry.size
  }
  const id = sum.digest('hex').slice(0, 32)
  return { id, folder: join(folder, `near-${randomUUID()}`), paths: [...delta.near], sizeBytes }
}

/** Two lines per file, as in the payload's `copies`. */
export function nearCopies({ id, paths }: Near): string {
  return paths.map((path) => `../.ship/incoming/${nearFolder(id)}/${path}\n${path}\n`).join('')
}

/** Name of the host's folder below `.ship/incoming`. */
export function nearFolder(id: string): string {
  return `part-near-${id}`
}

/** Writes one file of the bundle where rsync reads it. */
export async function writeNear(
  { folder }: Near,
  { path }: Entry,
  content: Content,
  signal: AbortSignal,
): Promise<void> {
  const file = join(folder, path)
  await mkdir(dirname(file), { recursive: true })
  await pipeline(Readable.from(content, { objectMode: false }), createWriteStream(file, { mode: 0o600 }), { signal })
}

/**
 * A tree on the host against its manifest. The host cannot hash, so content is read back: all of it, or what is suspect and the smallest
 * files up to a limit. Sizes, modes and links are looked at in any case.
 */
import { createHash } from 'node:crypto'
import type { Entry, Manifest } from '../../tree/manifest.ts'
import type { Depth, Drift } from '../session.ts'
import { readChunks } from './content.ts'
import { readLink, walk, type Found } from './files.ts'
import { forEach } from './pool.ts'
import type { Requests } from './requests.ts'

/** Content that is read back of a sample. */
export const SAMPLE_BYTES = 16 * 1024 * 1024
/** Files read at once; each has many requests in flight. */
const READ_AT_ONCE = 16

export interface Comparison {
  readonly manifest: Manifest
  /** Paths that links into shared/ stand at: what is at them or below is not the release's. */
  readonly shared: readonly string[]
  readonly depth: Depth
  /** Files whose content is read back whatever the depth. */
  readonly suspects: ReadonlySet<string>
  /** A tree that was just made is held against all of it; one that was used, as the host's own tools would: x bits, and no folders. */
  readonly strict: boolean
}

/** Everything that is not as the manifest says, by path. Empty: whole, as far as it was looked. */
export async function compareTree(requests: Requests, folder: string, comparison: Comparison): Promise<Drift[]> {
  const { manifest, shared, strict } = comparison
  const there = await walk(requests, folder)
  const isShared = (path: string): boolean => shared.some((one) => path === one || path.startsWith(`${one}/`))
  const drift: Drift[] = []
  const good: FileEntry[] = []
  const links: LinkEntry[] = []
  const known = new Set<string>()
  for (const entry of manifest.entries) {
    known.add(entry.path)
    if (isShared(entry.path) || (entry.type === 'dir' && !strict)) continue
    const problem = shapeProblem(entry, there.get(entry.path), strict)
    if (problem) drift.push({ path: entry.path, problem })
    else if (entry.type === 'link') links.push(entry)
    if (entry.type === 'file' && (!problem || problem === 'mode')) good.push(entry)
  }
  for (const [path, { kind }] of there) {
    if (!known.has(path) && !isShared(path) && (strict || kind !== 'dir')) drift.push({ path, problem: 'added' })
  }
  await forEach(links, async ({ path, target }) => {
    if ((await readLink(requests, `${folder}/${path}`)) !== target) drift.push({ path, problem: 'changed' })
  })
  const touched = (entry: FileEntry): boolean =>
    comparison.suspects.has(entry.path) || there.get(entry.path)?.mtime !== manifest.epoch
  await forEach(
    worthReading(good, comparison.depth, touched),
    async ({ path, size, sha256 }) => {
      if ((await digestOn(requests, `${folder}/${path}`, size)) !== sha256) drift.push({ path, problem: 'changed' })
    },
    READ_AT_ONCE,
  )
  return drift
}

type FileEntry = Extract<Entry, { type: 'file' }>
type LinkEntry = Extract<Entry, { type: 'link' }>

function shapeProblem(entry: Entry, there: Found | undefined, strict: boolean): Drift['problem'] | undefined {
  if (!there) return 'missing'
  if (there.kind !== entry.type) return 'changed'
  if (entry.type === 'file' && there.size !== entry.size) return 'changed'
  if (entry.type === 'link') return undefined
  const wrong = strict ? there.mode !== entry.mode : (there.mode & 0o100) !== (entry.mode & 0o100)
  return wrong ? 'mode' : undefined
}

/** The files to read back: all, or the suspect ones and then the smallest, which are the most for their bytes. */
export function worthReading<T extends { readonly size: number }>(
  files: readonly T[],
  depth: Depth,
  isSuspect: (file: T) => boolean,
): T[] {
  if (depth === 'full') return [...files]
  const suspects = files.filter(isSuspect)
  let left = SAMPLE_BYTES
  const sample = files
    .filter((file) => !isSuspect(file))
    .toSorted((a, b) => a.size - b.size)
    .filter(({ size }) => {
      left -= size
      return left >= 0
    })
  return [...suspects, ...sample]
}

async function digestOn(requests: Requests, path: string, size: number): Promise<string> {
  const sum = createHash('sha256')
  await readChunks(requests, path, size, (chunk) => sum.update(chunk))
  return sum.digest('hex')
}

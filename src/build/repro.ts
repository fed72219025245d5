/** Two builds of the same sources, compared to the last byte; what differs is named, with the first byte that does. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ShipError } from '../errors.ts'
import { fileDigest } from '../file-digest.ts'
import { diffManifests } from '../tree/diff.ts'
import { canonicalManifest, manifestDigest, type Entry, type Manifest, type Tree } from '../tree/manifest.ts'
import { firstDifference, type FirstDifference } from './first-difference.ts'
import type { Packer } from './packer.ts'

const SHOWN = 20
/** Clocks of archives tick every two seconds; two builds must not share a tick. */
const TICK_MS = 2000
/** Neither UTC nor a whole hour from it. */
const OTHER_ZONE = 'Asia/Kathmandu'

/**
 * Runs the second build elsewhere, so to say: another umask and time zone, and two seconds later than `since` (milliseconds since
 * 1970). What depends on any of these is not reproducible. The folder is the caller's to choose.
 */
export async function elsewhere<T>(since: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  await sleep(Math.max(0, since + TICK_MS - Date.now()), undefined, { signal }).catch(() => signal.throwIfAborted())
  const umask = process.umask(0o077)
  const zone = process.env['TZ']
  process.env['TZ'] = OTHER_ZONE
  try {
    return await work()
  } finally {
    process.umask(umask)
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  }
}

/** Resolves with a note. Rejects (reason `build`) naming the files that came out different and the first such byte, or the format. */
export async function compareBuilds(
  first: Tree,
  second: Tree,
  packers: readonly Packer[],
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  if (manifestDigest(first.manifest) !== manifestDigest(second.manifest)) {
    throw new ShipError('build', 'two builds of the same sources differ', {
      state: 'dist/ is as it was',
      details: differences(first, second),
      next: [
        'look for times, random names and absolute paths in what the recipe writes (SOURCE_DATE_EPOCH is set for it)',
      ],
    })
  }
  for (const packer of packers) {
    const [a = '', b = ''] = [0, 1].map((n) => join(folder, `repro-${n}-${packer.file}`))
    await Promise.all([packer.write(first, a, { signal }), packer.write(second, b, { signal })])
    if ((await fileDigest(a, signal)) === (await fileDigest(b, signal))) continue
    const found = firstDifference(a, b)
    throw new ShipError('build', `two archives of the same tree differ: ${packer.label}`, {
      state: 'dist/ is as it was',
      details: found ? sides(`the archive differs from byte ${found.offset} on`, found) : [],
      next: ['this is a defect of the format: please report it'],
    })
  }
  return `equal in ${packers.map((p) => p.label).join(', ')}`
}

/** The first changed file with its first byte, the others by name. */
function differences(first: Tree, second: Tree): readonly string[] {
  const { added, changed, removed } = diffManifests(first.manifest, second.manifest)
  const [one, ...more] = changed.map(({ path }) => path)
  const names = [
    ...more.map((path) => `${path}: ${kindOf(entryOf(first, path), entryOf(second, path))}`),
    ...added.map((c) => `${c.path}: only in the second build`),
    ...removed.map((c) => `${c.path}: only in the first build`),
  ]
  return [
    ...(one === undefined ? [] : closely(first, second, one)),
    ...names.slice(0, SHOWN),
    ...(names.length > SHOWN ? [`and ${names.length - SHOWN} more`] : []),
    ...headLines(first.manifest, second.manifest),
  ]
}

function entryOf({ manifest }: Tree, path: string): Entry | undefined {
  return manifest.entries.find((e) => e.path === path)
}

function kindOf(a: Entry | undefined, b: Entry | undefined): string {
  if (a?.type !== b?.type) return `is a ${a?.type ?? 'gap'} first, then a ${b?.type ?? 'gap'}`
  if (a?.type === 'link' && b?.type === 'link') return `leads to "${a.target}" first, then to "${b.target}"`
  if (a?.type === 'file' && b?.type === 'file' && a.sha256 !== b.sha256) return 'other content'
  return `mode ${octal(a)} first, then ${octal(b)}`
}

function octal(entry: Entry | undefined): string {
  return (entry?.mode ?? 0).toString(8).padStart(4, '0')
}

function closely(first: Tree, second: Tree, path: string): readonly string[] {
  const kind = kindOf(entryOf(first, path), entryOf(second, path))
  if (kind !== 'other content') return [`${path}: ${kind}`]
  const found = firstDifference(join(first.root, path), join(second.root, path))
  return found ? sides(`${path}: other content from byte ${found.offset} on`, found) : [`${path}: ${kind}`]
}

function sides(what: string, { first, second }: FirstDifference): readonly string[] {
  return [what, `  first:  ${first}`, `  second: ${second}`]
}

/** What stands in a manifest besides its entries, where it differs: components and platform. */
function headLines(a: Manifest, b: Manifest): readonly string[] {
  const [x, y] = [a, b].map((m) => canonicalManifest({ ...m, entries: [] }).split('\n'))
  const missing = (from: readonly string[] = [], other: readonly string[] = []): readonly string[] =>
    from.filter((line) => !other.includes(line) && line !== ']').map((line) => line.replace(/,$/, ''))
  return [
    ...missing(x, y).map((line) => `only in the first build's manifest: ${line}`),
    ...missing(y, x).map((line) => `only in the second build's manifest: ${line}`),
  ]
}

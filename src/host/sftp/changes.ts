/** What runs do to a host besides staging: switch, records and journal, pruning. Each under the lock, each visible by one rename. */
import { ShipError, throwIfAborted } from '../../errors.ts'
import type { Token } from '../../names.ts'
import type { Version } from '../../version.ts'
import type { HistoryLine, ReleaseRecord } from '../session.ts'
import { appendLine, replaceLine, syncFolder } from './content.ts'
import {
  emptyAndRemove,
  ensureFolder,
  list,
  lookAt,
  moveAway,
  readLink,
  removeFile,
  removeTree,
  rename,
} from './files.ts'
import { explained, holding, type Place } from './place.ts'
import { forEach } from './pool.ts'
import { SftpProblem } from './requests.ts'
import { makeLink } from './skeleton.ts'

const LISTS = ['manifest.json', 'sums', 'links', 'inodes']
/** What a file takes on most disks is a multiple of this; SFTP does not tell. */
const DISK_BLOCK = 4096
/** Each has requests of its own in flight. */
const PRUNED_AT_ONCE = 16
/** Releases that are pruned between two looks at the lock. */
const BATCH = 100

interface Switch {
  readonly target: string | null
  readonly expected: string | null
  readonly record: ReleaseRecord | undefined
}

/**
 * The link is made in the lock holder's own folder and renamed from there: once the lock is another's, that folder is gone and the
 * rename fails.
 */
export async function switchCurrent(place: Place, token: Token, { target, expected, record }: Switch): Promise<void> {
  const { requests, root, ship } = place
  const now = await targetOf(place)
  if (now === target) return syncFolder(requests, root)
  if (now !== expected) {
    const words = (link: string | null): string => (link === null ? 'nothing' : `"${link}"`)
    throw new ShipError('refused', `"current" points at ${words(now)}, not at ${words(expected)} as planned`)
  }
  if (target?.startsWith('releases/') === true && (await lookAt(requests, `${root}/${target}`))?.kind !== 'dir')
    throw new ShipError('refused', `"${target}" is not there`)
  if (record) await replaceLine(requests, `${ship}/releases/${record.version}.json`, JSON.stringify(record))
  const mine = `${ship}/lock/${token}/cur`
  await removeFile(requests, mine)
  if (target === null) await rename(requests, `${root}/current`, mine)
  else {
    await makeLink(requests, target, mine)
    await rename(requests, mine, `${root}/current`)
  }
  if ((await targetOf(place)) !== target) throw new ShipError('not-switched', '"current" is not what it was made')
  await syncFolder(requests, root)
}

/** Text of `current`; null when there is none. */
async function targetOf({ requests, root }: Place): Promise<string | null> {
  const there = await lookAt(requests, `${root}/current`)
  if (!there) return null
  if (there.kind !== 'link') throw new ShipError('not-switched', '"current" is not a link')
  return readLink(requests, `${root}/current`)
}

/** Writes records and a line of history. A disk that is full is told, not fatal: the caller decides. */
export async function mark(
  place: Place,
  records: readonly ReleaseRecord[],
  history: HistoryLine | undefined,
): Promise<string | undefined> {
  const { requests, ship } = place
  let problem: string | undefined
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof SftpProblem)) throw error
      problem = (await explained(place, error)).message
    }
  }
  for (const record of records) {
    await attempt(() => replaceLine(requests, `${ship}/releases/${record.version}.json`, JSON.stringify(record)))
  }
  if (history) await attempt(() => appendLine(requests, `${ship}/history.ndjson`, JSON.stringify(history)))
  for (const folder of [ship, `${ship}/releases`]) await syncFolder(requests, folder)
  return problem
}

/** Remembers something as done once, as the shell's scripts do. */
export async function remember({ requests, ship }: Place, key: string): Promise<void> {
  await ensureFolder(requests, `${ship}/once`)
  await replaceLine(requests, `${ship}/once/${key}`, 'done')
}

export async function forget({ requests, ship }: Place): Promise<void> {
  await removeTree(requests, `${ship}/once`)
}

export interface Pruned {
  readonly kept: readonly { readonly version: Version; readonly why: string }[]
  readonly freedBytes: number
}

/** Removes releases, never the live one. Whether a process runs in one cannot be seen. */
export async function prune(
  place: Place,
  token: Token,
  versions: readonly Version[],
  signal: AbortSignal,
): Promise<Pruned> {
  const { requests, root, ship } = place
  const current = await lookAt(requests, `${root}/current`)
  const live = current?.kind === 'link' ? await readLink(requests, `${root}/current`) : ''
  const kept: { version: Version; why: string }[] = []
  const lists = new Set((await list(requests, `${ship}/manifests`)).map(({ name }) => name))
  let freedBytes = 0
  const pruneOne = async (version: Version): Promise<void> => {
    throwIfAborted(signal)
    try {
      freedBytes += await discard(place, version, { hasList: (name) => lists.has(name), signal })
    } catch (error) {
      if (!(error instanceof SftpProblem)) throw error
      kept.push({ version, why: error.message })
    }
  }
  const going = versions.filter((version) => live !== `releases/${version}`)
  kept.push(...versions.filter((v) => !going.includes(v)).map((version) => ({ version, why: 'it is live' })))
  for (let at = 0; at < going.length; at += BATCH) {
    await holding(place, token)
    await forEach(going.slice(at, at + BATCH), pruneOne, PRUNED_AT_ONCE)
  }
  return { kept, freedBytes }
}

/**
 * Takes a release that is not live out of sight by one rename, then removes it with its record and lists. Resolves with the bytes that
 * it took, about. `hasList`: what is known not to be there need not be removed.
 */
export async function discard(
  { requests, root, ship }: Place,
  version: Version,
  {
    hasList = () => true,
    signal,
  }: { readonly hasList?: (name: string) => boolean; readonly signal?: AbortSignal } = {},
): Promise<number> {
  const trash = `${ship}/trash/${version}`
  await moveAway(requests, `${root}/releases/${version}`, trash)
  const lists = LISTS.map((name) => `${version}.${name}`).filter(hasList)
  await removeFile(requests, `${ship}/releases/${version}.json`)
  await forEach(lists, (name) => removeFile(requests, `${ship}/manifests/${name}`))
  // What is out of sight goes with its record and lists, for nobody would look for them again; the rest is cleared by the next run.
  if (signal) throwIfAborted(signal)
  const all = [...(await emptyAndRemove(requests, trash)).values()]
  const blocks = (size: number): number => Math.ceil(size / DISK_BLOCK) * DISK_BLOCK
  return all.reduce((sum, { kind, size }) => sum + (kind === 'link' ? 0 : blocks(size)), DISK_BLOCK)
}

/** Refuses what is live. */
export async function refuseLive({ requests, root }: Place, version: Version): Promise<void> {
  const there = await lookAt(requests, `${root}/current`)
  if (there?.kind === 'link' && (await readLink(requests, `${root}/current`)) === `releases/${version}`)
    throw new ShipError('refused', 'it is live')
}

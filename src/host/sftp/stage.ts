/**
 * Puts a release on a host by SFTP: what was sent is checked here while it is read, written below `.ship/incoming/<token>`, compared
 * there, and renamed to `releases/<version>` in one step. Killed anywhere, there is no release or a whole one with its record.
 */
import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import { ShipError } from '../../errors.ts'
import { parseManifest } from '../../tree/manifest.ts'
import type { Version } from '../../version.ts'
import type { Lease, StageSpec } from '../session.ts'
import { compareTree } from './check.ts'
import { readWhole, replaceLine, syncFolder, writeFile } from './content.ts'
import { copyKnown } from './copy.ts'
import { follow, lookAt, makeFolder, removeTree, rename } from './files.ts'
import { laySharedLinks, makeSkeleton, setTimes } from './skeleton.ts'
import { holding, type Place } from './place.ts'
import { AT_ONCE, makePool } from './pool.ts'
import { unpack, type Head } from './unpack.ts'

/** What comes: the stream of a payload, and the release that the rest is copied from. */
export interface Incoming {
  readonly base: Version | undefined
  readonly open: () => Readable
}

export interface Staging {
  readonly spec: StageSpec
  readonly lease: Lease
  readonly signal: AbortSignal
}

/** A file below this is read whole, so that many are on their way at once; a bigger one fills the line by itself. */
const SMALL = 256 * 1024
const WORDS = { missing: 'is missing', added: 'is too much', changed: 'is another', mode: 'has another mode' } as const

/** Under the lock. Rejects with reason `refused` for what is damaged or there with other bytes, `not-switched` when the host could not. */
export async function stageRelease(place: Place, payload: Incoming, staging: Staging): Promise<void> {
  const { spec, lease } = staging
  const { requests, root, ship } = place
  const there = await lookAt(requests, `${root}/releases/${spec.version}`)
  if (there) return alreadyThere(place, spec)
  await refuseMissing(place, spec)
  const part = `${ship}/incoming/${lease.token}`
  await removeTree(requests, part)
  await makeFolder(requests, part)
  try {
    const head = await receive(place, part, payload, staging)
    await commit(place, part, head, staging)
  } catch (error) {
    // Over a connection that is gone this fails too, and the next run clears it away.
    await removeTree(requests, part).catch(() => undefined)
    throw error
  }
}

/** The same bytes mean it is done, others are refused. */
async function alreadyThere({ requests, ship }: Place, { version, record }: StageSpec): Promise<void> {
  const text = await readWhole(requests, `${ship}/releases/${version}.json`)
  if (text === undefined) throw new ShipError('refused', 'there is a folder of that name that ship did not make')
  if (!text.includes(`"digest":"${record.digest}"`))
    throw new ShipError('refused', 'this version is there with other bytes')
}

async function refuseMissing({ requests, root }: Place, { sharedFiles }: StageSpec): Promise<void> {
  for (const file of sharedFiles) {
    if (!(await follow(requests, `${root}/shared/${file}`)))
      throw new ShipError('not-switched', `shared file "${file}" does not exist`)
  }
}

/** Makes the tree below `part` and holds it against its manifest. */
async function receive(
  { requests, root, ship }: Place,
  part: string,
  payload: Incoming,
  staging: Staging,
): Promise<Head> {
  const { spec, signal } = staging
  const shared = [...spec.sharedDirs, ...spec.sharedFiles]
  const isShared = (path: string): boolean => shared.some((one) => path === one || path.startsWith(`${one}/`))
  const tree = `${part}/tree`
  const pool = makePool(AT_ONCE)
  let received: Head | undefined
  let suspects = new Set<string>()
  const baseList =
    payload.base === undefined
      ? undefined
      : async (name: string) => {
          const text = await readWhole(requests, `${ship}/manifests/${payload.base ?? ''}.${name}`)
          if (text === undefined) throw new ShipError('refused', `the lists of release ${payload.base ?? ''} are gone`)
          return text
        }
  try {
    await unpack(
      payload.open(),
      {
        ...spec,
        baseList,
        async onHead(head) {
          received = head
          await makeSkeleton(requests, tree, head.manifest, isShared)
          if (!baseList) return
          const base = parseManifest(await baseList('manifest.json'))
          const copying = { head, base, releases: `${root}/releases`, tree, how: spec.reuse, isShared }
          suspects = await copyKnown(requests, copying)
        },
        async onFile({ path, size, mode }, content) {
          const to = { mode, mtime: received?.manifest.epoch }
          const whole = size < SMALL || isShared(path) ? await gathered(content) : undefined
          if (isShared(path)) return
          if (whole) await pool.add(() => writeFile(requests, `${tree}/${path}`, whole, to))
          else await writeFile(requests, `${tree}/${path}`, content, to)
        },
      },
      signal,
    )
  } finally {
    await pool.drain()
  }
  if (!received) throw new TypeError('a payload that was read has a head')
  const comparison = {
    manifest: received.manifest,
    shared,
    depth: spec.verify ?? 'sample',
    suspects,
    strict: true,
  } as const
  const [wrong] = await compareTree(requests, tree, comparison)
  if (wrong) throw new ShipError('refused', `after it was sent, "${wrong.path}" on the host ${WORDS[wrong.problem]}`)
  return received
}

/** Links, times, lists, and the rename that makes it a release. Content first, names after. */
async function commit(place: Place, part: string, head: Head, { spec, lease }: Staging): Promise<void> {
  const { requests, root, ship } = place
  const { version, record } = spec
  const made = await laySharedLinks(place, `${part}/tree`, spec, head.manifest)
  await setTimes(requests, `${part}/tree`, { manifest: head.manifest, ...made })
  for (const [name, text] of Object.entries(head.lists)) {
    const list = posix.join(part, name)
    await writeFile(requests, list, Buffer.from(text), { mode: 0o644 })
    await rename(requests, list, `${ship}/manifests/${version}.${name}`)
  }
  await holding(place, lease.token)
  await replaceLine(requests, `${ship}/releases/${version}.json`, JSON.stringify(record))
  await rename(requests, `${part}/tree`, `${root}/releases/${version}`)
  await removeTree(requests, part)
  for (const folder of [`${root}/releases`, `${ship}/manifests`, `${ship}/releases`]) await syncFolder(requests, folder)
}

async function gathered(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks)
}

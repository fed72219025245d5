/**
 * The lock of a host by SFTP renames, the same folders and files as the shell's: `.ship/lock/<token>/{owner,beat}`. A fresh lock is built
 * beside and appears whole by one rename, which fails while somebody's folder is in `.ship/lock`. Taking over renames the holder's folder
 * to ours: it works for exactly one taker, and only while that holder holds.
 */
import { randomBytes } from 'node:crypto'
import { ShipError } from '../../errors.ts'
import type { Token } from '../../names.ts'
import type { Owner } from '../session.ts'
import type { HostClock } from './clock.ts'
import { replaceLine, writeFile, writeStamp } from './content.ts'
import { ensureFolder, list, lookAt, makeFolder, removeFolder, removeTree, rename } from './files.ts'
import { explained, lockLost, type Place } from './place.ts'
import { forEach } from './pool.ts'
import { isMissing, SftpProblem } from './requests.ts'

/** What came of a payload before a cut, over a shell, stays for a day. */
const PART_SECONDS = 24 * 3600
const RESERVE_FILES = 8
const RESERVE_BYTES = 16_384

/** Takes a free lock. Rejects with reason `locked` when it is not free. */
export async function acquire(place: Place, owner: Owner, clock: HostClock): Promise<void> {
  const refuseHeld = async (error: unknown): Promise<void> => {
    if (error instanceof SftpProblem && (await list(place.requests, `${place.ship}/lock`)).length > 0)
      throw new ShipError('locked', 'another run holds the lock')
  }
  try {
    await build(place, owner, clock)
  } catch (error) {
    // Whoever holds the lock clears away what is built beside it.
    await refuseHeld(error)
    if (!(error instanceof SftpProblem) || error.kind !== 'failed') throw error
    // The disk may be full: what was kept aside for this moment is enough to lock, switch and unlock.
    if (!(await lookAt(place.requests, `${place.ship}/reserve`))) throw await explained(place, error)
    await removeTree(place.requests, `${place.ship}/reserve`)
    await removeTree(place.requests, `${place.ship}/lock.${owner.token}`)
    await build(place, owner, clock)
  }
  const { requests, ship } = place
  try {
    await rename(requests, `${ship}/lock.${owner.token}`, `${ship}/lock`)
  } catch (error) {
    await removeTree(requests, `${ship}/lock.${owner.token}`)
    await refuseHeld(error)
    throw error
  }
}

async function build({ requests, root, ship }: Place, owner: Owner, clock: HostClock): Promise<void> {
  await ensureFolder(requests, root)
  if (!(await lookAt(requests, ship))) await ensureFolder(requests, ship, 0o700)
  const folders = [`${ship}/releases`, `${ship}/manifests`, `${ship}/incoming`, `${ship}/trash`]
  await forEach([...folders, `${root}/releases`, `${root}/shared`], (path) => ensureFolder(requests, path))
  const fresh = `${ship}/lock.${owner.token}`
  await makeFolder(requests, fresh)
  await makeFolder(requests, `${fresh}/${owner.token}`)
  await sign(requests, `${fresh}/${owner.token}/beat`, clock)
  await writeFile(requests, `${fresh}/${owner.token}/owner`, Buffer.from(`${JSON.stringify(owner)}\n`), { mode: 0o644 })
}

/** Takes the lock from a token. Rejects with reason `locked` when that one does not hold it. */
export async function takeOver({ requests, ship }: Place, owner: Owner, from: Token, clock: HostClock): Promise<void> {
  const mine = `${ship}/lock/${owner.token}`
  try {
    await rename(requests, `${ship}/lock/${from}`, mine)
  } catch (error) {
    throw isMissing(error) ? lockLost() : error
  }
  try {
    await sign(requests, `${mine}/beat`, clock)
    await replaceLine(requests, `${mine}/owner`, JSON.stringify(owner))
  } catch (error) {
    // A full disk leaves no lock that says the wrong owner.
    await rename(requests, mine, `${ship}/lock/${from}`).catch(() => undefined)
    throw error
  }
}

/** Removes what dead runs left. */
export async function clearLeftovers({ requests, ship }: Place, clock: HostClock): Promise<void> {
  const incoming = await list(requests, `${ship}/incoming`)
  const stale = incoming.filter(({ name, mtime }) => !name.startsWith('part-') || mtime < clock.now() - PART_SECONDS)
  const locks = (await list(requests, ship)).filter(({ name }) => name.startsWith('lock.'))
  const unfinished = (await list(requests, `${ship}/releases`)).filter(({ name }) => name.endsWith('.new'))
  const paths = [
    ...unfinished.map(({ name }) => `${ship}/releases/${name}`),
    ...stale.map(({ name }) => `${ship}/incoming/${name}`),
    ...(await list(requests, `${ship}/trash`)).map(({ name }) => `${ship}/trash/${name}`),
    ...locks.map(({ name }) => `${ship}/${name}`),
  ]
  for (const path of paths) await removeTree(requests, path)
}

/** A sign of life. False when the token does not hold the lock: the write goes into the holder's own folder, which is gone then. */
export async function beat({ requests, ship }: Place, token: Token, clock: HostClock): Promise<boolean> {
  try {
    await sign(requests, `${ship}/lock/${token}/beat`, clock)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** "none" for the boot: the time is the host's wall clock, not its uptime, which SFTP does not show. */
async function sign(requests: Place['requests'], path: string, clock: HostClock): Promise<void> {
  const said = clock.now()
  const stamp = await writeStamp(requests, path, `${said} none\n`)
  clock.learn(stamp)
  if (Math.abs(stamp - said) > 1) await writeStamp(requests, path, `${stamp} none\n`)
}

/** Gives the lock back, if it is still this token's, and keeps a little disk aside for the day it is full. */
export async function release({ requests, ship }: Place, token: Token): Promise<void> {
  if (!(await lookAt(requests, `${ship}/reserve`))) await keepReserve(requests, `${ship}/reserve`)
  try {
    await rename(requests, `${ship}/lock/${token}`, `${ship}/trash/${token}`)
    await removeTree(requests, `${ship}/trash/${token}`)
    await removeFolder(requests, `${ship}/lock`)
  } catch (error) {
    // It is another run's by now, or that run came while this one went.
    if (!(error instanceof SftpProblem)) throw error
  }
}

async function keepReserve(requests: Place['requests'], folder: string): Promise<void> {
  try {
    await makeFolder(requests, folder)
    for (let n = 1; n <= RESERVE_FILES; n++) {
      // Real blocks and a few inodes; a hole would reserve nothing.
      await writeFile(requests, `${folder}/${n}`, randomBytes(RESERVE_BYTES), { mode: 0o644 })
    }
  } catch (error) {
    if (!(error instanceof SftpProblem)) throw error
  }
}

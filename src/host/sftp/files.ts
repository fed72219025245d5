/** Names and folders of a host by SFTP requests. Paths are absolute, as the server sees them. */
import { forEach } from './pool.ts'
import { isMissing, type Requests } from './requests.ts'

export interface Found {
  readonly name: string
  readonly kind: 'file' | 'dir' | 'link' | 'other'
  /** Permission bits. */
  readonly mode: number
  readonly size: number
  /** Seconds since 1970 by the host's clock. */
  readonly mtime: number
}

const TYPE_MASK = 0o170000
const KINDS: Readonly<Record<number, Found['kind']>> = { 0o040000: 'dir', 0o100000: 'file', 0o120000: 'link' }

export interface Stats {
  readonly mode: number
  readonly size: number
  readonly mtime: number
}

function found(name: string, { mode, size, mtime }: Stats): Found {
  return { name, kind: KINDS[mode & TYPE_MASK] ?? 'other', mode: mode & 0o7777, size, mtime }
}

/** What stands at a path, links not followed; undefined when nothing does. */
export async function lookAt(requests: Requests, path: string): Promise<Found | undefined> {
  return unlessMissing(async () =>
    found(path, await requests.ask<Stats>(`could not look at "${path}"`, (sftp, done) => sftp.lstat(path, done))),
  )
}

/** The same of what a link leads to. */
export async function follow(requests: Requests, path: string): Promise<Found | undefined> {
  return unlessMissing(async () =>
    found(path, await requests.ask<Stats>(`could not look at "${path}"`, (sftp, done) => sftp.stat(path, done))),
  )
}

/** A folder's entries, links not followed; none when it is not there. */
export async function list(requests: Requests, folder: string): Promise<Found[]> {
  type Raw = { readonly filename: string; readonly attrs: Stats }
  const raw = await unlessMissing(() =>
    requests.ask<readonly Raw[]>(`could not list "${folder}"`, (sftp, done) => sftp.readdir(folder, done)),
  )
  return (raw ?? []).map(({ filename, attrs }) => found(filename, attrs))
}

/** All that is in a folder and below it, by its path from there. Links are not followed. */
export async function walk(requests: Requests, folder: string): Promise<Map<string, Found>> {
  const all = new Map<string, Found>()
  let level = ['']
  while (level.length > 0) {
    const next: string[] = []
    await forEach(level, async (above) => {
      for (const one of await list(requests, above === '' ? folder : `${folder}/${above}`)) {
        const path = above === '' ? one.name : `${above}/${one.name}`
        all.set(path, one)
        if (one.kind === 'dir') next.push(path)
      }
    })
    level = next
  }
  return all
}

export async function readLink(requests: Requests, path: string): Promise<string> {
  return requests.ask<string>(`could not read the link "${path}"`, (sftp, done) => sftp.readlink(path, done))
}

/** rename(2): over what is there, in one step. A folder goes only over an empty one. One at a time; `moveAway` for many. */
export async function rename(requests: Requests, from: string, to: string): Promise<void> {
  await requests.by(`could not rename "${from}" to "${to}"`, (library) => library.posixRename(from, to))
}

/** The same as a request among many. Nothing there is fine. */
export async function moveAway(requests: Requests, from: string, to: string): Promise<void> {
  await unlessMissing(() =>
    requests.ask(`could not rename "${from}" to "${to}"`, (sftp, done) => sftp.ext_openssh_rename(from, to, done)),
  )
}

export async function makeFolder(requests: Requests, path: string, mode?: number): Promise<void> {
  await requests.ask(`could not make the folder "${path}"`, (sftp, done) => sftp.mkdir(path, done))
  // The server's umask had its say.
  if (mode !== undefined)
    await requests.ask(`could not set the mode of "${path}"`, (sftp, done) => sftp.chmod(path, mode, done))
}

/** Makes a folder and those above it. What is there, a link to a folder too, stays as it is. */
export async function ensureFolder(requests: Requests, path: string, mode = 0o755): Promise<void> {
  if (path === '' || (await follow(requests, path))?.kind === 'dir') return
  await ensureFolder(requests, path.slice(0, path.lastIndexOf('/')))
  try {
    await makeFolder(requests, path, mode)
  } catch (error) {
    // Another run may have made it meanwhile.
    if ((await follow(requests, path))?.kind !== 'dir') throw error
  }
}

/** Removes a file or a link; none is fine. */
export async function removeFile(requests: Requests, path: string): Promise<void> {
  await unlessMissing(() => requests.ask(`could not remove "${path}"`, (sftp, done) => sftp.unlink(path, done)))
}

/** Removes whatever stands at a path, with all below it. */
export async function removeTree(requests: Requests, path: string): Promise<void> {
  const top = await lookAt(requests, path)
  if (top?.kind === 'dir') await emptyAndRemove(requests, path)
  else if (top) await removeFile(requests, path)
}

/** Removes a folder with all below it; none is fine. Resolves with what was in it, by path. */
export async function emptyAndRemove(requests: Requests, folder: string): Promise<Map<string, Found>> {
  const all = await walk(requests, folder)
  const [folders, others] = [
    [...all].filter(([, { kind }]) => kind === 'dir'),
    [...all].filter(([, { kind }]) => kind !== 'dir'),
  ]
  await forEach(others, ([name]) => removeFile(requests, `${folder}/${name}`))
  const levels = Map.groupBy(folders, ([name]) => name.split('/').length)
  for (const [, level] of [...levels].toSorted(([a], [b]) => b - a)) {
    await forEach(level, ([name]) => removeFolder(requests, `${folder}/${name}`))
  }
  await removeFolder(requests, folder)
  return all
}

export async function removeFolder(requests: Requests, path: string): Promise<void> {
  await unlessMissing(() =>
    requests.ask(`could not remove the folder "${path}"`, (sftp, done) => sftp.rmdir(path, done)),
  )
}

export async function unlessMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

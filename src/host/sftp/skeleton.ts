/** What of a release is no file: its folders, its links, the links into shared/, and the one time that all of it has. */
import type { Manifest } from '../../tree/manifest.ts'
import type { StageSpec } from '../session.ts'
import { syncFolder } from './content.ts'
import { ensureFolder, makeFolder } from './files.ts'
import type { Place } from './place.ts'
import { forEach } from './pool.ts'
import type { Requests } from './requests.ts'

const FOLDER_MODE = 0o755

/** Folders, level by level, then links. */
export async function makeSkeleton(
  requests: Requests,
  tree: string,
  { entries }: Manifest,
  isShared: (path: string) => boolean,
): Promise<void> {
  await makeFolder(requests, tree, FOLDER_MODE)
  const own = entries.filter(({ path }) => !isShared(path))
  const folders = own.filter(({ type }) => type === 'dir')
  const levels = Map.groupBy(folders, ({ path }) => path.split('/').length)
  for (const [, level] of [...levels].toSorted(([a], [b]) => a - b)) {
    await forEach(level, ({ path, mode }) => makeFolder(requests, `${tree}/${path}`, mode))
  }
  const links = own.flatMap((e) => (e.type === 'link' ? [e] : []))
  await forEach(links, ({ path, target }) => makeLink(requests, target, `${tree}/${path}`))
}

export async function makeLink(requests: Requests, target: string, path: string): Promise<void> {
  await requests.ask(`could not make the link "${path}"`, (sftp, done) => sftp.symlink(target, path, done))
}

/** What `laySharedLinks` made beside the links: paths relative to the tree. */
export interface Laid {
  readonly links: readonly string[]
  readonly folders: readonly string[]
}

/** Links into shared/, as deep as they stand: a/b/c leads to ../../../../shared/a/b/c from releases/<version>/a/b. */
export async function laySharedLinks(
  { requests, root }: Place,
  tree: string,
  { sharedDirs, sharedFiles }: Pick<StageSpec, 'sharedDirs' | 'sharedFiles'>,
  { entries }: Manifest,
): Promise<Laid> {
  const known = new Set(entries.flatMap(({ path, type }) => (type === 'dir' ? [path as string] : [])))
  const folders: string[] = []
  for (const path of sharedDirs) await ensureFolder(requests, `${root}/shared/${path}`)
  for (const path of [...sharedDirs, ...sharedFiles]) {
    const segments = path.split('/').slice(0, -1)
    for (const [i] of segments.entries()) {
      const above = segments.slice(0, i + 1).join('/')
      if (known.has(above)) continue
      await makeFolder(requests, `${tree}/${above}`, FOLDER_MODE)
      known.add(above)
      folders.push(above)
    }
    await makeLink(requests, `${'../'.repeat(segments.length + 2)}shared/${path}`, `${tree}/${path}`)
  }
  return { folders, links: [...sharedDirs, ...sharedFiles] }
}

/** Gives folders and links the time of the release, and brings the folders' names to the disk. Files have it since they were written. */
export async function setTimes(
  requests: Requests,
  tree: string,
  { manifest, links, folders }: Laid & { readonly manifest: Manifest },
): Promise<void> {
  const { epoch, entries } = manifest
  const times = { atime: epoch, mtime: epoch }
  const covered = (path: string): boolean => links.some((one) => path === one || path.startsWith(`${one}/`))
  const own = entries.filter(({ path }) => !covered(path))
  const of = (type: string): string[] => own.flatMap((e) => (e.type === type ? [`${tree}/${e.path}`] : []))
  if (requests.offers('lsetstat@openssh.com')) {
    await forEach([...of('link'), ...links.map((path) => `${tree}/${path}`)], (path) =>
      requests.ask(`could not set the time of "${path}"`, (sftp, done) => sftp.ext_openssh_lsetstat(path, times, done)),
    )
  }
  await forEach([tree, ...of('dir'), ...folders.map((path) => `${tree}/${path}`)], async (path) => {
    await syncFolder(requests, path)
    await requests.ask(`could not set the time of "${path}"`, (sftp, done) => sftp.setstat(path, times, done))
  })
}

/** Files that the host has already, copied there by the server itself (copy-data, OpenSSH 9.0 and newer), or named a second time. */
import { ShipError } from '../../errors.ts'
import type { Entry, Manifest } from '../../tree/manifest.ts'
import { finishFile, withHandle } from './content.ts'
import { lookAt } from './files.ts'
import { forEach } from './pool.ts'
import { isMissing, type Requests } from './requests.ts'
import type { Head } from './unpack.ts'

export interface Copying {
  readonly head: Head
  /** The base's own manifest: a file of it that still has its time was not touched. */
  readonly base: Manifest
  /** Folder of releases. */
  readonly releases: string
  /** Folder of the new tree. */
  readonly tree: string
  readonly how: 'copy' | 'hardlink'
  /** Whether a path is laid over by a link into shared/. */
  readonly isShared: (path: string) => boolean
}

/** Copies everything and resolves with the paths whose sources do not look untouched. Rejects with reason `refused` when one is gone. */
export async function copyKnown(requests: Requests, copying: Copying): Promise<Set<string>> {
  const { head, base, releases, tree } = copying
  const entries = new Map(head.manifest.entries.map((e) => [e.path as string, e]))
  const own = head.kept.map((path) => ({ from: `${base.version}/${path}`, to: path, ofBase: true }))
  const moved = head.copies.map((copy) => ({ ...copy, ofBase: copy.from.startsWith(`${base.version}/`) }))
  const suspects = new Set<string>()
  await forEach([...own, ...moved], async ({ from, to, ofBase }) => {
    const entry = entries.get(to)
    if (entry?.type !== 'file' || copying.isShared(to)) return
    const source = `${releases}/${from}`
    const there = await lookAt(requests, source)
    if (there?.kind !== 'file' || there.size !== entry.size) throw gone(from)
    if (!ofBase || there.mtime !== base.epoch) suspects.add(to)
    try {
      // Two names have one mode: one that changed makes it another file.
      const how = there.mode === entry.mode ? copying.how : 'copy'
      await copyOne(requests, { from: source, to: `${tree}/${to}`, entry }, { head, how })
    } catch (error) {
      throw isMissing(error) ? gone(from) : error
    }
  })
  return suspects
}

interface Copy {
  readonly from: string
  readonly to: string
  readonly entry: Extract<Entry, { type: 'file' }>
}

async function copyOne(
  requests: Requests,
  { from, to, entry }: Copy,
  { how, head }: Pick<Copying, 'how' | 'head'>,
): Promise<void> {
  if (how === 'hardlink' && requests.offers('hardlink@openssh.com')) {
    return requests.ask(`could not link "${to}"`, (sftp, done) => sftp.ext_openssh_hardlink(from, to, done))
  }
  await withHandle(requests, from, 'r', (source) =>
    withHandle(requests, to, 'w', async (handle) => {
      if (entry.size > 0) {
        // No length: to the end of the source.
        await requests.ask(`could not copy "${from}" to "${to}"`, (sftp, done) =>
          sftp.ext_copy_data(source, 0, 0, handle, 0, done),
        )
      }
      await finishFile(requests, { handle, path: to }, { mode: entry.mode, mtime: head.manifest.epoch })
    }),
  )
}

function gone(path: string): ShipError {
  return new ShipError('refused', `"releases/${path}" is not what it was`)
}

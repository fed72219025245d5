/**
 * What a .deb installs: entries in the order of its data archive. Every folder on the way to a file is an entry of its own and stands
 * before it (dpkg cannot unpack otherwise), names start with `./`, all is owned by root.
 */
import { createHash } from 'node:crypto'
import { ShipError } from '../errors.ts'
import { fileChunks, type TarItem } from '../formats/tar.ts'
import { escapeControls, relPathProblem } from '../names.ts'
import { compareBytes } from '../tree/entries.ts'

/** A place on the host: path without the leading `/`. */
export type DataItem =
  | { readonly path: string; readonly type: 'dir'; readonly mode: number }
  | { readonly path: string; readonly type: 'link'; readonly mode: number; readonly target: string }
  | (FilePlace & { readonly content: Buffer })
  /** `content`: absolute path of a file that holds exactly these bytes. */
  | (FilePlace & { readonly content: string; readonly size: number; readonly sha256: string })

interface FilePlace {
  readonly path: string
  readonly type: 'file'
  readonly mode: number
}

/** Folders that are links on a merged system: what is unpacked there goes elsewhere behind dpkg's back. */
const MERGED = /^(?:bin|sbin|lib|lib32|lib64|libx32)(?:\/|$)/

/** Folders between added, sorted. Rejects (reason `config`) what two owners want, and places that no package may use. */
export function layOut(items: readonly DataItem[]): readonly DataItem[] {
  const known = new Map<string, DataItem>()
  for (const item of items) {
    const problem = placeProblem(item.path)
    if (problem !== undefined) throw refused(item.path, problem)
    const before = known.get(item.path)
    if (before && !(before.type === 'dir' && item.type === 'dir')) throw refused(item.path, 'is there twice')
    known.set(item.path, item)
  }
  for (const { path } of items) {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
      const parent = path.slice(0, cut)
      const before = known.get(parent)
      if (before && before.type !== 'dir') throw refused(path, `lies below "/${parent}", which is a ${before.type}`)
      if (!before) known.set(parent, { path: parent, type: 'dir', mode: 0o755 })
    }
  }
  return [...known.values()].toSorted((a, b) => compareBytes(a.path, b.path))
}

function placeProblem(path: string): string | undefined {
  const problem = relPathProblem(path)
  if (problem !== undefined) return problem
  if (MERGED.test(path)) return `lies in a folder that is a link on many hosts; use "/usr/${path}"`
  if (/^usr\/local(?:\/|$)/.test(path)) return 'lies in /usr/local, which belongs to the administrator'
  return undefined
}

function refused(path: string, problem: string): ShipError {
  return new ShipError('config', `"/${escapeControls(path)}" of the .deb ${problem}`)
}

/** `Installed-Size` in KiB (deb-substvars(5)): files and links rounded up each, everything else 1. */
export function installedSize(items: readonly DataItem[]): number {
  // A link takes the room of its target's name.
  const kib = (bytes: number): number => Math.ceil(bytes / 1024)
  return items.reduce((sum, item) => {
    if (item.type === 'file') return sum + kib(sizeOf(item))
    return sum + (item.type === 'link' ? kib(Buffer.byteLength(item.target)) : 1)
  }, 0)
}

/** Entries for the archive. `onFile` gets each file's path and md5 sum once its bytes were read. */
export function* tarItems(items: readonly DataItem[], onFile: (path: string, md5: string) => void): Generator<TarItem> {
  yield { path: './', type: 'dir', mode: 0o755, size: 0 }
  for (const item of items) {
    const { path, type, mode } = item
    if (type === 'dir') yield { path: `./${path}/`, type, mode, size: 0 }
    else if (type === 'link') yield { path: `./${path}`, type, mode, size: 0, target: item.target }
    else yield { path: `./${path}`, type, mode, size: sizeOf(item), content: () => summed(item, onFile) }
  }
}

function* summed(
  item: DataItem & { readonly type: 'file' },
  onFile: (path: string, md5: string) => void,
): Generator<Buffer> {
  const sum = createHash('md5')
  const content = 'sha256' in item ? fileChunks(item.content, item) : [item.content]
  for (const chunk of content) {
    sum.update(chunk)
    yield chunk
  }
  onFile(item.path, sum.digest('hex'))
}

function sizeOf(item: DataItem): number {
  if (item.type !== 'file') return 0
  return 'size' in item ? item.size : item.content.length
}

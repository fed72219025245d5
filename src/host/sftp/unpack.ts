/**
 * A payload as the host's scripts would unpack it, read here: the lists first, held against the digest that vouches for them, then every
 * file of the tree against the lists. Nothing of the stream is believed before its digest was seen.
 */
import { createHash } from 'node:crypto'
import { createGunzip } from 'node:zlib'
import type { Readable } from 'node:stream'
import { ShipError } from '../../errors.ts'
import { LISTS, digestOf, type Lists } from '../../formats/check-lists.ts'
import { applyEdits } from '../../formats/line-edits.ts'
import type { ArchiveEntry, Content } from '../../formats/format.ts'
import { readTarStream } from '../../formats/read-tar.ts'
import { parseManifest, type Entry, type Manifest } from '../../tree/manifest.ts'

type FileEntry = Extract<Entry, { type: 'file' }>

/** What stands at the head of a payload. */
export interface Head {
  readonly manifest: Manifest
  readonly lists: Omit<Lists, 'checks'>
  /** Paths of files that are copied from the same path of the base. */
  readonly kept: readonly string[]
  /** `from` is relative to `releases/`, `to` to the tree. */
  readonly copies: readonly { readonly from: string; readonly to: string }[]
}

export interface Unpacking {
  /** sha256 of the check list. */
  readonly checksDigest: string
  /** Name of the tree's folder. */
  readonly tree: string
  /** A list of the base as it lies on the host; undefined for a payload that has no base. */
  readonly baseList: ((name: string) => Promise<string>) | undefined
  /** Called once, before any file. */
  readonly onHead: (head: Head) => Promise<void>
  /** Called for each file that was sent. `content` throws at its end when it is not what the lists say; it must be consumed. */
  readonly onFile: (entry: FileEntry, content: AsyncIterable<Buffer>) => Promise<void>
}

/** Reads all of a payload. Rejects with reason `refused` when anything is missing, added or other than the lists say. */
export async function unpack(stream: Readable, unpacking: Unpacking, signal: AbortSignal): Promise<void> {
  const members = new Map<string, string>()
  let tree: Expected | undefined
  // What goes wrong on the host is no fault of the archive.
  const visit = async (entry: ArchiveEntry, content: Content | undefined): Promise<void> => {
    if (tree) return treeEntry(tree, unpacking, entry, content)
    if (entry.path === unpacking.tree && entry.type === 'dir') {
      const head = await readHead(members, unpacking)
      tree = expected(head)
      return unpacking.onHead(head)
    }
    if (!content || members.has(entry.path)) throw damaged(`"${entry.path}" stands where no such thing belongs`)
    members.set(entry.path, await textOf(content))
  }
  // A payload is two members, which count as one; the reader of the tar sees to it that nothing stands behind its end.
  await readTarStream(stream, createGunzip({ chunkSize: 256 * 1024 }), visit, signal)
  if (!tree) throw damaged('there is no tree')
  const [missing] = tree.files.keys()
  if (missing !== undefined) throw damaged(`file "${missing}" is missing`)
}

interface Expected {
  /** Files that are still to come. */
  readonly files: Map<string, FileEntry>
  readonly others: ReadonlyMap<string, Entry>
}

function expected({ manifest, kept, copies }: Head): Expected {
  const here = new Set([...kept, ...copies.map(({ to }) => to)])
  const files = manifest.entries.flatMap((e) => (e.type === 'file' && !here.has(e.path) ? [[e.path, e] as const] : []))
  const others = manifest.entries.flatMap((e) => (e.type === 'file' ? [] : [[e.path, e] as const]))
  return { files: new Map<string, FileEntry>(files), others: new Map<string, Entry>(others) }
}

async function treeEntry(
  tree: Expected,
  { tree: name, onFile }: Unpacking,
  entry: ArchiveEntry,
  content: Content | undefined,
): Promise<void> {
  const path = entry.path.slice(name.length + 1)
  if (content) {
    const file = entry.path.startsWith(`${name}/`) ? tree.files.get(path) : undefined
    if (!file || file.size !== entry.size || file.mode !== entry.mode) throw damaged(`file "${path}" is not as listed`)
    tree.files.delete(path)
    return onFile(file, checked(file, content))
  }
  const other = tree.others.get(path)
  const target = other?.type === 'link' ? other.target : undefined
  if (other?.type !== entry.type || target !== entry.target) throw damaged(`"${path}" is not as listed`)
}

async function* checked(file: FileEntry, content: Content): AsyncGenerator<Buffer> {
  const sum = createHash('sha256')
  for await (const chunk of content) {
    sum.update(chunk)
    yield chunk
  }
  if (sum.digest('hex') !== file.sha256) throw damaged(`file "${file.path}" has other content than listed`)
}

/** Digest by digest: the argument vouches for checks, checks for the lists. */
async function readHead(members: ReadonlyMap<string, string>, unpacking: Unpacking): Promise<Head> {
  const { checksDigest, baseList } = unpacking
  const checks = members.get('checks') ?? ''
  if (digestOf(checks) !== checksDigest) throw damaged('the check list is not what was sent')
  const lists = { sums: '', links: '', 'manifest.json': '' }
  for (const name of LISTS) {
    lists[name] = baseList
      ? applyEdits(await baseList(name), members.get(`${name}.edits`) ?? '')
      : (members.get(name) ?? '')
    if (!checks.split('\n').includes(`${digestOf(lists[name])}  ${name}`))
      throw damaged(baseList ? 'the lists of the base are not what they were' : 'the lists are not what was sent')
  }
  const manifest = parseManifest(lists['manifest.json'])
  if (!baseList) return { manifest, lists, kept: [], copies: [] }
  const kept = applyEdits(await baseList('sums'), members.get('kept') ?? '')
  return { manifest, lists, kept: lines(kept).map(pathIn), copies: pairs(lines(members.get('copies') ?? '')) }
}

/** Path in a line of `sums`. */
function pathIn(line: string): string {
  const path = line.slice(66)
  return path === './-' ? '-' : path
}

function pairs(all: readonly string[]): { from: string; to: string }[] {
  return all.flatMap((from, i) => (i % 2 === 0 ? [{ from, to: all[i + 1] ?? '' }] : []))
}

function lines(text: string): string[] {
  return text.split('\n').slice(0, -1)
}

async function textOf(content: Content): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function damaged(what: string): ShipError {
  return new ShipError('refused', `what was sent is damaged: ${what}`)
}

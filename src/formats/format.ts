/** The contract of a package format: a frozen tree in, one file out. One file per format, one line in `index.ts`. */
import type { Transform, Writable } from 'node:stream'
import type { Manifest, Tree } from '../tree/manifest.ts'

export interface WriteOptions {
  readonly signal: AbortSignal
  /** Called with the payload bytes (file contents) written so far; the total is the sum of sizes in the manifest. */
  readonly onProgress?: ((doneBytes: number) => void) | undefined
}

export interface Format {
  /** What users write in `build.formats`. */
  readonly name: string
  /** File name in `dist/`, with the conventional extension: `shop-1.4.2-linux-x64.tar.zst`. */
  fileName(manifest: Manifest): string
  /**
   * Writes the whole archive and ends the stream. The same tree gives the same bytes on any machine. Entries live under one
   * folder `<name>-<version>/`. Memory does not grow with the size of the tree's files. Rejects with a ShipError of reason
   * `build` that names the path when the format cannot hold an entry (zip and links, say) or a file changed since the walk.
   */
  write(tree: Tree, to: Writable, options: WriteOptions): Promise<void>
  /** Of a format that is a tar: what makes the tar of a file's bytes. */
  readonly decoder?: () => Transform
  /** Reads an archive of this format strictly; see `read.ts`. */
  read(file: string, visit: EntryVisitor, options: { readonly signal: AbortSignal }): Promise<void>
}

/** An entry as an archive claims it; `read.ts` holds it against the manifest. */
export interface ArchiveEntry {
  readonly path: string
  readonly type: 'file' | 'dir' | 'link'
  readonly mode: number
  readonly size: number
  readonly target?: string | undefined
}

/** Bytes of a file: a small one in one piece, a big one as it comes. */
export type Content = readonly Buffer[] | AsyncIterable<Buffer>

/** Called once per entry in archive order; `content` is present for files and must be consumed before the promise resolves. */
export type EntryVisitor = (entry: ArchiveEntry, content: Content | undefined) => Promise<void>

/** File name of a bundle without its extension: `shop-1.4.2-linux-x64`, or `shop-1.4.2` when any platform will do. */
export function bundleName({ name, version, platform }: Manifest): string {
  return platform === 'any' ? `${name}-${version}` : `${name}-${version}-${platform}`
}

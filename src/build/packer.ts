/** What writes one file of `dist/` from the frozen tree: an archive format, or a package. */
import { createWriteStream } from 'node:fs'
import type { Format, WriteOptions } from '../formats/format.ts'
import type { Manifest, Tree } from '../tree/manifest.ts'

export interface Packer {
  readonly kind: 'bundle' | 'deb'
  /** Name of the format. */
  readonly format: string
  /** What is written, for a step's name. */
  readonly label: string
  /** Name of the file in `dist/`. */
  readonly file: string
  /** Writes a new file. The same tree gives the same bytes. */
  write(tree: Tree, to: string, options: WriteOptions): Promise<void>
}

export function archivePacker(format: Format, manifest: Manifest): Packer {
  return {
    kind: 'bundle',
    format: format.name,
    label: format.name,
    file: format.fileName(manifest),
    write: (tree, to, options) =>
      format.write(tree, createWriteStream(to, { flush: true, highWaterMark: 1024 * 1024 }), options),
  }
}

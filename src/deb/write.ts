/**
 * Writes a .deb: debian-binary, control.tar.gz, data.tar.*. The data goes first into a file of its own, for its sums stand in the control
 * archive before it.
 */
import { rm } from 'node:fs/promises'
import type { WriteOptions } from '../formats/format.ts'
import { tarOf, type TarItem } from '../formats/tar.ts'
import { writeAr } from './ar.ts'
import { compressTo, parseCompression, type Compression } from './compress.ts'
import { controlText, type ControlFields } from './control.ts'
import { installedSize, tarItems, type DataItem } from './data.ts'
import { withoutEpoch } from './version.ts'

/** One package, decided to the last byte but for the files' content. */
export interface Deb {
  readonly control: ControlFields
  /** As `layOut` returns them. */
  readonly data: readonly DataItem[]
  /** Lines. */
  readonly conffiles: readonly string[]
  readonly triggers: readonly string[]
  readonly scripts: ReadonlyMap<string, string>
  readonly debconf: Debconf | undefined
  readonly compression: Compression
  /** Seconds since 1970 of every entry. */
  readonly epoch: number
}

/** What debconf asks before the package is unpacked (debconf-devel(7)). */
export interface Debconf {
  /** A script. */
  readonly config: string
  readonly templates: string
}

/** How the control archive is compressed: it is small, and every dpkg reads this. */
const CONTROL = parseCompression('gzip:9')

/** Name of the file, as archives of packages want it: without the epoch of the version. */
export function debFileName({ package: name, version, architecture }: ControlFields): string {
  return `${name}_${withoutEpoch(version)}_${architecture}.deb`
}

/** Writes a new file. Rejects (reason `build`) when a file is not what the tree says, or a program for the compression is missing. */
export async function writeDeb(file: string, deb: Deb, options: WriteOptions): Promise<void> {
  const { signal } = options
  const { epoch, compression, data } = deb
  const [dataFile, controlFile] = [`${file}.data`, `${file}.control`]
  try {
    const sums: string[] = []
    const items = tarItems(data, (path, md5) => void sums.push(`${md5}  ${path}\n`))
    await compressTo(dataFile, tarOf(items, epoch, options), compression, signal)
    const quiet = { signal }
    await compressTo(controlFile, tarOf(controlItems(deb, sums.join('')), epoch, quiet), CONTROL, signal)
    const members = [
      { name: 'debian-binary', content: Buffer.from('2.0\n') },
      { name: 'control.tar.gz', content: controlFile },
      { name: `data.tar${compression.extension}`, content: dataFile },
    ]
    await writeAr(file, members, { epoch, signal })
  } finally {
    await Promise.all([dataFile, controlFile].map((temp) => rm(temp, { force: true })))
  }
}

function* controlItems(deb: Deb, md5sums: string): Generator<TarItem> {
  const { control, data, conffiles, triggers, scripts, debconf } = deb
  const files: readonly (readonly [string, string, number])[] = [
    ['control', controlText(control, installedSize(data)), 0o644],
    // An empty file of control data is an error to some readers.
    ...textFile('conffiles', conffiles.map((line) => `${line}\n`).join('')),
    ...textFile('md5sums', md5sums),
    ...textFile('triggers', triggers.map((line) => `${line}\n`).join('')),
    ...textFile('templates', debconf?.templates ?? ''),
    ...[...scripts, ...(debconf ? [['config', debconf.config] as const] : [])].map(
      ([name, text]) => [name, text, 0o755] as const,
    ),
  ]
  yield { path: './', type: 'dir', mode: 0o755, size: 0 }
  for (const [name, text, mode] of files.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const content = Buffer.from(text)
    yield { path: `./${name}`, type: 'file', mode, size: content.length, content: () => [content] }
  }
}

function textFile(name: string, text: string): readonly (readonly [string, string, number])[] {
  return text === '' ? [] : [[name, text, 0o644]]
}

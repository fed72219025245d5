/** What a bundle needs of the hosts it runs on, read from the programs and libraries in its archive. */
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { checkLibraries } from '../elf/check.ts'
import { messageOf, ShipError } from '../errors.ts'
import { readBundle, type Bundle } from '../formats/bundle.ts'
import type { Content } from '../formats/format.ts'
import { makeScratch } from '../scratch.ts'
import type { Entry } from '../tree/manifest.ts'

export interface HostNeeds {
  /** Sonames of libraries that no file of the bundle is, sorted. */
  readonly libraries: readonly string[]
  /** The newest version of the GNU C library that any file needs: `2.34`. */
  readonly glibc: string | undefined
}

const MAGIC = '\x7fELF'

/** Reads the archive whole and executes nothing. Rejects as `readBundle` does when it is gone or not what its manifest says. */
export async function hostNeeds(bundle: Bundle, signal: AbortSignal): Promise<HostNeeds> {
  const { manifest } = bundle
  const folder = await makeScratch('build')
  const root = join(folder, 'elf')
  try {
    const found = new Set<Entry>()
    const visit = async (entry: Entry, content: Content): Promise<void> => {
      if (entry.type !== 'file' || (await keepElf(join(root, entry.path), content))) found.add(entry)
    }
    await readBundle(bundle, visit, { signal })
    const { libraries, floor } = checkLibraries(root, [...found], {
      targets: [],
      systemLibraries: [],
      cpu: manifest.platform.slice(manifest.platform.indexOf('-') + 1),
      componentOf: () => undefined,
      allow: [],
    })
    return { libraries, glibc: floor?.version }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Writes the file if it is an ELF file; of others no more than their beginning is looked at. */
async function keepElf(path: string, content: Content): Promise<boolean> {
  const chunks = (async function* () {
    yield* content
  })()
  let head = Buffer.alloc(0)
  while (head.length < MAGIC.length) {
    const { value, done } = await chunks.next()
    if (done === true) return false
    head = Buffer.concat([head, value])
  }
  if (head.toString('latin1', 0, MAGIC.length) !== MAGIC) return false
  async function* whole(): AsyncGenerator<Buffer> {
    yield head
    yield* chunks
  }
  try {
    await mkdir(dirname(path), { recursive: true })
    await pipeline(Readable.from(whole()), createWriteStream(path))
  } catch (cause) {
    if (cause instanceof ShipError) throw cause
    throw new ShipError('build', `its programs cannot be unpacked: ${messageOf(cause)}`, { cause })
  }
  return true
}

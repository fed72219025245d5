/** What lies beside a bundle in its folder, read once however many checks ask for it. */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ShipError } from '../errors.ts'
import { parseForeignJson, problemOf, readForeign } from '../foreign.ts'
import { fileDigest } from '../file-digest.ts'
import { manifestFileName, type Bundle } from '../formats/bundle.ts'
import { parseSums, readSums } from '../formats/sums.ts'
import { escapeControls } from '../names.ts'
import { MAX_MANIFEST_BYTES } from '../tree/manifest.ts'
import { provenanceFileName } from './provenance.ts'
import { sbomFileName } from './sbom.ts'
import type { Verdict } from './signature.ts'

/** One thing that was looked at. `unchecked`: it is well in itself, but there was nothing to hold it against. */
export interface Check {
  readonly what: 'archive' | 'SHA256SUMS' | 'signature' | 'SBOM' | 'provenance' | 'artifacts.json'
  readonly result: Verdict['result']
  /** What was found, for people; it names every file that is missing or wrong. */
  readonly found: string
}

export interface Beside {
  readonly bundle: Bundle
  readonly folder: string
  /** Archive, manifest, SBOM and provenance: the files that every build of this kind has. */
  readonly own: readonly string[]
  /** sha256 of a file of the folder; undefined when there is none of that name. */
  digest(name: string): Promise<string | undefined>
  /** Size of a file of the folder in bytes; undefined when there is none of that name. */
  sizeBytes(name: string): Promise<number | undefined>
  /** What `SHA256SUMS` lists; undefined when there is none. Rejects (reason `refused`) when it cannot be read. */
  sums(): Promise<ReadonlyMap<string, string> | undefined>
}

/** Stands for the digest of a document that nobody reads, however long it would take: it is not the one that is looked for. */
const TOO_LARGE = 'too large'

/** Reads nothing yet. */
export function besideOf(bundle: Bundle, signal: AbortSignal): Beside {
  const folder = dirname(bundle.archive)
  const { manifest } = bundle
  const digests = new Map<string, Promise<string | undefined>>()
  // A name from a stranger is one in this folder or none.
  const found = async (name: string) => {
    if (!isFileName(name)) return undefined
    const there = await stat(join(folder, name)).catch(() => undefined)
    return there?.isFile() === true ? there : undefined
  }
  const documents = [manifestFileName(manifest), sbomFileName(manifest), provenanceFileName(manifest)]
  const read = async (name: string): Promise<string | undefined> => {
    const there = await found(name)
    if (!there) return undefined
    const isTooLarge = documents.includes(name) && there.size > MAX_MANIFEST_BYTES
    return isTooLarge ? TOO_LARGE : fileDigest(join(folder, name), signal)
  }
  return {
    bundle,
    folder,
    own: [basename(bundle.archive), ...documents],
    digest(name) {
      const known = digests.get(name) ?? read(name)
      digests.set(name, known)
      return known
    },
    sizeBytes: async (name) => (await found(name))?.size,
    async sums() {
      const bytes = await readSums(folder)
      return bytes && parseSums(bytes.toString('utf8'))
    },
  }
}

/** Whether a name is one of a folder's own files: nothing else may be looked at in its name. */
export function isFileName(name: string): boolean {
  return name === basename(name) && !['', '.', '..'].includes(name) && !name.includes('\0')
}

/** What a check finds; whatever is refused while it looks is its answer, not an end of all checks. */
export async function checked(what: Check['what'], look: () => Promise<Omit<Check, 'what'>>): Promise<Check> {
  try {
    const { result, found } = await look()
    return { what, result, found: escapeControls(found) }
  } catch (error) {
    if (!(error instanceof ShipError) || error.reason !== 'refused') throw error
    return { what, result: 'wrong', found: escapeControls(error.message) }
  }
}

export interface DocumentLimits {
  readonly maxBytes: number
  readonly maxValues: number
}

/** A JSON document beside the bundle, of a shape; undefined when there is none. Rejects (reason `refused`) naming it. */
export async function readDocument<T>(
  { folder }: Pick<Beside, 'folder'>,
  file: string,
  schema: { parse(value: unknown): T },
  { maxBytes, maxValues }: DocumentLimits,
): Promise<T | undefined> {
  const bytes = await readForeign(join(folder, file), maxBytes)
  if (!bytes) return undefined
  const value = parseForeignJson(bytes, file, maxValues)
  try {
    return schema.parse(value)
  } catch (cause) {
    throw new ShipError('refused', `${file} is not as ship writes it: ${problemOf(cause)}`, { cause })
  }
}

/**
 * What a host that installs packages is sent: a plain tar, not compressed, for the package is. Members, in this order:
 *
 *   checks            `sha256sum -c` input for the other two; its sha256 goes to the host as an argument
 *   manifest.json.gz  the canonical manifest of the tree in the package
 *   package.deb       the package as it was built
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { canonicalManifest, type Manifest } from '../tree/manifest.ts'
import { digestOf } from './check-lists.ts'
import type { PackedPayload } from './payload.ts'
import { padding, tarEnd, tarHeader } from './tar.ts'

const CHUNK = 256 * 1024

export interface PackageFile {
  /** Absolute path of the .deb. */
  readonly file: string
  readonly sha256: string
  readonly sizeBytes: number
}

/** The payload of a package. Its bytes are read when they are sent, and the host holds them against `sha256`. */
export function packagePayload({ file, sha256, sizeBytes }: PackageFile, manifest: Manifest): PackedPayload {
  const { name, version, epoch } = manifest
  const listed = gzipSync(canonicalManifest(manifest))
  const checks = `${createHash('sha256').update(listed).digest('hex')}  manifest.json.gz\n${sha256}  package.deb\n`
  const header = (path: string, size: number): Buffer => tarHeader({ path, type: 'file', mode: 0o644, size }, epoch)
  const member = (path: string, content: Buffer): Buffer[] => [
    header(path, content.length),
    content,
    padding(content.length),
  ]
  const head = Buffer.concat([
    ...member('checks', Buffer.from(checks)),
    ...member('manifest.json.gz', listed),
    header('package.deb', sizeBytes),
  ])
  const tail = Buffer.concat([padding(sizeBytes), tarEnd()])
  return {
    compression: 'none',
    base: undefined,
    keepsMost: false,
    content: Promise.resolve({
      sizeBytes: head.length + sizeBytes + tail.length,
      id: createHash('sha256').update(head).update(sha256).digest('hex').slice(0, 32),
      open: (offset = 0) =>
        Readable.from(chunks({ head, file, sizeBytes, tail }, offset), { objectMode: false, highWaterMark: CHUNK }),
    }),
    checksDigest: digestOf(checks),
    entries: 2,
    tree: `${name}-${version}`,
    treeBytes: sizeBytes,
  }
}

interface Parts {
  readonly head: Buffer
  readonly file: string
  readonly sizeBytes: number
  readonly tail: Buffer
}

async function* chunks({ head, file, sizeBytes, tail }: Parts, offset: number): AsyncGenerator<Buffer> {
  if (offset < head.length) yield head.subarray(offset)
  const start = Math.max(0, offset - head.length)
  if (start < sizeBytes) {
    yield* createReadStream(file, { highWaterMark: CHUNK, start, end: sizeBytes - 1 }) as AsyncIterable<Buffer>
  }
  yield tail.subarray(Math.max(0, start - sizeBytes))
}

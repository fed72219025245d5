/** The archives inside of a .deb, entry by entry, whatever packed them. */
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import { ShipError } from '../errors.ts'
import type { EntryVisitor } from '../formats/format.ts'
import { readTar, type Decoder, type Extent } from '../formats/read-tar.ts'
import { runLocal } from '../process.ts'
import { makeScratch } from '../scratch.ts'

export interface PackedTar extends Extent {
  readonly file: string
  /** `.gz`, `.xz`, `.zst` or empty. */
  readonly extension: string
  /** What it may unpack to: nobody else's package fills this machine's disk. */
  readonly maxBytes: number
}

/** Visits every entry in order. Rejects (reason `refused`) what ship never writes, `build` when the program xz is missing. */
export async function readPackedTar(tar: PackedTar, visit: EntryVisitor, signal: AbortSignal): Promise<void> {
  const { file, extension } = tar
  if (extension !== '.xz') return readTar(file, DECODERS[extension] ?? counted, visit, signal, tar)
  const folder = await makeScratch('build')
  try {
    const plain = join(folder, 'data.tar')
    await unxz(tar, plain, signal)
    await readTar(plain, counted, visit, signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const DECODERS: Readonly<Record<string, () => Decoder>> = {
  '.gz': () => createGunzip({ rejectGarbageAfterEnd: true, chunkSize: 256 * 1024 }),
  '.zst': () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 27 }, chunkSize: 256 * 1024 }),
}

/** Passes bytes on, and counts them. */
function counted(): Decoder {
  let bytesWritten = 0
  const through = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytesWritten += chunk.length
      done(null, chunk)
    },
  })
  return Object.defineProperty(through, 'bytesWritten', { get: () => bytesWritten }) as Decoder
}

/** Blocks of 512 bytes are what POSIX counts in (sh, ulimit). */
const UNPACK = 'ulimit -f "$1" && exec xz -dc >"$2"'

/** xz writes the file itself: it cannot outrun the disk, and the kernel ends it at the limit. */
async function unxz({ file, start, size, maxBytes }: PackedTar, to: string, signal: AbortSignal): Promise<void> {
  const stdin = createReadStream(file, { start, end: start + size - 1 })
  const argv = ['sh', '-c', UNPACK, 'sh', String(Math.ceil(maxBytes / 512)), to]
  const { code, signal: by, stderr } = await runLocal(argv, { signal, stdin, maxOutputBytes: 4096 })
  if (code === 0) return
  if (by === 'SIGXFSZ') throw new ShipError('refused', `the package unpacks to more than ${maxBytes} bytes`)
  const details = stderr.trim().split('\n')
  throw new ShipError('refused', 'the archive is damaged, or there is no program xz', { details })
}

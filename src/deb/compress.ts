/**
 * How the data of a .deb is compressed. gzip is read by every dpkg, and is the default: at level 6 Node packs twice as fast as at 9,
 * dpkg-deb's own default, for half a percent of size (bench/deb.ts). zstd came to Debian's dpkg with 1.21.18 (Debian 12) and to Ubuntu's
 * with 18.04. xz is the program `xz`, as no Node has it. The control member is always gzip.
 */
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip, createZstdCompress, gzipSync } from 'node:zlib'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'

const KINDS = {
  gzip: { extension: '.gz', level: 6, min: 1, max: 9 },
  xz: { extension: '.xz', level: 6, min: 0, max: 9 },
  zstd: { extension: '.zst', level: 12, min: 1, max: 22 },
  none: { extension: '', level: 0, min: 0, max: 0 },
} as const

export interface Compression {
  readonly kind: keyof typeof KINDS
  readonly level: number
  /** Of the member's name: `.gz`. */
  readonly extension: string
}

/** Reads `gzip`, `xz:9`. Throws (reason `config`) for levels that the kind does not have. */
export function parseCompression(text: string): Compression {
  const [name = '', given] = text.split(':')
  if (!(name in KINDS))
    throw new ShipError('config', `"${text}" is no compression; use ${Object.keys(KINDS).join(', ')}`)
  const kind = name as keyof typeof KINDS
  const { extension, min, max } = KINDS[kind]
  const level = given === undefined ? KINDS[kind].level : Number(given)
  if (level >= min && level <= max) return { kind, level, extension }
  throw new ShipError('config', `deb.compression: ${kind} has no level ${level}`, {
    next: [`use "${kind}:${min}" to "${kind}:${max}"`],
  })
}

/**
 * Whether every target can unpack it. Throws (reason `config`) for zstd where a target is older than its dpkg's zstd or unknown; returns
 * a warning when no target is named.
 */
export function compressionWarning({ kind }: Compression, targets: readonly string[]): string | undefined {
  if (kind !== 'zstd') return undefined
  if (targets.length === 0)
    return 'deb.compression is zstd: Debian 11 and older cannot unpack it; name build.targets to have it checked'
  const unable = targets.filter((target) => !readsZstd(target))
  if (unable.length === 0) return undefined
  throw new ShipError('config', `deb.compression is zstd, which dpkg of ${unable.join(', ')} may not read`, {
    next: ['use "gzip" or "xz"', 'zstd is read by debian12, ubuntu18.04 and later ones'],
  })
}

function readsZstd(target: string): boolean {
  const [, name, number] = /^(debian|ubuntu)(\d+(?:\.\d+)?)$/.exec(target) ?? []
  return number !== undefined && Number(number) >= (name === 'debian' ? 12 : 18.04)
}

/** Compresses a stream into a new file. Rejects (reason `build`) when a program for it is missing or fails. */
export async function compressTo(
  file: string,
  from: Readable,
  { kind, level }: Compression,
  signal: AbortSignal,
): Promise<void> {
  if (kind === 'xz') return xz(file, from, level, signal)
  const to = createWriteStream(file, { flags: 'wx', highWaterMark: 1024 * 1024 })
  if (kind === 'none') return pipeline(from, to, { signal })
  return pipeline(from, kind === 'gzip' ? gzip(level) : zstd(level), to, { signal })
}

/** gzip of something small, as strong as it goes and without name or time: what policy asks of documentation. */
export function gzipWhole(content: Buffer | string): Buffer {
  const packed = gzipSync(content, { level: 9, memLevel: 9 })
  // The system that packed: zlib writes its own guess, and Debian's gzip 3 for Unix.
  packed[9] = 3
  return packed
}

/** Node's gzip header has neither name nor time. */
function gzip(level: number) {
  return createGzip({ level, memLevel: 9, chunkSize: 256 * 1024 })
}

function zstd(level: number) {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
  return createZstdCompress({ params, chunkSize: 256 * 1024 })
}

/** One thread, so that the blocks, and with them the bytes, do not depend on the machine; the check is dpkg's own. */
async function xz(file: string, from: Readable, level: number, signal: AbortSignal): Promise<void> {
  const to = createWriteStream(file, { flags: 'wx', highWaterMark: 1024 * 1024 })
  const written = new Promise<void>((resolve, reject) => void to.once('finish', resolve).once('error', reject))
  written.catch(() => undefined)
  try {
    const { code, stderr } = await runLocal(['xz', '-c', `-${level}`, '--threads=1', '--check=crc64'], {
      signal,
      stdin: from,
      maxOutputBytes: 4096,
      env: { XZ_DEFAULTS: '', XZ_OPT: '' },
      onStdout: (chunk) => void to.write(chunk),
    })
    if (code !== 0) throw new ShipError('build', 'xz failed', { details: stderr.trim().split('\n') })
  } catch (error) {
    to.destroy()
    from.destroy()
    await rm(file, { force: true })
    throw error
  }
  to.end()
  await written
}

/** A release on its way to a host. */
import type { Readable } from 'node:stream'
import type { Near } from '../formats/near.ts'
import type { Version } from '../version.ts'

/** Bytes from which on a payload is kept by the host while it comes, so that a cut costs nothing. */
export const WORTH_KEEPING = 2 * 1024 * 1024

/** One tar stream for a host, holding the check list, the manifest, and the tree or the package. */
export interface Payload {
  readonly compression: 'gzip' | 'zstd' | 'none'
  /** The release on the host that the rest is copied from; undefined: the payload holds everything. */
  readonly base: Version | undefined
  /** Whether nearly all of the base stays, and no file becomes a folder: then it is copied as a whole, and what goes is taken out. */
  readonly keepsMost: boolean
  /**
   * Files that are put on the host before the stream, see `Transport.push`; only for a host whose `tools.rsync` says so. They are here when
   * `content` is.
   */
  readonly near?: Near | undefined
  /** Its bytes, when they are packed: a host with a base copies that meanwhile. */
  readonly content: Promise<PayloadContent>
}

export interface PayloadContent {
  readonly sizeBytes: number
  /** Digest of all the bytes: the name under which the host keeps what came before a cut. */
  readonly id: string
  /** A new stream from this byte on; every host gets its own. */
  readonly open: (offset?: number) => Readable
}

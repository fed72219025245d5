/** `.tar.zst`: smaller and faster than gzip; long-distance matching finds the copies that a node_modules is full of. */
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, createZstdDecompress, type ZstdDecompress } from 'node:zlib'
import { bundleName, type Format } from './format.ts'
import { readTar } from './read-tar.ts'
import { tarStream } from './tar.ts'

/** Level 3; a window of 32 MB finds most copies, and whoever unpacks needs no more memory than that. */
const PARAMS = {
  [constants.ZSTD_c_compressionLevel]: 3,
  [constants.ZSTD_c_enableLongDistanceMatching]: 1,
  [constants.ZSTD_c_windowLog]: 25,
  [constants.ZSTD_c_checksumFlag]: 1,
}

export const tarZst = {
  name: 'tar.zst',
  fileName: (manifest) => `${bundleName(manifest)}.tar.zst`,
  async write(tree, to, options) {
    const { name, version } = tree.manifest
    const zstd = createZstdCompress({ params: PARAMS, chunkSize: 256 * 1024 })
    await pipeline(tarStream(tree, `${name}-${version}`, options), zstd, to, { signal: options.signal })
  },
  decoder: unzstd,
  read: (file, visit, { signal }) => readTar(file, unzstd, visit, signal),
} as const satisfies Format

/** It stops without a word after the first frame; the reader of the tar compares what it consumed with the file. */
function unzstd(): ZstdDecompress {
  return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 27 }, chunkSize: 256 * 1024 })
}

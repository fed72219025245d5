/** `.tar.gz`: what every machine can unpack. */
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createGzip } from 'node:zlib'
import { bundleName, type Format } from './format.ts'
import { readTar } from './read-tar.ts'
import { tarStream } from './tar.ts'

const LEVEL = 6

export const tarGz: Format = {
  name: 'tar.gz',
  fileName: (manifest) => `${bundleName(manifest)}.tar.gz`,
  async write(tree, to, options) {
    const { name, version } = tree.manifest
    // Node's gzip header carries neither a time nor a name, so equal trees are equal bytes.
    const gzip = createGzip({ level: LEVEL, chunkSize: 256 * 1024, memLevel: 9 })
    await pipeline(tarStream(tree, `${name}-${version}`, options), gzip, to, { signal: options.signal })
  },
  read: (file, visit, { signal }) => readTar(file, gunzip, visit, signal),
}

/** `rejectGarbageAfterEnd`: a second member or trailing bytes would otherwise be passed over or appended without a word. */
function gunzip(source: Readable): NodeJS.ReadWriteStream {
  return source.pipe(createGunzip({ finishFlush: constants.Z_NO_FLUSH, rejectGarbageAfterEnd: true }))
}

/** `.tar.gz`: what every machine can unpack. */
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip, type Gunzip } from 'node:zlib'
import { bundleName, type Format } from './format.ts'
import { readTar } from './read-tar.ts'
import { tarStream } from './tar.ts'

const LEVEL = 6

export const tarGz = {
  name: 'tar.gz',
  fileName: (manifest) => `${bundleName(manifest)}.tar.gz`,
  async write(tree, to, options) {
    const { name, version } = tree.manifest
    // Node's gzip header carries neither a time nor a name, so equal trees are equal bytes.
    const gzip = createGzip({ level: LEVEL, chunkSize: 256 * 1024, memLevel: 9 })
    await pipeline(tarStream(tree, `${name}-${version}`, options), gzip, to, { signal: options.signal })
  },
  decoder: gunzip,
  read: (file, visit, { signal }) => readTar(file, gunzip, visit, signal),
} as const satisfies Format

/** A second member or bytes behind the end would otherwise be appended or passed over without a word. */
function gunzip(): Gunzip {
  return createGunzip({ rejectGarbageAfterEnd: true, chunkSize: 256 * 1024 })
}

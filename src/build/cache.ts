/** Where results of recipes outlive a build. */
import { join, resolve } from 'node:path'
import { cacheFolder } from '../cache-folder.ts'
import type { KeepOptions } from '../components/kept.ts'
import { sharedCache } from '../components/kept-http.ts'
import type { Project } from '../config/load.ts'
import type { Io } from '../io.ts'

const MAX_BYTES = 10 * 1024 ** 3

/** Where results of recipes are kept, as the configuration says; undefined: nowhere. */
export function keepOptions({ dir, config }: Project, { signal, emit }: Io): KeepOptions | undefined {
  const { cache } = config.build
  if (cache === false) return undefined
  const warn = (message: string): void => emit({ event: 'warning', message })
  return {
    dir: cache.dir === undefined ? join(cacheFolder(), 'parts') : resolve(dir, cache.dir),
    maxBytes: MAX_BYTES,
    shared: cache.url === undefined ? undefined : sharedCache({ url: cache.url, push: cache.push, warn }),
    signal,
    warn,
  }
}

/** Redis, compiled from Debian's source with the allocator of the C library. */
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compilerEnv, defineRecipe, stripTree } from '../src/index.ts'

export default defineRecipe({
  name: 'redis',
  summary: 'the in-memory store',
  license: 'BSD-3-Clause',
  licenseFiles: ['COPYING', 'debian/copyright'],
  sources: { redis: { aptSource: 'redis' } },
  tools: ['cc', 'make', 'ld'],
  async build(step) {
    const cwd = step.source()
    const env = compilerEnv(step)
    await step.run(['make', 'MALLOC=libc', 'USE_SYSTEMD=no', 'BUILD_TLS=no', 'redis-server', 'redis-cli'], {
      cwd: join(cwd, 'src'),
      env,
    })
    await mkdir(join(step.out, 'bin'), { recursive: true })
    for (const name of ['redis-server', 'redis-cli']) await cp(join(cwd, 'src', name), join(step.out, 'bin', name))
    await stripTree(step)
  },
})

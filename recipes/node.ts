/** The Node runtime, as its makers publish it on npm: one program, bound to nothing but the C library. */
import { chmod, cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { defineRecipe } from '../src/index.ts'

export default defineRecipe({
  name: 'node',
  summary: 'the Node runtime',
  license: 'MIT',
  sources: ({ platform, wanted = '24' }) => ({ node: { npm: `node-${platform}@${wanted}` } }),
  async build(step) {
    await mkdir(join(step.out, 'bin'), { recursive: true })
    await cp(join(step.source(), 'bin/node'), join(step.out, 'bin/node'))
    await chmod(join(step.out, 'bin/node'), 0o755)
    // For packages that compile a native part; not shipped.
    await cp(join(step.source(), 'include'), join(step.out, 'include'), { recursive: true })
  },
})

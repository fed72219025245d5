/** zlib, compiled from Debian's source. */
import { configureMake, defineRecipe } from '../src/index.ts'

export default defineRecipe({
  name: 'zlib',
  summary: 'the compression library',
  license: 'Zlib',
  sources: { zlib: { aptSource: 'zlib' } },
  tools: ['cc', 'make', 'ld'],
  build: (step) => configureMake(step),
})

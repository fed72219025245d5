/** Ships the sources as they are. */
import { defineRecipe } from '../src/index.ts'

export default defineRecipe({
  name: 'files',
  summary: 'copies the sources as they are',
  build: (step) => step.copy(),
})

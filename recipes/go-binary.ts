/** The recipe `binary` under the name that people of Go look for. */
import { defineRecipe } from '../src/index.ts'
import binary from './binary.ts'

export default defineRecipe({ ...binary, name: 'go-binary', summary: 'the programs of a Go module' })

/** `ship schema`: the JSON Schema of the configuration, for editors. */
import { configJsonSchema } from '../config/json-schema.ts'
import type { RunCommand } from './command.ts'

export const run: RunCommand = () => {
  const schema = configJsonSchema()
  return Promise.resolve({ data: schema, text: () => JSON.stringify(schema, null, 2).split('\n') })
}

/** Asks one question the way main does: `prompt-child.ts confirm|typeName|pick [--yes]`; prints the answer as JSON. */
import { ShipError } from '../../src/errors.ts'
import { openPrompts } from '../../src/ui/prompt.ts'

const [kind, flag] = process.argv.slice(2)
const controller = new AbortController()
process.on('SIGINT', () => controller.abort(new ShipError('sigint', 'interrupted by SIGINT')))
const prompts = openPrompts({
  input: process.stdin,
  output: process.stderr,
  interactive: process.stdin.isTTY,
  yes: flag === '--yes',
  signal: controller.signal,
})
const choices = ['1.4.2', '1.4.1\u001b[2J', '1.4.0'].map((label) => ({ label, value: label }))
try {
  if (kind === 'confirm') answer(await prompts.confirm('release shop 1.4.2?'))
  else if (kind === 'typeName') answer(await prompts.typeName('this takes the lock over', 'production'))
  else answer(await prompts.pick('go back to which?', choices, 'ship rollback VERSION'))
} catch (error) {
  answer(error instanceof ShipError ? { reason: error.reason, next: error.next } : String(error))
}

function answer(value: unknown): void {
  process.stdout.write(`\nanswer=${JSON.stringify(value)}\n`)
}

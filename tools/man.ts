/** Writes man/ship.1 from the registry of commands. Usage: npm run man */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMMANDS } from '../src/commands/index.ts'
import { manText } from '../src/commands/man-text.ts'
import { ownVersion } from '../src/own-version.ts'

const root = join(import.meta.dirname, '..')
const version = ownVersion()
// The same page for the same sources: the date is that of the version, where the changelog has one.
const [, dated] = new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - (\\S+)`, 'm').exec(
  readFileSync(join(root, 'CHANGELOG.md'), 'utf8'),
) ?? [undefined, '2026-01-01']
mkdirSync(join(root, 'man'), { recursive: true })
writeFileSync(join(root, 'man/ship.1'), manText(COMMANDS, { version, date: dated ?? '2026-01-01' }))

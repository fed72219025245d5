/** Writes docs/config.md. Usage: npm run docs */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configPage } from './config-docs/page.ts'

writeFileSync(join(import.meta.dirname, '../docs/config.md'), configPage())

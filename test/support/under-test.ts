/**
 * Before all tests: makes the package of ship from these sources, as it is published, in a folder of its own. The tests run that one: it is
 * what users get, and starts in half the time.
 */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { packageBundle } from '../../tools/bundle.ts'

const ROOT = join(import.meta.dirname, '../..')

export default async function setup(): Promise<() => void> {
  const parent = join(ROOT, 'node_modules/.cache')
  mkdirSync(parent, { recursive: true })
  const dir = mkdtempSync(join(parent, 'ship-'))
  // Some tests run it as another user.
  chmodSync(dir, 0o755)
  for (const name of ['package.json', 'bin']) cpSync(join(ROOT, name), join(dir, name), { recursive: true })
  for (const name of ['fixtures', 'node_modules']) symlinkSync(join(ROOT, name), join(dir, name))
  await packageBundle(join(dir, 'dist'))
  process.env['SHIP_UNDER_TEST'] = dir
  return () => rmSync(dir, { recursive: true, force: true })
}

/** The action's one file is what the sources make, and holds all that ship carries. */
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { actionBundle } from '../../tools/bundle.ts'
import { runNode } from '../support/cli.ts'

const ROOT = join(import.meta.dirname, '../..')
const COMMITTED = join(ROOT, 'action/index.js')

let dir: string
let text: string
let licenses: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-bundle-'))
  ;({ code: text, licenses } = await actionBundle())
  writeFileSync(join(dir, 'index.js'), text)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

it('action/index.js is made from these sources, byte for byte; else: npm run bundle', () => {
  expect(readFileSync(COMMITTED, 'utf8') === text).toBe(true)
  expect(readFileSync(join(COMMITTED, '../LICENSES.txt'), 'utf8')).toBe(licenses)
  expect(licenses).toMatch(/^ssh2 1\.[^]*Permission is hereby granted/m)
})

it('says nothing of the machine that made it', () => {
  expect(text).not.toContain(ROOT)
  expect(text).not.toMatch(/\/(?:home|root|tmp\/wt)\//)
})

it('builds with a recipe that it carries, and a configuration that imports slipway, in a folder without packages', async () => {
  cpSync(join(ROOT, 'fixtures/static-site'), join(dir, 'site'), {
    recursive: true,
    filter: (path) => !path.includes('ship.config'),
  })
  writeFileSync(
    join(dir, 'site/ship.config.ts'),
    [
      "import { defineConfig, defineRecipe, ShipError } from 'slipway'",
      "const own = defineRecipe({ name: 'own', summary: 'own', build: () => {",
      "  throw new ShipError('build', 'it is refused')",
      '} })',
      "const recipe = process.env['OWN'] === 'yes' ? own : 'files'",
      "export default defineConfig({ name: 'site', build: { recipe, formats: ['tar.gz', 'zip'] } })",
      '',
    ].join('\n'),
  )
  const build = async (version: string, env: Readonly<Record<string, string>>) =>
    runNode([join(dir, 'index.js')], {
      cwd: join(dir, 'site'),
      env: { INPUT_COMMAND: 'build', INPUT_VERSION: version, SHIP_CACHE_DIR: join(dir, 'cache'), ...env },
    })
  const files = await build('1.0.0', {})
  expect({ code: files.code, stderr: files.code === 0 ? '' : files.stderr }).toEqual({ code: 0, stderr: '' })
  expect(globSync('dist/site-1.0.0*.{tar.gz,zip}', { cwd: join(dir, 'site') })).toHaveLength(2)
  // An error of the configuration's own import is one of ship only if both are the same class: another module would make it a defect.
  const refused = await build('2.0.0', { OWN: 'yes' })
  expect(refused.code).toBe(3)
  expect(refused.stderr).toContain('it is refused')
  expect(refused.stderr).not.toContain('defect')
})

it('has every script that hosts are asked by', () => {
  const scripts = globSync('src/**/*.sh', { cwd: ROOT })
  expect(scripts.length).toBeGreaterThan(30)
  expect(scripts.filter((path) => !text.includes(path))).toEqual([])
})

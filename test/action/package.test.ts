/** The package as it is published: few files, one instance of every module, and a start that nobody waits for. */
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packageBundle } from '../../tools/bundle.ts'
import { runNode, type ShipResult } from '../support/cli.ts'

const ROOT = join(import.meta.dirname, '../..')

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-package-'))
  for (const name of ['package.json', 'bin', 'fixtures']) cpSync(join(ROOT, name), join(dir, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  await packageBundle(join(dir, 'dist'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const ship = (args: readonly string[], cwd = dir): Promise<ShipResult> =>
  runNode([join(dir, 'bin/ship.js'), ...args], { cwd, env: { SHIP_CACHE_DIR: join(dir, 'cache') } })

it('is a third of the modules that there are as sources, with the version of package.json', async () => {
  const files = globSync('dist/*.js', { cwd: dir })
  const sources = globSync('src/**/*.ts', { cwd: ROOT })
  expect(files.length * 3).toBeLessThan(sources.length)
  expect(files).toEqual(expect.arrayContaining(['dist/main.js', 'dist/index.js']))
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  expect((await ship(['--version'])).stdout).toBe(`${version}\n`)
})

it('a configuration that imports slipway gets the modules that run: its errors are those of ship', async () => {
  // Outside of the package, whose name would be resolved to itself.
  const project = mkdtempSync(join(tmpdir(), 'ship-project-'))
  writeFileSync(
    join(project, 'ship.config.ts'),
    "import { defineConfig, ShipError } from 'slipway'\n" +
      "export default defineConfig({ name: 'shop', environments: { production: { hosts: () => {\n" +
      "  throw new ShipError('refused', 'not today')\n} } } })\n",
  )
  const { code, stderr } = await ship(['config', '-e', 'production'], project)
  rmSync(project, { recursive: true })
  // 9 is `refused`: an error of another copy of the class would be a mistake in the configuration, 2.
  expect({ code, stderr }).toEqual({ code: 9, stderr: expect.stringContaining('not today') })
})

it('builds with a built-in recipe, and runs its own demo', async () => {
  const { code, stderr } = await ship(['demo'])
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
})

/** The command line itself, as child processes: help, mistakes, streams, the Node guard, what is loaded. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { COMMANDS } from '../../src/commands/index.ts'
import { HAS_TERMINAL, NODE, runNode, SHIP, SHIP_OF_SOURCES, ship, shipOnTerminal } from '../support/cli.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ship-cli-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('help', () => {
  test('without a word: what there is, on stderr, exit 2', async () => {
    const { code, stdout, stderr } = await ship([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    for (const { name, hidden = false } of COMMANDS) {
      expect(new RegExp(`^ {2}${name}\\b`, 'm').test(stderr)).toBe(!hidden)
    }
    expect(stderr.split('\n').length).toBeLessThan(50)
  })

  test('--help is an answer: stdout, exit 0, with the options that every command has', async () => {
    const { code, stdout, stderr } = await ship('--help')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const flag of [
      '--environment',
      '--config',
      '--cwd',
      '--json',
      '--quiet',
      '--verbose',
      '--no-color',
      '--yes',
    ]) {
      expect(stdout).toContain(flag)
    }
  })

  test.each(COMMANDS.map((c) => [c.name, c] as const))(
    '%s: examples, exit codes, 80 columns',
    async (name, command) => {
      const { code, stdout } = await ship([name, '--help'])
      expect(code).toBe(0)
      expect(stdout.split('\n').filter((l) => l.length > 80)).toEqual([])
      const lines = stdout.replaceAll('\n', '  \n')
      for (const [line] of command.examples) expect(lines).toContain(`  ${line}  `)
      for (const exit of [0, 2, ...command.exits, 130]) expect(stdout).toMatch(new RegExp(`^ {2}${exit} +\\S`, 'm'))
      expect((await ship(['help', name])).stdout).toBe(stdout)
    },
  )

  test('the version', async () => {
    const { stdout, code } = await ship('-V')
    expect({ stdout, code }).toEqual({ stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), code: 0 })
  })
})

describe('mistakes', () => {
  test.each([
    ['relase', 'unknown command "relase"', 'did you mean "release"?'],
    ['help relase', 'unknown command "relase"', 'did you mean "release"?'],
    ['status --cwd /no/such/folder', 'there is no folder "/no/such/folder"', '--cwd names one'],
    ['release --drry-run', 'unknown option "--drry-run"', 'did you mean "--dry-run"?'],
    ['--jsn status', 'unknown option "--jsn"', 'did you mean "--json"?'],
    ['pin', 'missing required argument "version"', 'ship pin --help'],
    ['status extra', 'too many arguments', 'ship status --help'],
    ['build --bump', 'option "--bump <part>" argument missing', 'ship build --help'],
  ])('ship %s', async (args, message, next) => {
    const { code, stdout, stderr } = await ship(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(`error: ${message}`)
    expect(stderr).toContain(next)
    expect(stderr.trimEnd().split('\n').length).toBeLessThan(5)
  })

  test('with --json the mistake is the result, and the only line', async () => {
    const { code, stdout, stderr } = await ship('relase --json')
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 1,
      event: 'result',
      exitCode: 2,
      error: { reason: 'usage', message: 'unknown command "relase"' },
    })
  })
})

describe('colours', () => {
  test.skipIf(!HAS_TERMINAL).each([
    [{}, true],
    [{ NO_COLOR: '1' }, false],
    [{ TERM: 'dumb' }, false],
  ])('on a terminal with %o: %s', async (env, colored) => {
    const { stdout } = await shipOnTerminal('relase', { env })
    expect(stdout.includes('\u001b[31m')).toBe(colored)
  })

  test.skipIf(!HAS_TERMINAL)('--no-color on a terminal', async () => {
    expect((await shipOnTerminal('relase --no-color')).stdout).not.toContain('\u001b[')
  })

  test('none in a pipe, unless forced', async () => {
    expect((await ship('relase')).stderr).not.toContain('\u001b[')
    expect((await ship('relase', { env: { FORCE_COLOR: '1' } })).stderr).toContain('\u001b[31m')
  })
})

test('a reader that leaves is no error', async () => {
  const child = spawn(NODE, [SHIP, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

test('--help loads no ssh, no archiver, no listr2, no zod and no configuration', async () => {
  await writeFile(join(folder, 'ship.config.js'), 'process.stderr.write("configuration was loaded")')
  const hooks = join(folder, 'loaded.mjs')
  await writeFile(
    hooks,
    `import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) })
    process.on('exit', () => process.stderr.write(urls.join('\\n')))`,
  )
  const { stderr, code } = await runNode(['--import', hooks, SHIP_OF_SOURCES, '--help'], { cwd: folder })
  expect(code).toBe(0)
  expect(stderr).toContain('/commander/')
  expect(stderr).not.toMatch(/node_modules\/(ssh2|ssh2-sftp-client|listr2|archiver|zod|tar|yaml|semver)\//)
  expect(stderr).not.toMatch(/configuration was loaded|src\/(release|fleet|host|ssh|transport|formats|config)\//)
})

/** `ship -V` under a Node that says it is another version. */
async function as(version: string) {
  const fake = join(folder, `as-${version}.mjs`)
  const versions = `{ ...process.versions, node: '${version}' }`
  await writeFile(
    fake,
    `Object.defineProperty(process, 'versions', { value: ${versions} })
    Object.defineProperty(process, 'version', { value: 'v${version}' })`,
  )
  // As if started again already, so that it cannot help itself with the project's Node.
  return runNode(['--import', fake, SHIP_OF_SOURCES, '-V'], { env: { SHIP_STARTED_AGAIN: '1' } })
}

test('compiled code is kept, in a folder of ship, and a folder that cannot be made is no trouble', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'ship-cache-'))
  onTestFinished(() => rmSync(cache, { recursive: true }))
  expect((await ship('-V', { env: { SHIP_CACHE_DIR: cache, NODE_COMPILE_CACHE: '' } })).code).toBe(0)
  expect(readdirSync(join(cache, 'code'))).toHaveLength(1)
  const nowhere = { SHIP_CACHE_DIR: '/dev/null/cache', NODE_COMPILE_CACHE: '' }
  expect(await ship('-V', { env: nowhere })).toMatchObject({ code: 0, stderr: '' })
})

describe('the guard for old Node', () => {
  test.each(['8.17.0', '18.20.0', '22.17.1', '23.11.0', '24.10.0'])(
    '%s is refused with what to do',
    async (version) => {
      const { code, stdout, stderr } = await as(version)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(new RegExp(`needs Node 22\\.18.*this is v${version}\n {2}next: .*install`))
    },
  )

  test.each(['22.18.0', '24.11.0', '26.0.0'])('%s is fine', async (version) => {
    expect((await as(version)).code).toBe(0)
  })
})

/** `ship build` of small projects with components that are really compiled: what the library check stops, and what runs elsewhere. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { TARGET_NAMES } from '../../src/elf/targets.ts'
import { ship } from '../support/cli.ts'
import { smallProject, type SmallProject } from '../support/project.ts'
import { describeCompiled } from './compiled.ts'

let project: SmallProject
let home = ''
beforeEach(() => {
  project = smallProject()
  home = mkdtempSync(join(tmpdir(), 'ship-elf-build-'))
})
afterEach(() => {
  project.dispose()
  rmSync(home, { recursive: true, force: true })
})

/** The component "tool", made by `body`: `cc(to, code, ...arguments)` compiles, `lib(to, ...)` a library, both relative to `out`. */
function tool(body: string): void {
  const helpers = `
    const at = (path) => path.startsWith('/') ? path : \`\${step.out}/\${path}\`
    const cc = async (to, code, ...args) => {
      await mkdir(dirname(at(to)), { recursive: true })
      await writeFile(\`\${step.scratch}/code.c\`, code)
      await step.run(['gcc', \`\${step.scratch}/code.c\`, '-o', at(to), '-Wl,--no-as-needed', '-Wl,--allow-shlib-undefined', ...args], { cwd: step.scratch })
    }
    const lib = (to, code, ...args) => cc(to, code, '-shared', '-fPIC', \`-Wl,-soname,\${basename(to)}\`, ...args)
    const MAIN = 'int value(void); int main(void) { return value() - 41; }'
    const VALUE = 'int value(void) { return 41; }'`
  const text = `
    import { chmod, copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
    import { basename, dirname } from 'node:path'
    export default { name: 'tool', summary: 'a tool', version: '1', license: 'MIT', async build(step) { ${helpers}
      ${body}
    } }\n`
  const app = `export default { name: 'app', summary: 'an app', dependencies: ['tool'], async build(step) { await step.write('a', 'a') } }\n`
  project.write({ 'recipes/tool.mjs': text, 'recipes/app.mjs': app })
}

const CHECKED = { recipe: 'app', layout: 'omnibus' } as const

/** The error of a build, without what comes before it; undefined when it went well. */
async function build(settings: Readonly<Record<string, unknown>> = {}): Promise<string | undefined> {
  project.configure({ build: { ...CHECKED, ...settings } })
  const { code, stderr } = await runShip('build')
  if (code === 0) return undefined
  expect({ code, stderr }).toMatchObject({ code: 3 })
  // No stop of a build leaves anything behind.
  expect(existsSync(join(project.dir, 'dist/artifacts.json'))).toBe(false)
  // The name of the run's log has a time in it.
  return stderr.slice(stderr.indexOf('error: ')).replace(/^ {2}log: .*\n/m, '')
}

function runShip(args: string) {
  return ship(args, { cwd: project.dir, env: { SHIP_CACHE_DIR: join(home, 'cache') } })
}

/** The tree of the last build, unpacked at a place that no build ever saw. */
function unpacked(): string {
  const to = join(home, 'another place')
  mkdirSync(to, { recursive: true })
  const [archive = ''] = readdirSync(join(project.dir, 'dist')).filter((name) => name.endsWith('.tar.gz'))
  execFileSync('tar', ['-xzf', join(project.dir, 'dist', archive), '--strip-components=1', '-C', to])
  return to
}

/** The program runs, with the library of its own tree. */
function expectInTree(tree: string, path: string): void {
  const program = join(tree, path)
  expect(spawnSync(program, { cwd: '/', encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  expect(execFileSync('ldd', [program], { encoding: 'utf8' })).toContain(
    `libvalue.so.1 => ${tree}/embedded/bin/../lib/libvalue.so.1 `,
  )
}

const VALUE_LIB = `await lib('lib/libvalue.so.1', VALUE)`
const link = (more: string): string => `await cc('bin/tool', MAIN, at('lib/libvalue.so.1')${more})`

/** What a recipe's programs and its relocation said. */
function logOf(recipe: string): string {
  const logs = join(home, 'cache/logs')
  const [folder = ''] = readdirSync(logs)
  return readFileSync(join(logs, folder, `${recipe}.log`), 'utf8')
}

describeCompiled('ship build stops at', () => {
  it('a library that is missing', async () => {
    tool(`${VALUE_LIB}; ${link(`, '-Wl,-rpath,$ORIGIN/../lib'`)}; await rm(at('lib'), { recursive: true })`)
    expect(await build()).toBe(
      [
        'error: component tool: a file of the component "tool" would not run on hosts',
        '  "embedded/bin/tool" needs libvalue.so.1, which is nowhere in the tree: it would come from the host',
        '    cure: put it into the tree, or let hosts give it: build.systemLibraries: ["libvalue.so.1"]',
        '  state: nothing was written to dist/',
        '  next:  mend it as said above, or, if it is meant, add to the configuration:',
        '         build: { allow: ["embedded/bin/tool"] }',
        '',
      ].join('\n'),
    )
    expect(await build({ allow: ['embedded/bin/tool'] })).toBeUndefined()
  })

  it('a library of the host, also in a part that was kept', async () => {
    tool(`await lib(step.scratch + '/host/libpq.so.5', VALUE)
      await cc('bin/tool', MAIN, step.scratch + '/host/libpq.so.5')`)
    expect(await build({ systemLibraries: ['libpq.so.5'] })).toBeUndefined()
    rmSync(join(project.dir, 'dist'), { recursive: true })
    const before = await runShip('build --explain')
    expect(before.stdout).toContain('tool 1: kept from an earlier build')
    rmSync(join(project.dir, 'dist'), { recursive: true })
    expect(await build()).toContain('"embedded/bin/tool" needs libpq.so.5, which is nowhere in the tree')
  })

  it('a symbol newer than the C library of a target', async () => {
    tool(`await writeFile(step.scratch + '/map', 'GLIBC_2.34 { global: *; };')
      await lib(step.scratch + '/new/libc.so.6', 'int __libc_start_main(void) { return 0; }', '-nostdlib', '-Wl,--version-script=' + step.scratch + '/map')
      await cc('bin/tool', 'int __libc_start_main(void); void _start(void) { __libc_start_main(); }', '-nostdlib', step.scratch + '/new/libc.so.6')`)
    const said = await build({ targets: ['debian12', 'debian11', 'ubuntu20.04'] })
    expect(said).toContain('of the component "tool"')
    expect(said).toContain(
      '"embedded/bin/tool" needs GLIBC_2.34 (__libc_start_main) of libc.so.6, and debian11 has 2.31, ubuntu20.04 has 2.31',
    )
    expect(await build({ targets: ['debian12', 'ubuntu22.04'] })).toBeUndefined()
  })

  it('an absolute search path', async () => {
    tool(`${VALUE_LIB}; ${link(`, '-Wl,-rpath,$ORIGIN/../lib:/usr/local/lib'`)}`)
    expect(await build()).toContain(
      '"embedded/bin/tool" works in one place only: its RUNPATH has the absolute folder "/usr/local/lib"',
    )
  })

  it('a loader of its own, and a damaged file', async () => {
    tool(`await cc('bin/tool', 'int main(void) { return 0; }', '-Wl,--dynamic-linker=' + step.prefix + '/lib/ld.so')
      await copyFile(at('bin/tool'), at('bin/cut')); await truncate(at('bin/cut'), 70)`)
    const said = await build()
    expect(said).toContain('2 files of the component "tool" would not run on hosts')
    expect(said).toContain(
      '"embedded/bin/tool" has "/opt/shop/current/embedded/lib/ld.so" as its loader, which hosts do not have',
    )
    expect(said).toContain('"embedded/bin/cut" is a damaged ELF file: ')
    expect(said).toContain('build: { allow: ["embedded/bin/cut", "embedded/bin/tool"] }')
  })

  it('a search path that is too short to be made relative', async () => {
    tool(
      `${VALUE_LIB}; await cc('a/very/deep/down/in/here/so/tool', MAIN, at('lib/libvalue.so.1'), '-Wl,-rpath,' + step.prefix)`,
    )
    expect(await build()).toContain('its RUNPATH has the absolute folder "/opt/shop/current/embedded"')
    const log = logOf('tool')
    expect(log).toContain('"/opt/shop/current/embedded" stays as it is: ')
  })

  it('a target that nobody knows, before anything is done', async () => {
    for (const [name, said] of [
      ['debain12', '"debain12" is not a known target; did you mean "debian12"?'],
      ['gentoo', `"gentoo" is not a known target; use ${TARGET_NAMES.join(', ')}`],
      ['alpine3.20', '"alpine3.20" cannot be a target: its C library is musl, not glibc'],
    ]) {
      project.configure({ build: { ...CHECKED, targets: [name] } })
      const { code, stderr } = await runShip('build')
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringContaining(`build.targets[0]: ${said}`) as string,
      })
    }
    project.configure({ build: { ...CHECKED, systemLibraries: ['/usr/lib/libpq.so.5'] } })
    expect((await runShip('build')).stderr).toContain('name the library as programs do: "libpq.so.5"')
  })
})

describeCompiled('ship build makes', () => {
  it('a tree that runs from any folder: search paths and first lines lead into it', async () => {
    tool(`${VALUE_LIB}; ${link(`, '-Wl,-rpath,' + step.prefix + '/lib'`)}
      await copyFile('/bin/sh', at('bin/shell')); await chmod(at('bin/shell'), 0o755)
      await step.write('bin/script', '#!' + step.prefix + '/bin/shell -e\\n"$(dirname "$0")/tool" && echo "ran in $0"\\n', { mode: 0o755 })`)
    project.configure({ build: CHECKED })
    const { code, stdout, stderr } = await runShip('build --check-repro')
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^needs glibc 2\.\d+ \(.*or newer\)$/m)
    const tree = unpacked()
    expectInTree(tree, 'embedded/bin/tool')
    const script = join(tree, 'embedded/bin/script')
    expect(spawnSync(script, { cwd: '/', encoding: 'utf8' })).toMatchObject({ status: 0, stdout: `ran in ${script}\n` })
    expect(logOf('tool')).toContain('embedded/bin/tool: "/opt/shop/current/embedded/lib" is now "$ORIGIN/../lib"')
  })

  it('programs that were linked with the folder of the build run too, and warns of what that costs', async () => {
    tool(`${VALUE_LIB}; await cc('bin/out', MAIN, at('lib/libvalue.so.1'), '-Wl,-rpath,' + step.out + '/lib')
      await step.write('bin/a', '#!' + step.out + '/bin/out x\\n', { mode: 0o755 })`)
    const upper = `export default { name: 'upper', summary: 'it', version: '1', dependencies: ['tool'], async build(step) {
      const { mkdir, writeFile } = await import('node:fs/promises')
      await mkdir(step.out + '/bin')
      await writeFile(step.scratch + '/x.c', 'int value(void); int main(void) { return value() - 41; }')
      await step.run(['gcc', step.scratch + '/x.c', '-o', step.out + '/bin/upper', step.embedded + '/lib/libvalue.so.1', '-Wl,-rpath,' + step.embedded + '/lib'])
    } }\n`
    project.write({
      'recipes/upper.mjs': upper,
      'recipes/app.mjs': project.read('recipes/app.mjs').replace("['tool']", "['upper']"),
    })
    project.configure({ build: CHECKED })
    const { code, stderr } = await runShip('build')
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(
        /warning: "embedded\/bin\/out" of "tool" was linked with the folder .*\n +next: +link it with -Wl,-rpath,'\$ORIGIN\/..\/lib'/,
      ) as string,
    })
    expect(stderr).toContain('"embedded/bin/upper" of "upper" was linked with the folder it was built in')
    const tree = unpacked()
    expectInTree(tree, 'embedded/bin/out')
    expectInTree(tree, 'embedded/bin/upper')
    expect(spawnSync('grep', ['-rl', 'ship-build-', tree], { encoding: 'utf8' }).stdout).toBe('')
  })

  it('a tree whose needs are told: glibc, distributions and libraries of hosts', async () => {
    tool(
      `await lib(step.scratch + '/host/libpq.so.5', VALUE); await cc('bin/tool', MAIN, step.scratch + '/host/libpq.so.5')`,
    )
    project.configure({ build: { ...CHECKED, systemLibraries: ['libpq.so.*'] } })
    const { stdout } = await runShip('build --json')
    const { data } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { data: { needs: Record<string, unknown> } }
    expect(data.needs).toEqual({
      glibc: {
        version: expect.stringMatching(/^2\.\d+$/) as string,
        path: 'embedded/bin/tool',
        component: 'tool',
        symbol: expect.any(String) as string,
      },
      distributions: expect.arrayContaining(['debian13']) as string[],
      libraries: ['libc.so.6', 'libpq.so.5'],
    })
    const { host } = JSON.parse(readFileSync(join(unpacked(), 'version-manifest.json'), 'utf8')) as { host: unknown }
    const { version } = data.needs['glibc'] as { version: string }
    expect(host).toEqual({ glibc: version, libraries: ['libc.so.6', 'libpq.so.5'] })
  })

  it('a plain tree that lives off its host, unless the hosts are named', async () => {
    tool('')
    const text = readFileSync(join(project.dir, 'recipes/tool.mjs'), 'utf8')
      .replace("name: 'tool'", "name: 'plain'")
      .replace(
        '    } }\n',
        `await lib(step.scratch + '/h/libpq.so.5', VALUE); await cc('tool', MAIN, step.scratch + '/h/libpq.so.5')} }\n`,
      )
    project.write({ 'recipes/plain.mjs': text })
    const settings = { recipe: 'plain', layout: 'plain' }
    expect(await build({ ...settings, targets: ['debian13'] })).toContain('a file of "shop" would not run on hosts')
    expect(await build({ ...settings, systemLibraries: ['libx.so.1'] })).toContain('"tool" needs libpq.so.5')
    expect(await build({ ...settings, targets: ['debian13'], systemLibraries: ['libpq.so.5'] })).toBeUndefined()
    rmSync(join(project.dir, 'dist'), { recursive: true })
    expect(await build(settings)).toBeUndefined()
  })

  it('nothing of prebuilt files for other platforms, wherever packages keep them', async () => {
    const cpu = process.arch === 'arm64' ? 'x64' : 'arm64'
    tool(`await cc('lib/node_modules/p/prebuilds/linux-${cpu}/p.node', VALUE, '-shared', '-fPIC')
      const bytes = await readFile(at('lib/node_modules/p/prebuilds/linux-${cpu}/p.node'))
      bytes.writeUInt16LE(${process.arch === 'arm64' ? 62 : 183}, 18)
      await writeFile(at('lib/node_modules/p/prebuilds/linux-${cpu}/p.node'), bytes)`)
    expect(await build({ targets: ['debian12'] })).toBeUndefined()
    rmSync(join(project.dir, 'dist'), { recursive: true })
    project.write({ 'recipes/tool.mjs': project.read('recipes/tool.mjs').replaceAll('node_modules/p/prebuilds', 'p') })
    const plain = project.read('recipes/tool.mjs').replaceAll(`linux-${cpu}`, 'here')
    project.write({ 'recipes/tool.mjs': plain })
    expect(await build()).toContain(`"embedded/lib/p/here/p.node" is for ${cpu}, and the tree is for ${process.arch}`)
  })

  it('an app with the Node runtime for every known distribution', { timeout: 600_000 }, async () => {
    cpSync(join(import.meta.dirname, '../../fixtures/node-app'), project.dir, { recursive: true })
    const settings = { recipe: 'node-app', targets: [...TARGET_NAMES], bin: { shop: 'server.js' } }
    expect(await build(settings)).toBeUndefined()
    const tree = unpacked()
    renameSync(tree, join(home, 'moved'))
    const node = spawnSync(join(home, 'moved/embedded/bin/node'), ['-p', '6 * 7'], { encoding: 'utf8' })
    expect(node).toMatchObject({ status: 0, stdout: '42\n' })
  })
})

/**
 * Packages of real apps through their life in a Debian 12 that has nothing of them: a published npm app with the Node it runs on, and a
 * program with a library compiled from source. apt installs, upgrades, downgrades and purges them; lintian has no error to tell; and the
 * same tree, unpacked from each archive, runs from another place.
 */
import { execFile, execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ship } from '../support/cli.ts'
import { debianRoot, describeInDebian, type DebianRoot } from '../support/debian-root.ts'

const PATIENCE = { timeout: 1_800_000 }
const MAINTAINER = 'Shop <ops@shop.example>'
const ARCHIVES = ['tar.gz', 'tar.zst', 'zip']

let dir = ''
let root: DebianRoot
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ship-deb-story-'))
  mkdirSync(join(dir, 'registry'))
  mkdirSync(join(dir, 'squeeze/recipes'), { recursive: true })
}, 600_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describeInDebian('a package', () => {
  beforeAll(() => {
    root = debianRoot()
  }, 600_000)
  afterAll(() => root.dispose())

  it('of an npm app with its runtime is installed, run, upgraded, downgraded and purged', PATIENCE, async () => {
    const [old, next] = ['6.10.3', '6.10.4']
    const port = await freePort()
    writeFileSync(join(dir, 'registry/config.yaml'), REGISTRY_CONFIG)
    const first = await buildRegistry(old, port, ['tar.zst', 'zip', 'deb'])
    const judged = lintian(first.deb)
    const places = ranElsewhere(first, ['bin/registry', '--version'])
    const second = await buildRegistry(next, port, ['deb'])

    await apt('install', put(first.deb))
    expect(readlinkSync(inside('opt/registry/current'))).toBe(`releases/${old}`)
    expect(await output(['registry', '--version'])).toBe(`v${old}\n`)
    expect(await answersWhileItRuns(port)).toBe(old)

    // What an administrator changed, and what the app stored, outlive the other versions.
    writeFileSync(inside('etc/registry/config.yaml'), `${REGISTRY_CONFIG}# mine\n`)
    await apt('install', put(second.deb))
    expect(await output(['registry', '--version'])).toBe(`v${next}\n`)
    expect(await answersWhileItRuns(port)).toBe(next)
    expect(existsSync(inside(`opt/registry/releases/${old}`))).toBe(false)

    await apt('install', '--allow-downgrades', put(first.deb))
    expect(await answersWhileItRuns(port)).toBe(old)
    expect(readFileSync(inside('etc/registry/config.yaml'), 'utf8')).toContain('# mine')
    expect(existsSync(inside('var/lib/registry'))).toBe(true)

    await apt('purge', 'registry')
    for (const path of ['opt/registry', 'etc/registry', 'var/lib/registry', 'usr/bin/registry']) {
      expect({ path, exists: existsSync(inside(path)) }).toEqual({ path, exists: false })
    }
    expect(await places).toEqual([`tar.zst: v${old}\n`, `zip: v${old}\n`])
    expect(await judged).toEqual([])
  })

  describe.skipIf(!existsSync('/usr/bin/cc'))('of what is compiled', () => {
    it('is installed, run, upgraded, downgraded and purged', PATIENCE, async () => {
      const first = await buildSqueeze('1.0.0', [...ARCHIVES, 'deb'])
      const second = await buildSqueeze('1.1.0', ['deb'])
      const judged = lintian(first.deb)

      await apt('install', put(first.deb))
      expect(await output(['squeeze', 'version'])).toMatch(/^1\.0\.0 zlib 1\.2\.\d+/)
      // Debian has a zlib of its own; it is not the one that is taken.
      const libraries = await output(['ldd', '/opt/squeeze/current/app/squeeze'])
      expect(libraries).toMatch(/libz\.so\.1 => \/opt\/squeeze\/current\/app\/\.\.\/embedded\/lib\/libz\.so\.1 /)
      expect(await output(['sh', '-c', 'echo hello | squeeze | gzip -d'])).toBe('hello\n')

      await apt('install', put(second.deb))
      expect(await output(['squeeze', 'version'])).toMatch(/^1\.1\.0 /)
      await apt('install', '--allow-downgrades', put(first.deb))
      expect(await output(['squeeze', 'version'])).toMatch(/^1\.0\.0 /)
      await apt('purge', 'squeeze')
      expect(existsSync(inside('opt/squeeze'))).toBe(false)
      const said = await ranElsewhere(first, ['bin/squeeze', 'version'])
      expect(said).toEqual(
        ARCHIVES.map((format) => expect.stringMatching(new RegExp(`^${format}: 1\\.0\\.0 zlib 1\\.2\\.`))),
      )
      expect(await judged).toEqual([])
    })
  })
})

interface Built {
  readonly deb: string
  /** Absolute path by format. */
  readonly archives: ReadonlyMap<string, string>
}

async function build(name: string, version: string, config: object, formats: readonly string[]): Promise<Built> {
  const cwd = join(dir, name)
  const settings = { name, version, ...config }
  writeFileSync(join(cwd, 'ship.config.json'), JSON.stringify(settings).replace('"FORMATS"', JSON.stringify(formats)))
  const { code, stderr } = await ship('build', { cwd })
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  const file = (ending: string): string => join(cwd, 'dist', `${name}-${version}-linux-x64.${ending}`)
  return {
    deb: join(cwd, 'dist', `${name}_${version}-1_amd64.deb`),
    archives: new Map(formats.filter((f) => f !== 'deb').map((format) => [format, file(format)])),
  }
}

const REGISTRY_CONFIG = `storage: /var/lib/registry/storage
uplinks: {}
packages: { '**': { access: $all } }
log: { type: stdout, format: json, level: warn }
`

/** verdaccio as an app of its own, from its lockfile. */
function buildRegistry(version: string, port: number, formats: readonly string[]): Promise<Built> {
  const cwd = join(dir, 'registry')
  const manifest = {
    name: 'registry',
    version,
    private: true,
    license: 'MIT',
    author: MAINTAINER,
    description: 'private registry of npm packages',
    dependencies: { verdaccio: version },
    // It asks for a dist-tag, which not every registry carries; a version will do.
    overrides: { 'node-fetch': '2.7.0' },
  }
  writeFileSync(join(cwd, 'package.json'), JSON.stringify(manifest))
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd,
    stdio: 'pipe',
  })
  const bin = { registry: 'node_modules/verdaccio/bin/verdaccio' }
  const args = ['--config', '/etc/registry/config.yaml', '--listen', `127.0.0.1:${port}`]
  const deb = {
    // The quick one for the package that is not judged: dpkg of Debian 12 reads it, lintian of Debian 12 does not.
    compression: formats.length > 1 ? 'gzip' : 'zstd',
    service: { exec: 'bin/registry', args, user: 'registry', stateDirectory: 'registry' },
    files: [{ from: 'config.yaml', to: '/etc/registry/config.yaml' }],
    links: { '/usr/bin/registry': '/opt/registry/current/bin/registry' },
  }
  return build(
    'registry',
    version,
    { build: { recipe: 'node-app', layout: 'omnibus', formats: 'FORMATS', bin }, deb },
    formats,
  )
}

const SQUEEZE = `#include <stdio.h>
#include <zlib.h>
/* Compresses its input; with an argument it says what it is. */
int main(int argc, char **argv) {
  char part[65536];
  size_t n;
  if (argc > 1) return printf("%s zlib %s\\n", VERSION, zlibVersion()) < 0;
  gzFile out = gzdopen(1, "wb9");
  while ((n = fread(part, 1, sizeof part, stdin)) > 0) gzwrite(out, part, (unsigned)n);
  return gzclose(out) == Z_OK ? 0 : 1;
}
`

/** A recipe of the project: compiled against the zlib that ship compiles from Debian's source, without any cache. */
const squeezeRecipe = (version: string): string => `export default {
  name: 'squeeze',
  summary: 'a compressor',
  dependencies: ['zlib'],
  platform: 'native',
  async build(step) {
    const flags = ['-O2', '-fPIE', '-pie', '-Wl,-z,relro,-z,now', '-Wl,-rpath,$ORIGIN/../embedded/lib', '-s']
    const uses = ['-I' + step.embedded + '/include', '-L' + step.embedded + '/lib']
    const source = step.sources + '/squeeze.c'
    await step.run(['cc', ...flags, '-DVERSION="${version}"', ...uses, '-o', 'squeeze', source, '-lz'])
    await step.bin('squeeze', { run: ['app/squeeze'] })
  },
}
`

function buildSqueeze(version: string, formats: readonly string[]): Promise<Built> {
  const cwd = join(dir, 'squeeze')
  writeFileSync(join(cwd, 'squeeze.c'), SQUEEZE)
  writeFileSync(join(cwd, 'recipes/squeeze.js'), squeezeRecipe(version))
  const deb = {
    maintainer: MAINTAINER,
    license: 'MIT',
    description: 'compressor that brings its library\nIt writes what gzip reads.',
    links: { '/usr/bin/squeeze': '/opt/squeeze/current/bin/squeeze' },
  }
  const cache = { dir: join(dir, 'cache') }
  return build(
    'squeeze',
    version,
    { build: { recipe: 'squeeze', layout: 'omnibus', formats: 'FORMATS', cache }, deb },
    formats,
  )
}

function inside(path: string): string {
  return join(root.path, path)
}

/** Copies a package into the root; returns its path there as apt takes it. */
function put(deb: string): string {
  copyFileSync(deb, inside(`tmp/${basename(deb)}`))
  return `/tmp/${basename(deb)}`
}

async function output(argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await root.run(argv)
  expect({ argv, code, stderr: code === 0 ? '' : stderr + stdout }).toEqual({ argv, code: 0, stderr: '' })
  return stdout
}

/** The root has no network of packages: what is needed must be there. */
async function apt(...args: readonly string[]): Promise<void> {
  await output(['apt-get', '-y', '-q', '-o', 'APT::Sandbox::User=root', ...args])
}

/** Starts what the unit says, as systemd would, and returns the version that its pages tell. */
async function answersWhileItRuns(port: number): Promise<string> {
  const unit = readFileSync(inside('usr/lib/systemd/system/registry.service'), 'utf8')
  const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? `no ${key}`
  const script = 'install -d -o "$1" "/var/lib/$2" && cd "$3" && shift 3 && exec runuser -u "$0" -- "$@"'
  const argv = [value('User'), value('StateDirectory'), value('WorkingDirectory'), ...value('ExecStart').split(' ')]
  const server = root.start(['sh', '-c', script, value('User'), ...argv])
  try {
    const deadline = Date.now() + 120_000
    for (;;) {
      const page = await fetch(`http://127.0.0.1:${port}/-/static/ui-options.js`).then(
        (response) => response.text(),
        () => undefined,
      )
      if (page !== undefined) return /["']?version["']?: ?["']([^"']+)["']/.exec(page)?.[1] ?? page
      if (Date.now() > deadline) return `no answer: ${server.output()}`
      await sleep(100)
    }
  } finally {
    await server.stop()
  }
}

/** What a program of the tree says after each archive was unpacked to a place of its own, by the tools that are made for it. */
async function ranElsewhere(
  { archives }: Built,
  [program = '', ...args]: readonly string[],
): Promise<readonly string[]> {
  const said: string[] = []
  for (const [format, file] of archives) {
    const place = mkdtempSync(join(dir, 'another place '))
    const unpack = format === 'zip' ? ['unzip', '-q', file, '-d', place] : ['tar', '-xf', file, '-C', place]
    await run(unpack)
    const tree = join(place, basename(file).replace(/-linux-.*/, ''))
    said.push(`${format}: ${await run([join(tree, program), ...args])}`)
    rmSync(place, { recursive: true })
  }
  return said
}

/** Errors that lintian tells. What the package says is meant is in its answer too, so that an empty one proves nothing. */
async function lintian(deb: string): Promise<readonly string[]> {
  const text = await run([
    'lintian',
    '--allow-root',
    '--fail-on',
    'none',
    '--tag-display-limit',
    '0',
    '--show-overrides',
    deb,
  ])
  expect(text).toContain('O: ')
  return text.split('\n').filter((line) => line.startsWith('E:'))
}

function run([program = '', ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: { PATH: '/usr/bin:/bin', HOME: dir }, maxBuffer: 64 * 1024 * 1024 }
    execFile(program, args, options, (error, stdout, stderr) =>
      error ? reject(new Error(`${program} ${args.join(' ')}: ${error.message}${stderr}`)) : resolve(stdout),
    )
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

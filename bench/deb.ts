/**
 * How long the .deb of a tree takes, as ratios against dpkg-deb and against `tar | gzip` and `tar | zstd` of the same tree, and how large
 * it is. dpkg-deb gets the tree and its control folder ready made; ship also checks every file's sha256 against the manifest and takes its
 * md5 sum. All in turns. The seconds of the processor are what counts on a busy machine; those of the clock stand beside them. Usage: node bench/deb.ts [megabytes] [runs] [folder]
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debPackers } from '../src/build/deb.ts'
import { parseCompression } from '../src/deb/compress.ts'
import type { DebPlan } from '../src/deb/package.ts'
import { parseAppName } from '../src/names.ts'
import { makeManifest, type Tree } from '../src/tree/manifest.ts'
import { walkTree } from '../src/tree/walk.ts'
import { parseVersion } from '../src/version.ts'

const [megabytes = 100, runs = 5] = process.argv.slice(2, 4).map(Number)
const given = process.argv[4]
const { signal } = new AbortController()
const dir = mkdtempSync(join(tmpdir(), 'ship-bench-'))
try {
  const root = join(dir, 'tree')
  if (given === undefined) fill(root)
  else cpSync(given, root, { recursive: true, verbatimSymlinks: true })
  const tree = await frozen(root)
  const bytes = tree.manifest.entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0)
  console.log(`${tree.manifest.entries.length} entries, ${(bytes / 1e6).toFixed(0)} MB, ${runs} runs, medians`)
  const stage = staged(root)
  const shell = (command: string) => () => Promise.resolve(processorOf(command))
  const dpkg = (...options: readonly string[]) =>
    shell(`dpkg-deb --root-owner-group ${options.join(' ')} -b ${stage} out.deb >/dev/null`)
  const level = (kind: string): string => `${kind} level ${parseCompression(kind).level}`

  await compare(`gzip: ship (${level('gzip')})`, 'out.ship.deb', ship(tree, 'gzip'), [
    ['dpkg-deb -Zgzip (its level 9)', 'out.deb', dpkg('-Zgzip')],
    ['dpkg-deb -Zgzip -z6', 'out.deb', dpkg('-Zgzip', '-z6')],
    ['tar | gzip -6', 'out.tgz', shell('tar -cf - tree | gzip -6 >out.tgz')],
  ])
  await compare(`zstd: ship (${level('zstd')})`, 'out.ship.deb', ship(tree, 'zstd'), [
    ['dpkg-deb -Zzstd -z12, one thread', 'out.deb', dpkg('-Zzstd', '-z12', '--threads-max=1')],
    ['tar | zstd -12 -T1', 'out.zst', shell('tar -cf - tree | zstd -q -12 -T1 >out.zst')],
  ])
  await compare('ship without compression', 'out.ship.deb', ship(tree, 'none'), [
    ['dpkg-deb -Znone', 'out.deb', dpkg('-Znone')],
    ['tar', 'out.tar', shell('tar -cf out.tar tree')],
  ])
} finally {
  rmSync(dir, { recursive: true, force: true })
}

/** Resolves with the seconds of the processor that it took. */
type Contender = readonly [name: string, file: string, work: () => Promise<number>]

async function compare(name: string, file: string, ours: () => Promise<number>, peers: readonly Contender[]) {
  const all = [[name, file, ours] as const, ...peers].map(([what, out, work]) => {
    return { what, out, work, clock: [] as number[], processor: [] as number[], size: 0 }
  })
  for (let run = 0; run <= runs; run++) {
    for (const one of all) {
      rmSync(join(dir, one.out), { force: true })
      const started = performance.now()
      const processor = await one.work()
      one.size = statSync(join(dir, one.out)).size
      // The first round warms caches.
      if (run === 0) continue
      one.clock.push((performance.now() - started) / 1000)
      one.processor.push(processor)
    }
  }
  const [own] = all
  if (!own) return
  console.log('')
  for (const { what, clock, processor, size } of all) {
    const seconds = `${median(processor).toFixed(2).padStart(6)} s (${median(clock).toFixed(2)} s by the clock)`
    const text = `${what.padEnd(34)} ${seconds.padEnd(34)} ${(size / 1e6).toFixed(1).padStart(6)} MB`
    const ratio = (a: readonly number[], b: readonly number[]): string =>
      median(a.map((n, i) => n / (b[i] ?? Number.NaN))).toFixed(2)
    const times = `${ratio(own.processor, processor)} (${ratio(own.clock, clock)} by the clock)`
    console.log(what === name ? text : `${text}   ship takes ${times}, size ${(own.size / size).toFixed(3)}`)
  }
}

/** Runs a shell command; seconds of the processor that it and its children took. */
function processorOf(command: string): number {
  const said = execFileSync('sh', ['-c', `${command}; times`], { cwd: dir }).toString()
  const [, children = ''] = said.trim().split('\n')
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0)
}

function ship(tree: Tree, compression: string) {
  return async (): Promise<number> => {
    const before = process.cpuUsage()
    const [packer] = debPackers([plan(compression)], tree)
    await packer?.write(tree, join(dir, 'out.ship.deb'), { signal })
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e6
  }
}

function plan(compression: string): DebPlan {
  return {
    control: {
      package: 'shop',
      version: '1.0.0-1',
      architecture: 'all',
      maintainer: 'Bench <bench@example.org>',
      relations: {},
      section: 'misc',
      priority: 'optional',
      fields: {},
      description: { synopsis: 'bench', extended: 'bench' },
    },
    hasTree: true,
    include: [],
    exclude: [],
    items: [],
    conffiles: [],
    triggers: [],
    services: [],
    programs: [],
    sysusers: undefined,
    tmpfiles: undefined,
    custom: {},
    debconf: undefined,
    overrides: [],
    copyright: 'none',
    compression: parseCompression(compression),
    changelog: [{ version: '1.0.0-1', time: 315_532_800, text: '' }],
  }
}

async function frozen(root: string): Promise<Tree> {
  const entries = await walkTree(root, { signal })
  const [name, version] = [parseAppName('shop'), parseVersion('1.0.0')]
  const manifest = makeManifest({ name, version, platform: 'any', epoch: 315_532_800, components: [], entries })
  return { root, manifest }
}

/** The same tree as dpkg-deb wants it. */
function staged(root: string): string {
  const stage = join(dir, 'stage')
  const home = join(stage, 'opt/shop/releases/1.0.0')
  mkdirSync(join(stage, 'DEBIAN'), { recursive: true })
  mkdirSync(join(stage, 'opt/shop/releases'), { recursive: true })
  execFileSync('cp', ['-al', root, home])
  const control =
    'Package: shop\nVersion: 1.0.0-1\nArchitecture: all\nMaintainer: B <b@example.org>\nDescription: bench\n'
  writeFileSync(join(stage, 'DEBIAN/control'), control)
  return stage
}

/** Real text (the sources of ship's own dependencies) and noise, half and half: about as compressible as an app with its packages. */
function fill(root: string): void {
  const modules = join(import.meta.dirname, '../node_modules')
  const texts = readdirSync(modules, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:js|ts|md|json)$/.test(name))
    .toSorted()
  let left = megabytes * 1e6
  for (let n = 0; left > 0; n++) {
    const file = join(modules, texts[n % texts.length] ?? '')
    if (!statSync(file).isFile()) continue
    const text = readFileSync(file)
    const content = n % 10 === 0 ? randomBytes(Math.min(left, text.length * 4)) : text.subarray(0, left)
    mkdirSync(join(root, `pkg${n % 200}`), { recursive: true })
    writeFileSync(join(root, `pkg${n % 200}`, `file${n}.js`), content)
    left -= content.length
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

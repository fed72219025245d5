/**
 * One ship process and many real sshd, each listening on a loopback address of its own: a first release, a next one that changes one file,
 * a rollback and a release of what is live already. Prints wall time, the process's greatest memory and its most open files, and how
 * much memory a host costs above the smaller fleet. The servers and their shells share the machine with ship: times are an upper bound.
 * Usage: node bench/fleet.ts [hosts] [hosts to compare with]
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ship } from '../test/support/cli.ts'
import { startFleet } from '../test/support/fleet.ts'
import { watchPeaks, type Peaks } from '../test/support/peaks.ts'

const FILES = 200
const FILE_BYTES = 10_000

type Measured = Peaks & { readonly seconds: number }

const [many = 300, few = 30] = process.argv.slice(2).map(Number)
const tables: Record<number, Record<string, Measured>> = {}
for (const size of [few, many]) {
  tables[size] = await measure(size)
  console.log(`\n${size} hosts, ${FILES} files, ${(FILES * FILE_BYTES) / 1e6} MB`)
  for (const [what, m] of Object.entries(tables[size])) {
    const memory = `${(m.rssBytes / 1e6).toFixed(0)} MB`.padStart(7)
    console.log(
      `  ${what.padEnd(14)} ${m.seconds.toFixed(1).padStart(6)} s  ${memory}  ${String(m.files).padStart(5)} files`,
    )
  }
}
console.log(`\na host costs, from ${few} to ${many} hosts`)
for (const [what, m] of Object.entries(tables[many] ?? {})) {
  const before = tables[few]?.[what]
  if (!before) continue
  const each = (m.rssBytes - before.rssBytes) / (many - few) / 1e6
  const ms = ((m.seconds - before.seconds) / (many - few)) * 1000
  console.log(`  ${what.padEnd(14)} ${ms.toFixed(0).padStart(6)} ms  ${each.toFixed(2).padStart(5)} MB`)
}

async function measure(size: number): Promise<Record<string, Measured>> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-bench-'))
  const fleet = await startFleet(size)
  const env = { SHIP_SSH_CONFIG: fleet.sshConfigFile }
  const results: Record<string, Measured> = {}
  const timed = async (what: string, args: string): Promise<void> => {
    const started = performance.now()
    let peaks = (): Peaks => ({ rssBytes: 0, files: 0 })
    const { code, stderr } = await ship(args, { cwd: dir, env, onStart: ({ pid }) => (peaks = watchPeaks(pid)) })
    if (code !== 0) throw new Error(`ship ${args} ended with ${code}:\n${stderr.slice(-4000)}`)
    if (/MaxListeners|Warning:/.test(stderr)) throw new Error(`ship ${args} warned:\n${stderr.slice(-4000)}`)
    results[what] = { seconds: (performance.now() - started) / 1000, ...peaks() }
  }
  const build = async (version: string): Promise<void> => {
    writeFileSync(join(dir, 'app', 'version'), version)
    const hosts = fleet.hosts.map(({ name, root }) => ({ host: name, deployTo: join(root, 'shop') }))
    const config = { name: 'shop', version, build: { from: 'app' }, environments: { production: { hosts } } }
    writeFileSync(join(dir, 'ship.config.json'), JSON.stringify(config))
    const { code, stderr } = await ship('build', { cwd: dir, env })
    if (code !== 0) throw new Error(stderr)
  }
  try {
    mkdirSync(join(dir, 'app'))
    for (let n = 0; n < FILES; n++) writeFileSync(join(dir, 'app', `file${n}`), randomBytes(FILE_BYTES))
    await build('1.0.0')
    await timed('first release', 'release')
    await build('1.1.0')
    await timed('next release', 'release')
    await timed('rollback', 'rollback')
    await timed('no-op', 'release 1.0.0 --allow-downgrade')
    await timed('status', 'status')
    return results
  } finally {
    await fleet.dispose()
    rmSync(dir, { recursive: true, force: true })
  }
}

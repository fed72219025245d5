/**
 * How long a release takes, as a ratio against what people write by hand: rsync of the same tree into a new folder over the same sshd,
 * then a rename. Both send everything to an empty host; ship also checks every file there, syncs, and locks. Runs A B A B and prints
 * medians; a busy machine shows in the spread, not in the ratio. Usage: node bench/release.ts [files] [megabytes] [runs]
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ship } from '../test/support/cli.ts'
import { startFleet } from '../test/support/fleet.ts'

const [files = 4000, megabytes = 60, runs = 5] = process.argv.slice(2).map(Number)

const dir = mkdtempSync(join(tmpdir(), 'ship-bench-'))
const fleet = await startFleet(1)
try {
  const [host] = fleet.hosts
  if (!host) throw new Error('no host')
  const app = join(dir, 'app')
  const words = randomBytes(4096).toString('hex')
  for (let n = 0; n < files; n++) {
    const folder = join(app, `pkg${n % 200}`)
    mkdirSync(folder, { recursive: true })
    // Half noise, half repeated text: compressible about as well as a folder of packages.
    const half = Math.round((megabytes * 1e6) / files / 2)
    writeFileSync(join(folder, `file${n}.js`), Buffer.concat([randomBytes(half), Buffer.alloc(half, words)]))
  }
  const config = { name: 'shop', version: '1.0.0', build: { from: 'app', formats: ['tar.zst'] } }
  // A new folder each time, for both: making files where others were just removed is a test of the file system.
  const place = (run: number): void => {
    const hosts = [{ host: 'web1', deployTo: join(host.root, `ship${run}`) }]
    writeFileSync(join(dir, 'ship.config.json'), JSON.stringify({ ...config, environments: { p: { hosts } } }))
  }
  place(0)
  const env = { SHIP_SSH_CONFIG: fleet.sshConfigFile }
  const build = await timed(async () => expectGood(await ship('build', { cwd: dir, env })))
  console.log(`${files} files, ${megabytes} MB; build ${build.toFixed(2)} s`)

  const ours: number[] = []
  const theirs: number[] = []
  for (let run = 0; run <= runs; run++) {
    place(run)
    const a = await timed(async () => expectGood(await ship('release', { cwd: dir, env })))
    const to = join(host.root, `rsync${run}`)
    const b = await timed(() => {
      execFileSync('rsync', ['-az', '-e', `ssh -F ${fleet.sshConfigFile}`, `${app}/`, `web1:${to}`], { stdio: 'pipe' })
      const link = `ln -s ${to} ${to}.new && mv -T ${to}.new ${host.root}/rsync-current`
      execFileSync('ssh', ['-F', fleet.sshConfigFile, 'web1', link], { stdio: 'pipe' })
      return Promise.resolve()
    })
    // The first pair warms caches.
    if (run === 0) continue
    ours.push(a)
    theirs.push(b)
  }
  console.log(`ship release  median ${median(ours).toFixed(2)} s  (${spread(ours)})`)
  console.log(`rsync and mv  median ${median(theirs).toFixed(2)} s  (${spread(theirs)})`)
  console.log(`ratio         ${median(ours.map((a, i) => a / (theirs[i] ?? Number.NaN))).toFixed(2)}`)
  const again = await timed(async () => expectGood(await ship('release', { cwd: dir, env })))
  console.log(`release of what is live already: ${again.toFixed(2)} s`)
} finally {
  await fleet.dispose()
  rmSync(dir, { recursive: true, force: true })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

function expectGood({ code, stderr }: { readonly code: number | null; readonly stderr: string }): void {
  if (code !== 0) throw new Error(stderr)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function spread(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`
}

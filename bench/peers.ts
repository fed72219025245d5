/**
 * ship beside what else people use to bring an app to a host, in one run: a first release, a next one, the same again, one from a clean
 * checkout, a rollback; to one real sshd over an emulated long line. Everybody releases the same tree; what is on the host afterwards is
 * held against it, outside of the clock. In turns, step by step, after one round that warms up. The table goes to bench/RESULTS.md,
 * unless only a part is run. It takes some 15 minutes and wants a quiet machine.
 * Usage: node bench/peers.ts [--only ship,rsync] [--runs 3] [--rtt 50] [--mbit 50] [--out FILE]
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ansible } from './peers/ansible.ts'
import { listTree, makeApp, type App } from './peers/app.ts'
import { capistrano } from './peers/capistrano.ts'
import { STEPS, type Contender, type StepName, type Turn } from './peers/contender.ts'
import { busyWarning, describeMachine, installMissing, load } from './peers/machine.ts'
import { makePlace, type Place } from './peers/place.ts'
import { median, reportOf, type Row, type Sample } from './peers/report.ts'
import { floor, rsync, rsyncCompressed, tarball } from './peers/scripts.ts'
import { buildSeconds, ships } from './peers/ship.ts'
import { shipit } from './peers/shipit.ts'

const ALL: readonly Contender[] = [floor, ...ships, rsync, rsyncCompressed, tarball, ansible, shipit, capistrano]
/** Which of the three states each step brings or ends at. */
const STATES: Readonly<Record<StepName, 0 | 1 | 2>> = { first: 0, next: 1, noop: 1, clean: 2, rollback: 1 }

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    runs: { type: 'string', default: '3' },
    rtt: { type: 'string', default: '50' },
    mbit: { type: 'string', default: '50' },
    out: { type: 'string' },
  },
})
const [runs, roundTripMs, megabitsPerSecond] = [amount('runs'), amount('rtt'), amount('mbit')]
const contenders = chosen(values.only)
const named = values.out === undefined ? undefined : resolve(values.out)
const out = named ?? (values.only === undefined ? join(import.meta.dirname, 'RESULTS.md') : undefined)

const ending = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => ending.abort(new Error(`ended by ${name}`)))

const dir = mkdtempSync(join(tmpdir(), 'ship-peers-'))
const tell = (line: string): void => void process.stderr.write(`${line}\n`)
let place: Place | undefined
try {
  place = await makePlace(dir, { roundTripMs, megabitsPerSecond }, ending.signal)
  const report = await compare(place)
  if (out === undefined) console.log(report)
  else {
    writeFileSync(out, report)
    const checkout = join(import.meta.dirname, '..')
    const formatter = join(checkout, 'node_modules/.bin/oxfmt')
    if (existsSync(formatter)) await place.run([formatter, out], { cwd: checkout, asUser: true })
    console.log(`written: ${out}`)
  }
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  await place?.dispose()
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
}

function amount(name: 'runs' | 'rtt' | 'mbit'): number {
  const value = Number(values[name])
  if (Number.isFinite(value) && value > 0) return value
  console.error(`error: --${name} wants a number above 0, not "${values[name]}"`)
  return process.exit(2)
}

/** The floor is always with them. */
function chosen(only: string | undefined): readonly Contender[] {
  if (only === undefined) return ALL
  const names = only.split(',')
  const unknown = names.find((name) => !ALL.some((one) => one.name === name))
  if (unknown === undefined) return ALL.filter((one) => one === floor || names.includes(one.name))
  console.error(`error: there is no "${unknown}"; there are ${ALL.map(({ name }) => name).join(', ')}`)
  return process.exit(2)
}

async function compare(at: Place): Promise<string> {
  const loadBefore = load()
  await installMissing(contenders, at)
  tell('preparing the app')
  const app = await makeApp(at)
  tell(app.summary)
  const rows = contenders.map((contender) => {
    const samples: Record<StepName, Sample[]> = { first: [], next: [], noop: [], clean: [], rollback: [] }
    return { contender, samples } satisfies Row
  })
  for (const { contender } of rows) {
    tell(`preparing ${contender.name}`)
    await contender.setUp?.(at, app)
  }
  const versions = await Promise.all(contenders.map(async (one) => one.version(at)))
  const wanted = await Promise.all(app.trees.map(listTree))
  for (let round = 0; round <= runs; round++) {
    const taking = rows.filter(({ contender }) => contender.once !== true || round <= 1)
    for (const [index, step] of STEPS.entries()) {
      for (const { contender, samples } of taking) {
        const deployTo = join(at.root, `${contender.name}-${round}`)
        const tree = app.trees[STATES[step]]
        // A rollback is to the release before the one from the clean checkout: the no-op one, where that made one.
        const turn: Turn = { step, release: step === 'rollback' ? index - 1 : index + 1, tree, deployTo }
        const sample = { ...(await measured(contender, turn, at, app)), round }
        tell(`round ${round}: ${step} by ${contender.name}: ${sample.seconds.toFixed(2)} s`)
        if (contender !== floor) await check(contender, turn, wanted[STATES[step]] ?? new Map())
        // The first round warms caches.
        if (round > 0) samples[step].push(sample)
      }
    }
    for (const { contender } of taking) await at.run(['rm', '-rf', join(at.root, `${contender.name}-${round}`)])
  }
  return reportOf(rows, await conditions(at, app, [...new Set(versions)], loadBefore), busyWarning(loadBefore))
}

async function measured(contender: Contender, turn: Turn, at: Place, app: App): Promise<Omit<Sample, 'round'>> {
  await contender.prepare?.(turn, at, app)
  // What others wrote is not to be waited for by one that syncs.
  await at.run(['sync'])
  at.reset()
  const started = performance.now()
  await contender.run(turn, at, app)
  const seconds = (performance.now() - started) / 1000
  const traffic = at.traffic()
  await contender.settle?.(at)
  return { seconds, ...traffic }
}

/** Throws when `current` on the host does not hold the tree, to the byte. */
async function check({ name, adds = [] }: Contender, { step, deployTo }: Turn, wanted: ReadonlyMap<string, string>) {
  const found = await listTree(join(deployTo, 'current'))
  for (const path of adds) found.delete(path)
  const paths = [...new Set([...wanted.keys(), ...found.keys()])]
  const wrong = paths.filter((path) => wanted.get(path) !== found.get(path))
  if (wrong.length === 0) return
  const some = wrong.slice(0, 5).map((path) => `${path}: ${found.get(path) ?? 'is not there'}`)
  throw new Error(`after "${step}" by ${name} ${wrong.length} paths differ on the host:\n${some.join('\n')}`)
}

async function conditions(at: Place, app: App, versions: readonly string[], loadBefore: number): Promise<string[]> {
  const builds = buildSeconds.length === 0 ? '' : ` (a build by ship took ${median(buildSeconds).toFixed(1)} s)`
  return [
    `${new Date().toISOString().slice(0, 10)}; ${(await describeMachine(at)).join('; ')}`,
    `load of the machine before ${loadBefore.toFixed(1)}, after ${load().toFixed(1)}`,
    `link: ${roundTripMs} ms round trip, ${megabitsPerSecond} Mbit/s each way, a relay (test/hosts/relay.ts); no loss`,
    `host: one real sshd; the app: ${app.summary}`,
    `versions: ${versions.join('; ')}`,
    `in the clock: the commands named below, from their start to their end, each with a new connection; not in it: builds, installs, packing, commits${builds}`,
    'after each step `current` on the host was held against the tree, content, executable bits and links; all programs run with the same ssh configuration, known host keys and one ed25519 key; nothing was pruned, and no app was restarted',
    `one round to warm up, then ${runs} in turns, step by step; all file systems are synced before each start; "ship from a checkout" was measured once`,
  ]
}

/** Plays one schedule on a lane, and asks the oracle: after the command, after the next release, and for `current` at any time between. */
import { lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ShipResult } from '../support/cli.ts'
import { ARGS, Injector, limited, LONGEST_MS } from './inject.ts'
import { BEFORE, LIVE, NEXT, type Lane } from './lane.ts'
import { losses, snapshotOf, type Expectation } from './oracle.ts'
import type { Command, Fault, Schedule, Slot } from './schedule.ts'

export interface Played {
  /** What was lost, a line each. */
  readonly lost: readonly string[]
  /** Kinds of faults that came about. */
  readonly injected: readonly string[]
  /** Exit codes: of the command, of those beside it, and of the next release. */
  readonly codes: readonly (number | null)[]
  readonly durationMs: number
  /** What the runs said, for people. */
  readonly told: string
}

const GOALS: Readonly<Record<Command, readonly string[]>> = {
  release: [NEXT],
  rollback: [BEFORE],
  'catch-up': [LIVE, BEFORE],
  prune: [LIVE],
  unlock: [LIVE],
  pin: [LIVE],
}
const OLD = ['1.0.0', BEFORE, LIVE]
/** A late request over SFTP, where no script can look first, may begin a lock beside the one that counts. Whoever locks next clears it away. */
const HALF_A_LOCK = /\.ship\/lock\.[0-9a-f]{32} was left behind$/
/** What a dead run had started on a host may go on for a moment. */
const SETTLE_MS = 5000

/** `ended` is called when the command is through, before anything else happens. */
export async function perform(schedule: Schedule, lane: Lane, ended?: () => void): Promise<Played> {
  const { slots, command, faults } = schedule
  // One host is behind, so that there is something to catch up with.
  const behind = command === 'catch-up' && slots.length > 1 ? slots[0] : undefined
  await lane.fresh(slots, (slot) => (slot === behind ? BEFORE : LIVE), schedule.locked)
  const used = slots.flatMap((slot) => lane.hosts.get(slot) ?? [])
  const roots = used.map(({ root }) => root)
  const before = Object.fromEntries(roots.map((root) => [root, snapshotOf(root)]))
  configure(lane, slots, faults)
  const watch = watchCurrent(roots)
  const injector = new Injector(lane, schedule)
  const began = performance.now()
  const first = await injector.run(ended)
  const durationMs = performance.now() - began
  const goals = goalsOf([command, ...injector.others.map((other) => other.command)])
  const results = [first, ...(await Promise.all(injector.others.map(({ result }) => result)))]
  const alone = injector.others.length === 0
  const code = alone ? first.code : null
  const expected: Expectation = {
    before,
    goals,
    mayCome: [],
    code,
    settled: false,
    mayGo: alone ? mayGo(command, code) : OLD,
  }
  const problems = [
    ...results.flatMap(notEnded),
    ...(await lasting(() => losses(roots, expected))).map((line) => `after "${command}": ${line}`),
    ...watch.stop(),
  ]
  injector.makeRoom()
  lane.configure(slots, [], { keep: 2 })
  const next = await lane.ship(ARGS.release, 'direct', limited())
  await injector.awaken()
  let last = next
  const isHaunted = injector.injected.includes('ghost')
  if (isHaunted) {
    // It may have taken a lock that was free by then; that expires, and the next run takes it over. It may change nothing else.
    const haunted = { before, goals: [NEXT], mayCome: goals, code: next.code, settled: false, mayGo: OLD }
    problems.push(...(await lasting(() => losses(roots, haunted))).map((line) => `after the ghost: ${line}`))
    last = await lane.ship(ARGS.release, 'direct', limited())
    if (last.code !== 0) problems.push(`the release after the ghost ended with ${last.code}`)
  }
  if (next.code !== 0) problems.push(`the next release ended with ${next.code}`)
  const settled: Expectation = {
    before,
    goals: [NEXT],
    mayCome: goals,
    code: next.code,
    settled: next.code === 0,
    mayGo: OLD,
  }
  const left = (await lasting(() => losses(roots, settled))).filter((line) => !(isHaunted && HALF_A_LOCK.test(line)))
  problems.push(...left.map((line) => `after the next release: ${line}`))
  const told = [...results, next, ...(last === next ? [] : [last])].map(toldBy).join('\n--\n')
  return {
    lost: problems,
    injected: injector.injected,
    codes: [...results, next].map(({ code: c }) => c),
    durationMs,
    told,
  }
}

/** A second rollback that comes after another one goes further back. */
function goalsOf(commands: readonly Command[]): string[] {
  const isTwice = commands.filter((command) => command === 'rollback').length > 1
  const goals = commands.flatMap((command) => GOALS[command])
  return commands.length > 1 ? [...goals, LIVE, ...(isTwice ? OLD : [])] : goals
}

/** A release is lost when it goes though the command said that it did nothing. What is live is held against `current` anyway. */
function mayGo(command: Command, code: number | null): readonly string[] {
  const isTold = code !== null && code !== 0 && command !== 'prune'
  return isTold ? [] : OLD.filter((version) => version !== LIVE)
}

function configure(lane: Lane, slots: readonly Slot[], faults: readonly Fault[]): void {
  const ill = faults.flatMap((fault) => (fault.kind === 'gate' || fault.kind === 'hook' ? [fault.slot] : []))
  const hooks = Object.fromEntries(
    faults.flatMap((fault) =>
      fault.kind === 'hook' ? [[fault.hook, [{ run: 'exit 3', role: 'ill', local: fault.slot === 'files' }]]] : [],
    ),
  )
  // Where no program runs, this machine asks.
  const health = faults.some((fault) => fault.kind === 'gate')
    ? [{ exec: `test "$SHIP_VERSION" != ${NEXT}`, from: 'client', role: 'ill', deadline: '100ms', interval: '50ms' }]
    : []
  lane.configure(slots, ill, { keep: 2, hooks, health })
}

/** What is still so when all is quiet. */
async function lasting(look: () => string[]): Promise<string[]> {
  const until = performance.now() + SETTLE_MS
  for (;;) {
    const found = attempt(look)
    if (found.length === 0 || performance.now() > until) return found
    await sleep(150)
  }
}

/** A folder that is renamed while it is read is no loss. */
function attempt(look: () => string[]): string[] {
  try {
    return look()
  } catch (error) {
    return [String(error)]
  }
}

/** Looks at `current` of each host all the time: it is never absent, and never leads nowhere. */
function watchCurrent(roots: readonly string[]): { stop(): string[] } {
  const seen = new Set<string>()
  const timer = setInterval(() => {
    for (const root of roots) {
      const path = join(root, 'current')
      try {
        lstatSync(join(root, readlinkSync(path), 'VERSION'))
      } catch (error) {
        seen.add(`${root}: at one moment: ${String(error)}`)
      }
    }
  }, 2)
  return {
    stop() {
      clearInterval(timer)
      return [...seen]
    },
  }
}

function notEnded({ signal }: ShipResult): string[] {
  return signal === 'SIGABRT' ? [`ship did not end within ${LONGEST_MS / 1000} s`] : []
}

function toldBy({ code, signal, stdout, stderr }: ShipResult): string {
  const lines = stdout
    .trim()
    .split('\n')
    .filter((line) => !line.includes('step.progress'))
  return [...lines.map((line) => line.slice(0, 400)), stderr.trim(), `ended with ${code ?? signal}`].join('\n')
}

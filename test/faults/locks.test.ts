/** Row (e): two commands at once, every pair of them; eight releases at once; fleets named in opposite order; and locks that were left in a bad state. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ARGS, limited } from '../hosts/inject.ts'
import { AS_ROOT, LIVE, NEXT, type Lane } from '../hosts/lane.ts'
import { makeLanes, type Lanes } from '../hosts/lanes.ts'
import { losses, snapshotOf } from '../hosts/oracle.ts'
import { perform } from '../hosts/perform.ts'
import { COMMANDS, type Fault, type Slot } from '../hosts/schedule.ts'
import { describeOverSsh } from '../support/sshd.ts'

const SLOW = 1_200_000
const PAIR: readonly Slot[] = ['web1', 'here']
/** Went well; locked by the other; refused because the other changed the hosts meanwhile, or there is nothing to do any more. */
const FAIR = [0, 8, 9]

let lanes: Lanes
beforeAll(async () => void (lanes = await makeLanes(4)))
afterAll(() => lanes.dispose())

/** Hosts as new, and what is lost when a release went well on all of them. */
async function made(
  lane: Lane,
  slots: readonly Slot[],
): Promise<{ readonly roots: string[]; readonly lost: () => string[] }> {
  await lane.fresh(slots, () => LIVE, [])
  lane.configure(slots, [], { keep: 2 })
  const roots = slots.flatMap((slot) => lane.hosts.get(slot)?.root ?? [])
  const before = Object.fromEntries(roots.map((root) => [root, snapshotOf(root)]))
  const mayGo = ['1.0.0', '1.1.0']
  const lost = (): string[] => losses(roots, { before, goals: [NEXT], mayCome: [], code: 0, settled: true, mayGo })
  return { roots, lost }
}

describeOverSsh('two commands at once', () => {
  it('every pair: one goes first, the other is told, nothing is lost', { timeout: SLOW }, async () => {
    const pairs = COMMANDS.flatMap((one, index) => COMMANDS.slice(index).map((other) => [one, other] as const))
    await lanes.each(pairs, async ([command, other], lane) => {
      const at = { event: 'step.started', step: 'connect', delayMs: 0 } as const
      const fault: Fault = { kind: 'second', command: other, at }
      const { lost, codes, told } = await perform({ seed: 0, slots: PAIR, command, locked: [], faults: [fault] }, lane)
      expect(lost, `${command} and ${other}\n${told}`).toEqual([])
      const [first = -1, second = -1, ...rest] = codes
      expect(rest).toHaveLength(1)
      for (const code of [first, second])
        expect(FAIR, `${command} ${first}, ${other} ${second}\n${told}`).toContain(code)
    })
  })

  it('eight releases: one wins, and names itself to the others', { timeout: SLOW }, async () => {
    const { lost } = await made(lanes.first, PAIR)
    const results = await Promise.all(
      Array.from({ length: 8 }, () => lanes.first.ship(ARGS.release, 'direct', limited())),
    )
    const codes = results.map(({ code }) => code ?? -1)
    expect(codes.filter((code) => code === 0).length).toBeGreaterThan(0)
    for (const { code, stdout } of results) {
      expect(FAIR, stdout).toContain(code)
    }
    const untold = results.filter(({ code, stdout }) => code === 8 && !/locked by|took the lock over/.test(stdout))
    expect(untold).toEqual([])
    expect(lost()).toEqual([])
  })

  it(
    'three hosts named in opposite order: nobody waits for ever, and the next one has all',
    { timeout: SLOW },
    async () => {
      const slots: readonly Slot[] = ['web1', 'web2', 'here']
      const { lost } = await made(lanes.first, slots)
      const turned = lanes.first.reversed(slots)
      const results = await Promise.all([
        lanes.first.ship(ARGS.release, 'direct', limited()),
        lanes.first.ship(`${ARGS.release} -c ${turned}`, 'direct', limited()),
      ])
      for (const { code, stdout } of results) expect(FAIR, stdout).toContain(code)
      const next = await lanes.first.ship(ARGS.release, 'direct', limited())
      expect(next.code, next.stdout).toBe(0)
      expect(lost()).toEqual([])
    },
  )
})

describeOverSsh('a lock in a bad state', () => {
  it.skipIf(!AS_ROOT)('left by a run on a full disk is the one that its owner says', { timeout: SLOW }, async () => {
    const at = { event: 'step.finished', step: 'stage', delayMs: 0 } as const
    const fault: Fault = { kind: 'disk', slot: 'web2', at }
    const schedule = { seed: 0, slots: ['web2'], command: 'release', locked: ['web2'], faults: [fault] } as const
    const { lost, told } = await perform(schedule, lanes.first)
    expect(lost, told).toEqual([])
    expect(told).not.toContain('looking whether it still lives')
  })

  it.skipIf(!AS_ROOT)('leaves no half record on a full disk', { timeout: SLOW }, async () => {
    const at = { event: 'step.finished', step: 'switch', delayMs: 0 } as const
    for (const slot of ['files', 'web2'] as const) {
      const fault: Fault = { kind: 'disk', slot, at }
      const schedule = { seed: 0, slots: [slot], command: 'rollback', locked: [], faults: [fault] } as const
      const { lost, told } = await perform(schedule, lanes.first)
      expect(lost, told).toEqual([])
    }
  })

  it('without an owner that can be read is taken over once its holder is silent', { timeout: SLOW }, async () => {
    const kinds: readonly Slot[] = AS_ROOT ? ['here', 'web1', 'files'] : ['here', 'web1']
    for (const slot of kinds) {
      const { roots, lost } = await made(lanes.first, [slot])
      mkdirSync(join(roots[0] ?? '', '.ship/lock', 'abad1dea'.repeat(4)), { recursive: true })
      const { code, stdout } = await lanes.first.ship(ARGS.release, 'direct', limited())
      expect(code, stdout).toBe(0)
      expect(lost()).toEqual([])
    }
  })

  it('that is none at all is named, and not waited for', { timeout: SLOW }, async () => {
    const { roots } = await made(lanes.first, ['here'])
    const mine = join(roots[0] ?? '', '.ship/lock/mine')
    mkdirSync(join(mine, '..'), { recursive: true })
    writeFileSync(mine, 'mine\n')
    const { code, stdout } = await lanes.first.ship(ARGS.release, 'direct', limited())
    expect(code, stdout).toBe(8)
    expect(stdout).toContain('/.ship/lock holds what is no lock')
    expect(existsSync(mine)).toBe(true)
    rmSync(mine)
  })
})

/**
 * Random schedules of hosts, commands and faults, and one oracle. Each has a seed: `SHIP_SEED=<seed> npm run test:faults` plays exactly
 * that one again. What fails is made smaller until nothing can be left out.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { AS_ROOT } from '../hosts/lane.ts'
import { makeLanes, type Lanes } from '../hosts/lanes.ts'
import { perform, type Played } from '../hosts/perform.ts'
import { draw, smaller, type Schedule } from '../hosts/schedule.ts'
import { describeOverSsh } from '../support/sshd.ts'

const IS_LONG = process.env['SHIP_FAULTS'] === 'long'
const ONE_SEED = process.env['SHIP_SEED']
const SCHEDULES = ONE_SEED === undefined ? Number(process.env['SHIP_SCHEDULES'] ?? (IS_LONG ? 4000 : 200)) : 1
const LANES = ONE_SEED === undefined ? 4 : 1
/** A slow machine plays as many as it can in this time, and says how many; where a number is asked for, all of them. */
const BUDGET_MS = IS_LONG || ONE_SEED !== undefined || process.env['SHIP_SCHEDULES'] !== undefined ? Infinity : 900_000
const LEAST = Math.min(SCHEDULES, 40)
/** A race shows itself now and then only. */
const TRIES_TO_SHRINK = 3
const SHRINK_MS = 90_000

let lanes: Lanes
beforeAll(async () => void (lanes = await makeLanes(LANES)))
afterAll(() => lanes.dispose())

interface Failure {
  readonly schedule: Schedule
  readonly played: Played
}

describeOverSsh('random schedules', () => {
  it(`up to ${SCHEDULES} of them lose nothing`, { timeout: IS_LONG ? 14_400_000 : 2_700_000 }, async () => {
    // The same ones in every run but the long ones, which go where nobody was before.
    const firstSeed = Number(ONE_SEED ?? (IS_LONG ? Date.now() % 1_000_000_000 : 1))
    const faults = new Map<string, number>()
    let failure: Failure | undefined
    const began = performance.now()
    let runs = 0
    let played = 0
    await lanes.each(
      Array.from({ length: SCHEDULES }, (_, n) => firstSeed + n),
      async (seed, lane) => {
        if (failure || performance.now() - began > BUDGET_MS) return
        const schedule = draw(seed, { asRoot: AS_ROOT })
        const result = await perform(schedule, lane)
        played += 1
        runs += result.codes.length
        for (const kind of result.injected) faults.set(kind, (faults.get(kind) ?? 0) + 1)
        if (result.lost.length > 0) failure ??= { schedule, played: result }
      },
    )
    const counts = [...faults].map(([kind, count]) => `${kind} ${count}`).toSorted((a, b) => (a < b ? -1 : 1))
    console.log(
      `${played} of ${SCHEDULES} schedules from seed ${firstSeed} in ${Math.round((performance.now() - began) / 1000)} s, ${runs} runs of ship; faults: ${counts.join(', ')}`,
    )
    if (failure) {
      const { schedule, played: least } = await shrunk(failure)
      const again = `again: SHIP_SEED=${failure.schedule.seed} npm run test:faults`
      throw new Error([again, ...least.lost, JSON.stringify(schedule), least.told].join('\n'))
    }
    expect(played).toBeGreaterThanOrEqual(BUDGET_MS === Infinity ? SCHEDULES : LEAST)
  })
})

/** The least of a schedule that still fails, as far as it is found in that time. */
async function shrunk(failure: Failure, until = performance.now() + SHRINK_MS): Promise<Failure> {
  for (const schedule of smaller(failure.schedule)) {
    for (let tries = 0; tries < TRIES_TO_SHRINK; tries++) {
      if (performance.now() > until) return failure
      const played = await perform(schedule, lanes.first)
      if (played.lost.length > 0) return shrunk({ schedule, played }, until)
    }
  }
  return failure
}

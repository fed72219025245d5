/**
 * Rows (a), (b) and (d): the line to a host is cut at any byte of a release, by FIN and by RST; it freezes half open; and what a dead run
 * had sent arrives when another release has won.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeLanes, type Lanes } from '../hosts/lanes.ts'
import { perform } from '../hosts/perform.ts'
import type { Command, Fault, Schedule, Slot } from '../hosts/schedule.ts'
import { describeOverSsh } from '../support/sshd.ts'

const IS_LONG = process.env['SHIP_FAULTS'] === 'long'
/** A prime, so that no field of the protocol is hit again and again. */
const STRIDE = IS_LONG ? 97 : 3989
const SLOW = IS_LONG ? 7_200_000 : 1_200_000
/** Keep-alives give a line up after 20 s; then the host is tried again, and put back. */
const GIVEN_UP_MS = 75_000

let lanes: Lanes
beforeAll(async () => void (lanes = await makeLanes(4)))
afterAll(() => lanes.dispose())

function schedule(command: Command, slots: readonly Slot[], ...faults: Fault[]): Schedule {
  return { seed: 0, slots, command, locked: [], faults }
}

/** Bytes that a command puts on the line of a host, each way. */
async function streamOf(command: Command): Promise<{ readonly up: number; readonly down: number }> {
  const relay = lanes.first.hosts.get('web1')?.relay
  let sent = { up: 0, down: 0 }
  // A line that is never reached cuts nothing.
  const fault: Fault = { kind: 'link', slot: 'web1', trouble: 'reset', at: { way: 'up', bytes: 1e9 } }
  const { codes, lost } = await perform(schedule(command, ['web1'], fault), lanes.first, () => {
    if (relay) sent = relay.counted()
  })
  expect({ codes, lost }).toEqual({ codes: [0, 0], lost: [] })
  return sent
}

describeOverSsh('a line that is cut', () => {
  for (const trouble of ['end', 'reset'] as const) {
    it(
      `by ${trouble === 'end' ? 'FIN' : 'RST'}, at bytes all over the stream: old or new, and the next release goes well`,
      { timeout: SLOW },
      async () => {
        const sent = await streamOf('release')
        expect(Math.min(sent.up, sent.down)).toBeGreaterThan(3000)
        const offsets = (['up', 'down'] as const).flatMap((way) =>
          Array.from({ length: Math.ceil(sent[way] / STRIDE) }, (_, n) => ({ way, bytes: 1 + n * STRIDE })),
        )
        let cut = 0
        await lanes.each(offsets, async (at, lane) => {
          const { lost, codes, told } = await perform(
            schedule('release', ['web1'], { kind: 'link', slot: 'web1', trouble, at }),
            lane,
          )
          expect(lost, `${at.bytes} ${at.way}\n${told}`).toEqual([])
          if (codes[0] !== 0) cut += 1
        })
        // A connection that is made anew hides a cut; not all of them.
        expect(cut).toBeGreaterThan(0)
      },
    )
  }
})

describeOverSsh('a line that is half open', () => {
  it('is given up in bounded time, with the host named, wherever it froze', { timeout: SLOW }, async () => {
    const moments: Extract<Fault, { kind: 'link' }>['at'][] = [
      { way: 'up', bytes: 1 },
      { way: 'down', bytes: 2500 },
      { event: 'step.started', step: 'stage', delayMs: 0 },
      { event: 'step.started', step: 'switch', delayMs: 0 },
    ]
    await lanes.each(moments, async (at, lane) => {
      const fault: Fault = { kind: 'link', slot: 'web1', trouble: 'freeze', at }
      const { lost, codes, durationMs, told } = await perform(schedule('release', ['web1', 'web2'], fault), lane)
      expect(lost, `${JSON.stringify(at)}\n${told}`).toEqual([])
      expect(codes[0], told).toBeGreaterThan(0)
      expect(durationMs).toBeLessThan(GIVEN_UP_MS)
      // The result of the first run.
      expect(told.split('\n--\n')[0]).toMatch(/"event":"result".*web1/)
    })
  })
})

describeOverSsh('a ghost', () => {
  for (const command of ['release', 'rollback'] as const) {
    it(`of a ${command}, woken when another release has won, changes nothing`, { timeout: SLOW }, async () => {
      const { up } = await streamOf(command)
      const offsets = Array.from({ length: Math.ceil(up / STRIDE) }, (_, n) => up - 1 - n * STRIDE).filter((n) => n > 0)
      let woken = 0
      await lanes.each(offsets, async (bytes, lane) => {
        const played = await perform(schedule(command, ['web1'], { kind: 'ghost', slot: 'web1', bytes }), lane)
        expect(played.lost, `${bytes}\n${played.told}`).toEqual([])
        woken += played.injected.length
      })
      expect(woken).toBeGreaterThan(offsets.length / 2)
    })
  }
})

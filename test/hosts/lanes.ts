/** Several lanes for a test file, and work spread over them. */
import { rmSync } from 'node:fs'
import { makeLane, makeTemplate, type Lane } from './lane.ts'

export interface Lanes {
  readonly first: Lane
  /** Does each piece of work on whichever lane is free; rejects with the first that does. */
  each<T>(work: readonly T[], play: (one: T, lane: Lane) => Promise<void>): Promise<void>
  dispose(): Promise<void>
}

export async function makeLanes(count: number): Promise<Lanes> {
  const template = await makeTemplate()
  const lanes = await Promise.all(Array.from({ length: count }, () => makeLane(template)))
  const [first] = lanes
  if (!first) throw new RangeError('no lane')
  return {
    first,
    async each(work, play) {
      const left = work.values()
      await Promise.all(
        lanes.map(async (lane) => {
          for (const one of left) await play(one, lane)
        }),
      )
    },
    async dispose() {
      await Promise.all(lanes.map((lane) => lane.dispose()))
      rmSync(template.dir, { recursive: true, force: true })
    },
  }
}

/** Hosts that hang in the middle of a run: nothing is closed and nothing answers. Each way ends in bounded time, with what is true said. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ShipResult } from '../support/cli.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

/** A gate that hangs, a link that is dead, and two connections that are not answered. */
const BOUND_MS = 60_000

interface Timed extends ShipResult {
  readonly ms: number
}

describeOverSsh('a host that freezes in the middle of a run, after its switch', () => {
  let place: Place
  beforeAll(async () => {
    place = await makePlace(3)
    await place.build('1.0.0')
    expect((await place.ship('release')).code).toBe(0)
    await place.build('1.1.0')
    await place.configure({
      strategy: [1, '100%'],
      // Long enough for the host to freeze in it.
      health: [{ exec: 'sleep 1.5', deadline: '4s', timeout: '4s', interval: '100ms' }],
    })
  })
  afterAll(() => place.dispose())

  async function frozenAfterSwitch(which: 'connections' | 'everything'): Promise<Timed> {
    const [first] = place.fleet.hosts
    const started = performance.now()
    const onSeen = (): void => first?.sshd.freeze(which)
    const result = await place.ship('release', { when: 'switch        web1: ok', onSeen })
    return { ...result, ms: performance.now() - started }
  }

  it('is put back over a new connection when it takes one, and the later waves never switch: exit 6', async () => {
    const { code, stderr, stdout, ms } = await frozenAfterSwitch('connections')
    place.fleet.hosts[0]?.sshd.thaw()
    expect({ code, stderr: code === 6 ? '' : stderr }).toEqual({ code: 6, stderr: '' })
    expect(ms).toBeLessThan(BOUND_MS)
    expect(stderr).toMatch(/error: web1, gate: not healthy/)
    expect(stdout).toMatch(/web1 +1\.0\.0 +1\.0\.0 +put back/)
    for (const dir of place.deployTo) expect(await runs(dir)).toMatchObject({ version: '1.0.0', whole: true })
  })

  it('is told as the one that nobody could put back when it takes none: exit 7; the next run goes on from there', async () => {
    const { code, stderr, stdout, ms } = await frozenAfterSwitch('everything')
    place.fleet.hosts[0]?.sshd.thaw()
    expect({ code, stderr: code === 7 ? '' : stderr }).toEqual({ code: 7, stderr: '' })
    expect(ms).toBeLessThan(BOUND_MS)
    expect(stderr).toMatch(/1 of 1 switched hosts could not be put back; a person is needed/)
    expect(stdout).toMatch(/web1 +1\.0\.0 +\S+ +stranded/)
    const now = await Promise.all(place.deployTo.map((dir) => runs(dir)))
    expect(now.map(({ version }) => version)).toEqual(['1.1.0', '1.0.0', '1.0.0'])

    const again = await place.ship('release')
    expect({ code: again.code, stderr: again.code === 0 ? '' : again.stderr }).toEqual({ code: 0, stderr: '' })
    for (const dir of place.deployTo) {
      expect(await runs(dir)).toMatchObject({ version: '1.1.0', whole: true })
      expect(await leftovers(dir)).toEqual([])
    }
  })
})

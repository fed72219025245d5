/** A lease while its token changes: neither a beat that crosses the change nor an answer that is lost costs the lock. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import type { Lease } from '../../src/host/session.ts'
import { shellSession } from '../../src/host/shell/session.ts'
import { localFolder } from '../../src/transport/local.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { SIGNAL } from '../support/bundle.ts'
import { owner, web1 } from './kinds.ts'

const options = { signal: SIGNAL }
let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-lease-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

type Answer = Awaited<ReturnType<Transport['exec']>>

/** A session whose answers to "lock" go through `late`, once the lock is taken for the first time, and whose first beat waits for `first`. Beats come once a second. */
async function held(name: string, late: (answer: Answer) => Promise<Answer>, first?: () => Promise<void>) {
  const deployTo = join(dir, name)
  const folder = localFolder(web1(deployTo, 'local'))
  let isLate = false
  let isFirst = true
  const transport: Transport = {
    ...folder,
    connected: true,
    async exec(script, how) {
      if (script.name === 'beat' && isFirst) {
        isFirst = false
        await first?.()
      }
      const answer = await folder.exec(script, how)
      return isLate && script.name === 'lock' ? late(answer) : answer
    },
  }
  const session = shellSession(transport)
  const { lease } = await session.lock(owner(), { sharedFiles: [] }, { leaseSeconds: 3, ...options })
  isLate = true
  return { session, lease, deployTo }
}

/** Why it was lost, after some more beats. */
async function lossOf(lease: Lease): Promise<unknown> {
  await sleep(3200)
  return lease.signal.reason
}

it('a beat that finds the new token before the run knows it is no loss', async () => {
  const { session, lease } = await held('crossed', async (answer) => {
    await sleep(2400)
    return answer
  })
  const { token } = lease
  await session.fence(lease, options)
  expect(lease.token).not.toBe(token)
  expect(await lossOf(lease)).toBeUndefined()
  await session.unlock(lease, options)
})

it('a beat that was on its way while the token changed is no loss', async () => {
  let onItsWay: (() => void) | undefined
  const begun = new Promise<void>((resolve) => (onItsWay = resolve))
  const { session, lease } = await held(
    'on its way',
    (answer) => Promise.resolve(answer),
    async () => {
      onItsWay?.()
      await sleep(800)
    },
  )
  await begun
  await session.fence(lease, options)
  expect(await lossOf(lease)).toBeUndefined()
  await session.unlock(lease, options)
})

it('the token changes again when the answer to the change before was lost', async () => {
  let lost = 0
  const { session, lease } = await held('lost', (answer) => {
    lost += 1
    return lost <= 2 ? Promise.reject(new ShipError('unreachable', 'cut')) : Promise.resolve(answer)
  })
  const { token } = lease
  await expect(session.fence(lease, options)).rejects.toThrow('cut')
  await sleep(1400)
  await expect(session.fence(lease, options)).rejects.toThrow('cut')
  await session.fence(lease, options)
  expect(lease.token).not.toBe(token)
  expect(await lossOf(lease)).toBeUndefined()
  await session.unlock(lease, options)
})

it('a lock that another run took is lost all the same, at the change and at the next beat', async () => {
  const { session, lease, deployTo } = await held('taken', (answer) => Promise.resolve(answer))
  const other = shellSession(localFolder({ ...session.host, deployTo }))
  const taken = await other.lock(owner(), { sharedFiles: [] }, { leaseSeconds: 30, takeOver: lease.token, ...options })
  await expect(session.fence(lease, options)).rejects.toThrow('taken over')
  expect(await lossOf(lease)).toMatchObject({ reason: 'locked', message: 'another run took the lock over' })
  await other.unlock(taken.lease, options)
})

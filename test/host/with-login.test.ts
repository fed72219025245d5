/** The state that is asked for with the login, against real sshd: it is there when the connection is, and nobody else's question gets its answer. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSession } from '../../src/host/open.ts'
import type { HostSession } from '../../src/host/session.ts'
import { parseHostName } from '../../src/names.ts'
import { SIGNAL } from '../support/bundle.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'

const signal = SIGNAL
const before = process.env['SHIP_SSH_CONFIG']
afterAll(() => {
  if (before === undefined) delete process.env['SHIP_SSH_CONFIG']
  else process.env['SHIP_SSH_CONFIG'] = before
})
const QUESTION = { sharedFiles: ['.env'] }

describeOverSsh('a state that is asked for with the login', () => {
  let fleet: Fleet
  let narrow: Fleet
  beforeAll(async () => {
    fleet = await startFleet(1)
    narrow = await startFleet(1, { config: ['MaxSessions 1'] })
  })
  afterAll(() => Promise.all([fleet.dispose(), narrow.dispose()]))

  const open = (of: Fleet, busy = true): Promise<HostSession> => {
    process.env['SHIP_SSH_CONFIG'] = of.sshConfigFile
    const place = { name: parseHostName('web1'), address: 'web1', deployTo: of.hosts[0]?.root ?? '' }
    const host = { ...place, roles: [], labels: {}, env: {}, transport: 'sftp' } as const
    return openSession(host, { signal, busy, question: QUESTION })
  }

  it('needs no question of its own', async () => {
    const session = await open(fleet)
    // It comes by itself.
    await sleep(1000)
    await session.close()
    const state = await session.probe(QUESTION, { signal })
    expect(state).toMatchObject({ current: { kind: 'absent' }, missingShared: ['.env'], tools: { tar: true } })
    await expect(session.probe(QUESTION, { signal })).rejects.toThrow(/connect/)
  })

  it('is no answer to another question, and is given once', async () => {
    const session = await open(fleet)
    expect(await session.probe({ sharedFiles: ['other'] }, { signal })).toMatchObject({ missingShared: ['other'] })
    const again = await session.probe(QUESTION, { signal })
    expect(again).toMatchObject({ missingShared: ['.env'] })
    await session.close()
  })

  it('is had from a host that allows one command at a time', async () => {
    for (const busy of [true, false]) {
      const session = await open(narrow, busy)
      expect(await session.probe(QUESTION, { signal })).toMatchObject({ missingShared: ['.env'] })
      expect(await session.probe(QUESTION, { signal })).toMatchObject({ missingShared: ['.env'] })
      await session.close()
    }
  })
})

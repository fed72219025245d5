/** `current` read in a tight loop while it is switched two hundred times over SSH: never absent, never half. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSession } from '../../src/host/open.ts'
import { owner, web1 } from '../host/kinds.ts'
import { NODE } from '../support/cli.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { PAGES } from './shop.ts'

const SWITCHES = 200
let place: Place
beforeAll(async () => {
  place = await makePlace(1)
  for (const version of ['1.0.0', '1.1.0']) {
    await place.build(version)
    expect((await place.ship('release')).code).toBe(0)
  }
})
afterAll(() => place.dispose())

describeOverSsh('a reader', () => {
  it(`sees a whole release at any time during ${SWITCHES} switches`, async () => {
    const [deployTo = ''] = place.deployTo
    process.env['SHIP_SSH_CONFIG'] = place.fleet.sshConfigFile
    const { signal } = new AbortController()
    const session = await openSession(web1(deployTo, 'sftp'), { signal })
    const { lease } = await session.lock(owner(), { sharedFiles: [] }, { leaseSeconds: 30, signal })

    const reader = spawn(NODE, [join(import.meta.dirname, 'reader-child.ts'), deployTo, String(PAGES)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const chunks: Buffer[] = []
    reader.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(reader.stdout, 'data')
    let at = 'releases/1.1.0'
    for (let n = 0; n < SWITCHES; n++) {
      const to = at === 'releases/1.1.0' ? 'releases/1.0.0' : 'releases/1.1.0'
      await session.switchTo(to, lease, { signal, expected: at })
      at = to
    }
    reader.stdin.end()
    await once(reader, 'close')
    await session.unlock(lease, { signal })
    await session.close()
    const seen = JSON.parse(Buffer.concat(chunks).toString().trim().split('\n').at(-1) ?? '') as {
      looks: number
      targets: number
      faults: string[]
    }
    expect(seen.faults).toEqual([])
    expect(seen.targets).toBe(2)
    // A reader that hardly looked would prove nothing.
    expect(seen.looks).toBeGreaterThan(SWITCHES * 20)
  })
})

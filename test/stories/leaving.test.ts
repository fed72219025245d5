/**
 * How ship ends: by having nothing left to do. `process.exit` may wait for ever for a thread that compiles (nodejs/node#54918): one run in
 * fifty hung that way, after its last line, where a heap was nearly full. Node itself tells who calls it: `--trace-exit`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startRelay } from '../hosts/relay.ts'
import { ship } from '../support/cli.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'

let place: Place
beforeAll(async () => {
  place = await makePlace(2)
})
afterAll(() => place.dispose())

const TRACED = { NODE_OPTIONS: '--trace-exit' }
const EXITED = 'Exited the environment'

describeOverSsh('a run', () => {
  it('leaves nothing behind that would keep it, with hosts or without, well or not', async () => {
    await place.build('1.0.0')
    for (const [args, wanted] of [
      ['--version', 0],
      ['plan', 0],
      ['release', 0],
      ['release', 0],
      ['status', 0],
      ['history', 0],
      ['rollback', 9],
      ['verify -e production', 0],
      ['releese', 2],
    ] as const) {
      const { code, stderr } = await place.ship(args, { env: TRACED })
      expect({ args, code, stderr }).toEqual({
        args,
        code: wanted,
        stderr: expect.not.stringContaining(EXITED) as string,
      })
    }
  })

  it('does not wait for the goodbye of a host that is far away', async () => {
    const [one] = place.fleet.hosts
    if (!one) throw new Error('no host')
    // The goodbye takes longer than what lingers may.
    const relay = await startRelay(one, { roundTripMs: 1600 })
    try {
      const keys = one.sshd.hostKeys.map((key) => `[127.0.0.1]:${relay.port} ${key}\n`).join('')
      const known = join(place.shop.dir, 'known_hosts')
      writeFileSync(known, keys)
      const far = { host: '127.0.0.1', port: relay.port, user: one.user, knownHosts: known, deployTo: one.root }
      await place.shop.configure({
        name: 'shop',
        build: { from: 'app' },
        environments: { production: { hosts: [{ ...far, identityFile: place.fleet.keyFile }] } },
      })
      const { code, stderr } = await place.ship('status', { env: TRACED })
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining(EXITED) as string })
    } finally {
      await relay.close()
    }
  })

  it('that was made to leave at once tells so under --trace-exit', async () => {
    const { stderr } = await ship(['--version'], {
      env: { NODE_OPTIONS: '--trace-exit --import=data:text/javascript,process.exit(0)' },
    })
    expect(stderr).toContain(EXITED)
  })
})

/** `ship unlock` in the moment in which the run that holds the lock ends, in a folder of this machine. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { owner } from '../host/kinds.ts'
import { ship } from '../support/cli.ts'

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ship-unlock-'))
  const environments = { production: { hosts: [{ host: 'here', deployTo: join(dir, 'host') }] } }
  writeFileSync(
    join(dir, 'ship.config.json'),
    JSON.stringify({ name: 'shop', version: '1.0.0', release: { transport: 'local' }, environments }),
  )
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

it('a lock that is given back between the look and the taking was nobody else taking it', async () => {
  const who = owner()
  const lock = join(dir, 'host/.ship/lock')
  const mine = join(lock, who.token)
  mkdirSync(mine, { recursive: true })
  writeFileSync(join(mine, 'owner'), `${JSON.stringify(who)}\n`)
  writeFileSync(join(mine, 'beat'), '1 none\n')
  // Taking over is a rename, and the run that held the lock ends just before.
  const programs = join(dir, 'programs')
  mkdirSync(programs)
  writeFileSync(join(programs, 'mv'), `#!/bin/sh\nrm -rf "${lock}"\nexec /usr/bin/mv "$@"\n`, { mode: 0o755 })
  const env = { PATH: `${programs}:${process.env['PATH']}`, SHIP_CACHE_DIR: join(dir, 'cache') }
  const result = await ship('unlock --yes', { cwd: dir, env })
  expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining('is not locked any more') })
  expect(result.stdout).toContain('no host was locked')
  expect(existsSync(lock)).toBe(false)
})

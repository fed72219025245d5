/** A prune that is ended just when a release has been moved away: what belonged to the release is gone with it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { shellSession } from '../../src/host/shell/session.ts'
import { localFolder } from '../../src/transport/local.ts'
import { parseVersion } from '../../src/version.ts'
import { owner, web1 } from './kinds.ts'

const PATH = process.env['PATH'] ?? ''
const dir = mkdtempSync(join(tmpdir(), 'ship-prune-'))
afterEach(() => {
  process.env['PATH'] = PATH
  rmSync(dir, { recursive: true, force: true })
})

it('leaves no record of a release that is gone', async () => {
  const { signal } = new AbortController()
  const root = join(dir, 'shop')
  const session = shellSession(localFolder(web1(root, 'local')))
  const { lease } = await session.lock(owner(), { sharedFiles: [] }, { leaseSeconds: 30, signal })
  mkdirSync(join(root, 'releases/1.0.0'), { recursive: true })
  writeFileSync(join(root, '.ship/releases/1.0.0.json'), '{}\n')
  writeFileSync(join(root, '.ship/manifests/1.0.0.sums'), '\n')
  // Ends its whole group, as an interrupted run does, when it has moved.
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'mv'), '#!/bin/sh\n/bin/mv "$@"\nkill -TERM 0\nexit 0\n', { mode: 0o755 })
  process.env['PATH'] = `${bin}${delimiter}${PATH}`
  await session.prune([parseVersion('1.0.0')], lease, { signal }).catch(() => undefined)
  await session.close()
  expect(readdirSync(join(root, 'releases'))).toEqual([])
  expect(readdirSync(join(root, '.ship/releases'))).toEqual([])
  expect(readdirSync(join(root, '.ship/manifests'))).toEqual([])
})

/** known_hosts files of a fleet: every host asks for the same ones. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readKnownHosts } from '../../src/ssh/verify.ts'
import { generateKey } from '../support/keys.ts'

let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-known-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

it('are read once for all hosts, and again when they change', async () => {
  const file = join(dir, 'known_hosts')
  const { publicKey } = generateKey(join(dir, 'key'))
  writeFileSync(file, `Web1.example.com ${publicKey}\n`)
  const missing = join(dir, 'none')
  const [first] = await readKnownHosts([missing, file])
  const [again] = await readKnownHosts([file])
  expect(again).toBe(first)
  expect(first?.matches('web1.example.com')).toBe(true)
  expect(first?.matches('web1xexample.com')).toBe(false)
  appendFileSync(file, `web2 ${publicKey}\n`)
  const both = await readKnownHosts([file])
  expect(both.map((line) => line.matches('web2'))).toEqual([false, true])
  rmSync(file)
  expect(await readKnownHosts([file])).toEqual([])
})

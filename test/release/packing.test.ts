/** What is packed before anybody asks for it is what is sent when it is asked for, and nothing else. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Environment } from '../../src/config/environment.ts'
import type { Bundle } from '../../src/formats/bundle.ts'
import type { Base } from '../../src/formats/delta.ts'
import type { Io } from '../../src/io.ts'
import { foresee } from '../../src/release/foreseen.ts'
import { packOnce, type Packing } from '../../src/release/packing.ts'
import type { Plan } from '../../src/release/plan.ts'
import { keepManifest } from '../../src/tree/seen.ts'
import { makeBundle, SIGNAL } from '../support/bundle.ts'
import { hostState } from './states.ts'

let dir = ''
let [old, next]: Bundle[] = []
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-packing-'))
  process.env['SHIP_CACHE_DIR'] = join(dir, 'cache')
  const big = Buffer.alloc(100_000, 'x')
  old = await makeBundle(dir, { big, small: 'one' }, '1.0.0')
  next = await makeBundle(dir, { big, small: 'two' }, '1.1.0')
  await keepManifest(old.manifest, old.digest)
})
afterAll(() => rmSync(dir, { recursive: true }))

let turn = 0
let folder = ''
let packing: Packing
const steps: string[] = []
beforeEach(() => {
  turn += 1
  folder = join(dir, `packed ${turn}`)
  mkdirSync(folder)
  steps.length = 0
  const environment = { app: 'shop', name: 'live', hosts: [{}] } as unknown as Environment
  const io = { signal: SIGNAL, emit: ({ event }: { event: string }) => steps.push(event) } as unknown as Io
  packing = packOnce(folder, environment, io)
})

const state = hostState({ releases: [] })
/** The last run left the old version live. */
async function left(shared: readonly string[] = []): Promise<Base> {
  if (!old) throw new Error('no bundle')
  const { manifest, digest } = old
  const hosts = [{ host: 'web1', links: shared }]
  const plan = { app: 'shop', environment: 'live', target: manifest.version, digest, hosts } as unknown as Plan
  await foresee(plan, [{ host: 'web1', state }])
  return { version: manifest.version, digest, shared, manifest }
}
const packed = (): string[] => readdirSync(folder)

it('is packed once', async () => {
  if (!next) throw new Error('no bundle')
  const base = await left()
  await packing.prepareForeseen(next)
  await expect.poll(packed).toHaveLength(1)
  expect(steps).toEqual([])
  const payload = packing.pack(next, state.tools, [base])
  await payload.content
  expect(payload.base).toBe('1.0.0')
  expect(packed()).toHaveLength(1)
  expect(steps).toEqual(['step.started', 'step.finished'])
})

it('is packed again where the hosts are not as they were expected', async () => {
  if (!next) throw new Error('no bundle')
  const base = await left(['small'])
  await packing.prepareForeseen(next)
  await expect.poll(packed).toHaveLength(1)
  const payload = packing.pack(next, state.tools, [{ ...base, shared: [] }])
  await payload.content
  expect(packed()).toHaveLength(2)
})

it('is nothing where nothing new is to be released', async () => {
  if (!old) throw new Error('no bundle')
  await left()
  await packing.prepareForeseen(old)
  expect(packed()).toEqual([])
})

it('is given up when nobody wants it', async () => {
  if (!next) throw new Error('no bundle')
  await left()
  await packing.prepareForeseen(next)
  await packing.close()
  await packing.prepareForeseen(next)
  await expect(packing.pack(next, state.tools, []).content).rejects.toThrow('aborted')
})

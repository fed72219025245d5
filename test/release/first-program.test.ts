/** When the first health check may be asked together with the switch, and which program that is. */
import { expect, it } from 'vitest'
import type { GateSpec } from '../../src/config/environment.ts'
import { firstProgram } from '../../src/release/steps/gate.ts'
import type { At } from '../../src/release/step.ts'
import { SIGNAL } from '../support/bundle.ts'

const CHECK = { kind: 'exec', options: { exec: 'test -s VERSION' } } as unknown as GateSpec

interface Parts {
  readonly health?: readonly Partial<GateSpec>[]
  readonly wave?: readonly string[]
  readonly onHost?: number
  readonly here?: number
}

function asked({ health = [CHECK], wave = ['web1'], onHost = 0, here = 0 }: Parts = {}) {
  const host = { name: 'web1', address: 'web1', roles: ['web'], labels: {}, env: {}, deployTo: '/opt/shop' }
  const plan = { kind: 'release', target: '1.1.0', digest: 'd', waves: [['web0'], wave] }
  const environment = { app: 'shop', name: 'production', health, projectDir: '/', hosts: [host] }
  const hooks = { on: () => Array.from({ length: onHost }), local: () => Array.from({ length: here }) }
  const run = { plan, environment, io: { run: 'r1', by: 'me', signal: SIGNAL } }
  return firstProgram({ run, host, plan: { from: null }, hooks, signal: SIGNAL } as unknown as At)
}

it('is the first one that a check runs, with the settings of the release', async () => {
  const program = await asked({ health: [CHECK, { ...CHECK, options: { exec: 'other' } }] })
  expect(program).toMatchObject({ argv: ['sh', '-c', 'test -s VERSION'], cwd: '/opt/shop/current' })
  expect(program?.env).toMatchObject({ SHIP_VERSION: '1.1.0', SHIP_HOST: 'web1', SHIP_ACTION: 'release' })
})

it.each<[string, Parts]>([
  ['there is no check', { health: [] }],
  ['it is asked from here', { health: [{ ...CHECK, from: 'client' }] }],
  ['it is for others', { health: [{ ...CHECK, role: 'db' }] }],
  ['it runs no program', { health: [{ kind: 'tcp', options: { tcp: '127.0.0.1:1' } }] }],
  ['a hook comes before', { onHost: 1 }],
  ['a hook on this machine comes before', { here: 1 }],
  ['other hosts are waited for', { wave: ['web1', 'web2'] }],
])('is none where %s', async (_why, parts) => {
  expect(await asked(parts)).toBeUndefined()
})

/** A new ship may build differently, so it takes over no parts of an older one. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { inputsOf, keyOf } from '../../src/components/inputs.ts'

it('the version of ship is one of the inputs of a part', async () => {
  const context = {
    app: 'shop',
    layout: 'omnibus',
    platform: 'linux-x64',
    wanted: undefined,
    sources: '/',
    bin: {},
  } as const
  const recipe = { name: 'tool', summary: 'a tool', build: () => Promise.resolve() }
  const node = {
    name: 'tool',
    role: 'component',
    recipe,
    id: 'tool',
    text: {},
    tools: [],
    context,
    sources: {},
    dependencies: [],
  } as const
  const { signal } = new AbortController()
  const facts = { node, resolved: [], dependencies: new Map(), entries: [], epoch: 0, prefix: '/opt/shop', signal }
  const inputs = await inputsOf(facts)
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  expect(inputs.values['ship']).toMatch(new RegExp(`^${version.replaceAll('.', '\\.')} `))
  const later = { ...inputs, values: { ...inputs.values, ship: '9.9.9 2' } }
  expect(keyOf(later)).not.toBe(keyOf(inputs))
})

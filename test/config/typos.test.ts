/** What is wrong with a configuration is told as what it is: the word that was meant, a value of another type, a key of another kind. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { idleParts } from '../../src/config/idle.ts'
import { environmentOf } from '../../src/config/environment.ts'
import { loadProject } from '../../src/config/load.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeAll(() => void (project = smallProject()))
afterAll(() => project.dispose())

type Settings = Readonly<Record<string, unknown>>

async function environment(release: Settings, live: Settings = {}) {
  const environments = { live: { hosts: [{ host: 'web1', roles: ['web'] }], ...live } }
  project.configure({ name: 'shop', version: '1.0.0', release, environments })
  return environmentOf(await loadProject({ cwd: project.dir }))
}

async function refusal(release: Settings, live?: Settings): Promise<string> {
  const error = await environment(release, live).then(
    () => new Error('it was taken'),
    (reason: unknown) => reason,
  )
  const { message, details = [] } = error as { message: string; details?: readonly string[] }
  return [message, ...details].join('\n')
}

const HTTP = 'http://127.0.0.1/'

it.each<[Settings, string]>([
  [{ health: [{ http: HTTP, timout: '1s' }] }, 'health[0].timout: unknown key; did you mean "timeout"?'],
  [{ health: [{ http: HTTP, expct: 200 }] }, 'health[0].expct: unknown key; did you mean "expect"?'],
  [{ health: [{ http: HTTP, tcp: 'a:1' }] }, 'health[0].tcp: is a check of its own: write one object for each'],
  [{ health: [{ http: HTTP, expect: '200' }] }, 'health[0].expect: expected number, received string'],
  [{ health: [{ exec: 'true', zzzzzz: 1 }] }, 'health[0].zzzzzz: unknown key (known: role, interval'],
  [{ strategy: { type: 'all', batch: 2 } }, 'strategy.batch: unknown key (known: type)'],
  [{ strategy: { type: 'rolling', bach: 2 } }, 'strategy.bach: unknown key; did you mean "batch"?'],
])('%j', async (release, said) => {
  expect(await refusal(release)).toContain(said)
})

it('a key of a host that is none is told with those that there are', async () => {
  expect(await refusal({}, { hosts: [{ hostname: 'web1' }] })).toMatch(
    /hosts\[0\]\.hostname: unknown key \(known: host, .*deployTo/,
  )
})

it.each<[string, string]>([
  ['web[1..3', '"web[1..3" is not a host'],
  ['web[3:1]', 'range "[3:1]" must count up'],
  ['web1:99999', '"99999" of "web1:99999" is not a port'],
  ['a b@web1', '"a b" of "a b@web1" is not a user name'],
  ['-oProxyCommand=x', '"-oProxyCommand=x" is not a name or address of a host'],
])('a host that is none, %s, is told with the place of its environment', async (host, said) => {
  const told = await refusal({}, { hosts: [host] })
  expect(told).toMatch(/^ship\.config\.json:\d+:\d+ {2}environments\.live: /)
  expect(told).toContain(said)
})

it('a role that no host has is told with what is for it, once', async () => {
  const { hooks, hosts, idle } = await environment({
    hooks: {
      beforeSwitch: [
        { run: 'true', role: 'wbe' },
        { run: 'true', role: 'web' },
      ],
    },
    health: [
      { exec: 'true', role: 'wbe' },
      { exec: 'true', role: 'db' },
    ],
  })
  expect(idle).toEqual([
    'no host of "live" has the role "wbe", so a beforeSwitch hook and a health check for it does nothing; did you mean "web"?',
    'no host of "live" has the role "db", so a health check for it does nothing',
  ])
  expect(idleParts({ hooks, health: [] }, hosts, 'live')).toHaveLength(1)
})

it.each([
  [
    '{\n  "name": "shop",\n  "keep": "a \\" : b",\n  "name": "other"\n}',
    'ship.config.json:4:3  Map keys must be unique',
  ],
  ['{\n  "name": "shop",\n}', 'ship.config.json'],
  ['{ name: shop }', 'ship.config.json'],
])('JSON that is none, or has a key twice, is refused: %j', async (text, said) => {
  writeFileSync(join(project.dir, 'ship.config.json'), text)
  await expect(loadProject({ cwd: project.dir })).rejects.toMatchObject({
    reason: 'config',
    message: expect.stringContaining(said) as string,
  })
})

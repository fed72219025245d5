/** What may be written under `hooks`, `health` and `logs`, what comes of it, and how what is wrong with it is told. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf, type Environment } from '../../src/config/environment.ts'
import { configJsonSchema } from '../../src/config/json-schema.ts'
import { loadProject } from '../../src/config/load.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeAll(() => void (project = smallProject()))
afterAll(() => project.dispose())

const HOSTS = [{ host: 'web1', labels: { port: '8081' }, roles: ['web'] }, 'db1']

function written(release: object): Record<string, unknown> {
  return { name: 'shop', version: '1.0.0', release, environments: { live: { hosts: HOSTS } } }
}

async function environment(release: object): Promise<Environment> {
  project.configure(written(release))
  return environmentOf(await loadProject({ cwd: project.dir }))
}

const refusal = (release: object): Promise<string> =>
  environment(release).then(
    () => 'was taken',
    (error: unknown) => (error instanceof Error ? error.message : ''),
  )

describe('hooks', () => {
  it('are text, a list of words, or more', async () => {
    const more = {
      run: ['bin/migrate', 'up'],
      once: true,
      when: { changed: ['db'] },
      pointOfNoReturn: true,
      timeout: '1h',
    }
    const { hooks } = await environment({ hooks: { beforeSwitch: ['make db', ['touch', 'a b'], more] } })
    expect(hooks.beforeSwitch).toMatchObject([
      { title: 'make db', argv: ['sh', '-c', 'make db'], once: false, timeoutMs: 300_000 },
      { title: 'touch a b', argv: ['touch', 'a b'] },
      { argv: ['bin/migrate', 'up'], once: true, when: { changed: ['db'] }, noReturn: true, timeoutMs: 3_600_000 },
    ])
    expect(hooks.onFailure).toEqual([])
  })

  it('have conditions that are functions where the configuration is a module', async () => {
    const module = join(project.dir, 'other.config.mjs')
    const when = '({ version, changed }) => version === "2.0.0" && changed.includes("a")'
    const hooks = `{ afterSwitch: [{ run: 'true', local: true, when: ${when} }] }`
    writeFileSync(
      module,
      `export default { name: 'shop', version: '1.0.0', release: { hooks: ${hooks} }, environments: { live: { hosts: ['web1'] } } }\n`,
    )
    const loaded = await environmentOf(await loadProject({ cwd: project.dir, configFile: 'other.config.mjs' }))
    const [hook] = loaded.hooks.afterSwitch
    if (typeof hook?.when !== 'function') throw new Error('no function')
    const facts = {
      app: 'shop',
      environment: 'live',
      host: 'web1',
      roles: [],
      action: 'release',
      previous: '',
    } as const
    expect(await hook.when({ ...facts, version: '2.0.0', changed: ['a'] })).toBe(true)
    expect(await hook.when({ ...facts, version: '1.0.0', changed: ['a'] })).toBe(false)
  })

  it('have their schema for editors', () => {
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(configJsonSchema())
    const hooks = { beforeSwitch: ['a', ['b', 'c'], { run: 'd', when: 'upgrade', pointOfNoReturn: true }] }
    const health = [
      { systemd: 'shop.service', hold: '5s' },
      { http: 'http://{address}/', from: 'client', matches: '^ok' },
    ]
    const logs = ['log/app.log', { unit: 'shop' }, { file: 'log/x', lines: 5 }]
    expect(validate(written({ hooks, health, logs, returnAnyway: true }))).toBe(true)
    expect(validate(written({ hooks: { beforeSwitch: [{ run: 'd', pointOfNoRetrun: true }] } }))).toBe(false)
    expect(validate(written({ health: [{ systemd: 'shop.service', unit: 'x' }] }))).toBe(false)
    expect(validate(written({ logs: [{ file: 'a', unit: 'b' }] }))).toBe(false)
  })
})

describe('health checks', () => {
  it('have times of their kind, a place to ask from, and addresses for each host', async () => {
    const { health } = await environment({
      health: [{ http: 'http://127.0.0.1:{port}/', role: 'web', from: 'client', hold: '10s' }, { systemd: 'shop' }],
    })
    expect(health).toMatchObject([
      { kind: 'http', from: 'client', holdMs: 10_000, role: 'web' },
      { kind: 'systemd', from: 'host', holdMs: 0, options: { systemd: 'shop', user: false } },
    ])
  })

  it('that cannot work are refused by name', async () => {
    expect(await refusal({ health: [{ http: 'http://{port}/' }] })).toContain('host "db1" has no label "port"')
    expect(await refusal({ health: [{ http: 'ftp://x/' }] })).toContain('is not a URL')
    expect(await refusal({ health: [{ http: 'http://x/', matches: '(' }] })).toContain('is not a regular expression')
    expect(await refusal({ health: [{ http: 'https://x/', ca: 'nowhere.pem' }] })).toContain(
      '"nowhere.pem", cannot be read',
    )
    expect(await refusal({ health: [{ systemd: '--all' }] })).toContain('is not the name of a unit')
    expect(await refusal({ health: [{ systemd: 'shop', from: 'client' }] })).toContain('are asked on their host')
    expect(await refusal({ health: [{ tcp: 'x:1', from: 'here' }] })).toContain('use "host" or "client"')
  })
})

describe('logs', () => {
  it('are files in a release or units, with a number of lines', async () => {
    const { logs } = await environment({ logs: ['log/app.log', { unit: 'shop', lines: 5 }] })
    expect(logs).toEqual([
      { file: 'log/app.log', lines: 20 },
      { unit: 'shop', lines: 5 },
    ])
    expect(await refusal({ logs: ['../../etc/shadow'] })).toContain('is not a path inside a release')
    expect(await refusal({ logs: [{ unit: '-f' }] })).toContain('is not the name of a unit')
  })
})

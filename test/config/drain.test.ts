/** What may be written under `drain`, what comes of it, and how what is wrong with it is told. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf, type Environment } from '../../src/config/environment.ts'
import { configJsonSchema } from '../../src/config/json-schema.ts'
import { loadProject } from '../../src/config/load.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeAll(() => void (project = smallProject()))
afterAll(() => project.dispose())

const HOSTS = [
  { host: 'web1', labels: { address: '10.0.0.1', port: '8081' }, roles: ['web'], user: 'deploy' },
  { host: 'web2', labels: { port: '8082' }, roles: ['web'] },
  'db1',
]
const NGINX = {
  type: 'nginx',
  on: ['lb[1:2]', 'web1'],
  file: '/etc/nginx/shop.conf',
  server: '{address}:{port}',
  role: 'web',
}

function written(drain: unknown): object {
  return { name: 'shop', version: '1.0.0', release: { drain }, environments: { live: { hosts: HOSTS } } }
}

async function environment(drain: unknown, hosts: readonly string[] = []): Promise<Environment> {
  project.configure(written(drain) as Record<string, unknown>)
  return environmentOf(await loadProject({ cwd: project.dir }), { hosts })
}

describe('a drain', () => {
  it('knows its balancers as hosts, and every host of its role as a server', async () => {
    const { drains } = await environment(NGINX, ['web1'])
    expect(drains).toHaveLength(1)
    expect(drains[0]).toMatchObject({ type: 'nginx', waitMs: 30_000, allowEmpty: false })
    expect(drains[0]?.options).toMatchObject({ file: '/etc/nginx/shop.conf', reload: 'nginx -s reload' })
    expect(drains[0]?.on).toMatchObject([{ name: 'lb1' }, { name: 'lb2' }, { name: 'web1', user: 'deploy' }])
    expect([...(drains[0]?.servers ?? [])]).toEqual([
      ['web1', '10.0.0.1:8081'],
      ['web2', 'web2:8082'],
    ])
  })

  it('may be one of several, or a command on the host or here', async () => {
    const command = {
      type: 'command',
      drain: 'touch /run/maintenance',
      undrain: ['rm', '/run/maintenance'],
      wait: '2m',
    }
    const { drains } = await environment([NGINX, command, { ...command, on: 'client' }])
    expect(drains.map(({ type, on }) => (typeof on === 'string' ? `${type} ${on}` : type))).toEqual([
      'nginx',
      'command host',
      'command client',
    ])
    expect(drains[1]).toMatchObject({ waitMs: 120_000 })
    expect(drains[1]?.servers.size).toBe(3)
  })

  const { role: _, ...everyHost } = NGINX
  const wrong: readonly [string, unknown, RegExp][] = [
    ['of no kind', { ...NGINX, type: 'ngnix' }, /did you mean "nginx"/],
    ['with a key that is none', { ...NGINX, fil: 'x' }, /fil.*unknown key|unknown key/],
    ['without a file', { ...NGINX, file: undefined }, /file/],
    ['with no balancers', { ...NGINX, on: undefined }, /"nginx" needs the balancers/],
    ['on the host', { ...NGINX, on: 'host' }, /"nginx" needs the balancers/],
    ['without the name of a server', { ...NGINX, server: undefined }, /says what the balancer calls a host/],
    ['by a label that a host lacks', everyHost, /host "db1" has no label "port"/],
    ['with one server for two hosts', { ...NGINX, server: '{user}x', role: undefined }, /label "user"|both be server/],
    ['with the same server twice', { ...NGINX, server: 'app:80' }, /"web1" and "web2" would both be server "app:80"/],
    ['with words in a name', { ...NGINX, server: '{host} down;' }, /is not a name that a balancer has/],
    [
      'of a socket that is none',
      { type: 'haproxy', on: ['lb1'], server: '{host}', backend: 'shop', socket: 'x' },
      /socket/,
    ],
    ['with a backend of two words', { type: 'haproxy', on: ['lb1'], server: '{host}', backend: 'a;b' }, /backend/],
  ]
  it.each(wrong)('%s is refused', async (_name, drain, message) => {
    const error = await environment(drain).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ reason: 'config' })
    expect(`${(error as Error).message}\n${((error as { details?: string[] }).details ?? []).join('\n')}`).toMatch(
      message,
    )
  })

  it('has its schema for editors', () => {
    const valid = new Ajv2020({ strict: false, validateFormats: false }).compile(configJsonSchema())
    expect(valid(written(NGINX)), JSON.stringify(valid.errors)).toBe(true)
    expect(valid(written([NGINX, { type: 'command', drain: 'a', undrain: 'b' }]))).toBe(true)
    expect(valid(written({ ...NGINX, fil: 'x' }))).toBe(false)
    expect(valid(written({ type: 'haproxy', on: ['lb1'], server: '{host}' }))).toBe(false)
  })

  it('is shown with where its values come from', async () => {
    project.configure(written(NGINX) as Record<string, unknown>)
    const { stdout } = await project.ship('config')
    expect(stdout).toMatch(/^release\.drain\.0\.file += "\/etc\/nginx\/shop\.conf" {2}\(ship\.config\.json\)$/m)
    expect(stdout).toMatch(/^release\.drain\.0\.reload += "nginx -s reload" {2}\(default\)$/m)
    expect(stdout).toMatch(/^release\.drain\.0\.wait += "30s" {2}\(default\)$/m)
  })
})

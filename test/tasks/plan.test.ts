/** Tasks as they are written: in which order and where they run, and what is refused by name, with its place, before a host is reached. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf } from '../../src/config/environment.ts'
import { loadProject } from '../../src/config/load.ts'
import { ShipError } from '../../src/errors.ts'
import { taskJobs, taskOrder } from '../../src/tasks/plan.ts'

let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-tasks-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const HOSTS = [
  { host: 'web1', local: 'web1', roles: ['web'] },
  { host: 'web2', local: 'web2', roles: ['web', 'cron'] },
  { host: 'db1', local: 'db1', roles: ['db'] },
]

async function project(tasks: unknown) {
  const config = { name: 'shop', environments: { production: { hosts: HOSTS } }, tasks }
  writeFileSync(join(dir, 'ship.config.json'), JSON.stringify(config, null, 2))
  return loadProject({ cwd: dir })
}

async function refused(tasks: unknown): Promise<string> {
  try {
    await project(tasks)
  } catch (error) {
    if (error instanceof ShipError && error.reason === 'config') return [error.message, ...error.details].join('\n')
    throw error
  }
  return 'not refused'
}

async function jobs(
  tasks: unknown,
  wanted: string,
  more: { args?: string[]; env?: Record<string, string>; roles?: string[] } = {},
) {
  const loaded = await project(tasks)
  const environment = await environmentOf(loaded, { roles: more.roles })
  return taskJobs(loaded.config.tasks, wanted, { environment, args: more.args ?? [], env: more.env ?? {} })
}

describe('tasks', () => {
  it('run after those that they need, each once', async () => {
    const { config } = await project({
      all: { needs: ['b', 'c'] },
      a: 'true',
      b: { run: 'true', needs: ['a'] },
      c: { run: 'true', needs: ['a', 'b'] },
      other: 'true',
    })
    expect(taskOrder(config.tasks, 'all')).toEqual(['a', 'b', 'c', 'all'])
    expect(taskOrder(config.tasks, 'a')).toEqual(['a'])
  })

  it('run on the hosts of their roles, on one of them, here, so many at a time', async () => {
    const all = await jobs(
      {
        all: { needs: ['web', 'one', 'here', 'serial', 'two'] },
        web: { run: 'true', roles: ['web', 'db'] },
        one: { run: ['true'], roles: ['cron', 'db'], once: true },
        here: { run: 'true', local: true, cwd: 'sub' },
        serial: { run: 'true', parallel: false, cwd: 'shared' },
        two: { run: 'true', parallel: 2, timeout: '90s', cwd: '/srv' },
      },
      'all',
    )
    const told = all.map((job) => ({
      step: job.step,
      hosts: job.hosts.map((host) => `${host.name} ${job.cwd(host).replace(dir, '')}`),
      atOnce: job.atOnce,
      stop: job.stopAtFailure,
      timeoutMs: job.timeoutMs,
    }))
    const every = (folder: string) => ['web1', 'web2', 'db1'].map((name) => `${name} ${folder.replace('*', name)}`)
    expect(told).toEqual([
      { step: 'web', hosts: every('/*/current'), atOnce: undefined, stop: false, timeoutMs: undefined },
      { step: 'one', hosts: ['web2 /web2/current'], atOnce: undefined, stop: false, timeoutMs: undefined },
      { step: 'here', hosts: ['local /sub'], atOnce: undefined, stop: false, timeoutMs: undefined },
      { step: 'serial', hosts: every('/*/shared'), atOnce: 1, stop: true, timeoutMs: undefined },
      { step: 'two', hosts: every('/srv'), atOnce: 2, stop: false, timeoutMs: 90_000 },
      { step: 'all', hosts: every('/*/current'), atOnce: undefined, stop: false, timeoutMs: undefined },
    ])
  })

  it('get arguments and secrets as data, and only the one that was asked for gets arguments', async () => {
    const tasks = { a: { run: 'echo "$@"', needs: ['b'], secrets: ['TOKEN'] }, b: ['echo', 'x'] }
    const [b, a] = await jobs(tasks, 'a', { args: ['$(touch pwned)', 'two words'], env: { TOKEN: 'secret' } })
    expect(b?.work).toMatchObject({ argv: ['echo', 'x'] })
    expect(a?.work).toMatchObject({ argv: ['sh', '-c', 'echo "$@"', 'ship', '$(touch pwned)', 'two words'] })
    expect({ a: a?.secrets, b: b?.secrets }).toEqual({ a: { TOKEN: 'secret' }, b: {} })
    await expect(jobs(tasks, 'a')).rejects.toThrow('task "a" wants the secret "TOKEN", which is not set')
  })

  it('that no chosen host has the role of are refused when asked for, and passed over when needed', async () => {
    const tasks = {
      a: { run: 'true', roles: ['wbe'] },
      b: { run: 'true', needs: ['c'] },
      c: { run: 'true', roles: ['db'] },
    }
    await expect(jobs(tasks, 'a')).rejects.toThrow('no chosen host has a role of task "a": wbe; did you mean "web"?')
    const [c, b] = await jobs(tasks, 'b', { roles: ['web'] })
    expect([c?.hosts.length, c?.idle]).toEqual([0, 'no chosen host has a role of db'])
    expect(b?.hosts.map((host) => host.name)).toEqual(['web1', 'web2'])
  })

  it('of another name are refused with the nearest', async () => {
    const { config } = await project({ clearCache: 'true', migrate: 'true' })
    expect(() => taskOrder(config.tasks, 'clearCach')).toThrow(
      'there is no task "clearCach"; did you mean "clearCache"?',
    )
    expect(() => taskOrder(config.tasks, 'toString')).toThrow('there is no task "toString"')
  })

  it('that need what is not there, or each other in a circle, are refused with their place', async () => {
    expect(await refused({ clearCache: 'true', b: { run: 'true', needs: ['clearCahe'] } })).toMatch(
      /^ship\.config\.json:\d+:\d+  tasks\.b\.needs\[0\]: there is no task "clearCahe"; did you mean "clearCache"\?$/,
    )
    const circle = { a: { needs: ['b'] }, b: { run: 'true', needs: ['c'] }, c: { run: 'true', needs: ['b'] } }
    expect(await refused(circle)).toMatch(/tasks\.b\.needs: tasks need each other in a circle: b -> c -> b$/)
    expect(await refused({ a: { run: 'true', needs: ['a'] } })).toContain('a -> a')
    expect(await refused({ a: {} })).toContain('has nothing to do: give it "run" or "needs"')
    expect(await refused({ a: { run: 'true', local: true, roles: ['web'] } })).toContain('is local')
    expect(await refused({ a: { run: 'true', role: ['web'] } })).toContain('did you mean "roles"?')
    expect(await refused({ a: { run: 'true', timeout: '5 parsecs' } })).toContain('is not a duration')
    expect(await refused({ '-a': 'true' })).toContain('is not a name for a task')
    expect(await refused({ a: { run: [] } })).toContain('tasks.a.run')
  })
})

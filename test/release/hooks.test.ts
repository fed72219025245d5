/** Which hooks run where, and what lies behind a point of no return: decided from plain values. */
import { describe, expect, it } from 'vitest'
import type { Environment } from '../../src/config/environment.ts'
import type { Hook, When, WhenFacts } from '../../src/config/hooks.ts'
import { parseAppName, parseHostName } from '../../src/names.ts'
import { chooseHooks, onceKey, type HookHost } from '../../src/release/choose-hooks.ts'
import { passedBetween, releaseAcross, rollbackAcross } from '../../src/release/no-return.ts'
import type { HostPlan, Plan } from '../../src/release/plan.ts'
import { direction, holds } from '../../src/release/when.ts'
import { parseVersion } from '../../src/version.ts'
import { hostState, linkTo, record } from './states.ts'

function hook(title: string, more: Partial<Hook> = {}): Hook {
  return { title, argv: [title], once: false, role: undefined, timeoutMs: 1000, env: {}, ...more }
}

function facts(more: Partial<WhenFacts> = {}): WhenFacts {
  const base = { app: 'shop', environment: 'production', host: 'web1', roles: [], action: 'release' } as const
  return { ...base, version: '1.1.0', previous: '1.0.0', changed: undefined, ...more }
}

function environmentWith(hooks: Partial<Environment['hooks']>): Environment {
  return {
    name: 'production',
    app: parseAppName('shop'),
    hosts: [],
    keep: 5,
    shared: { dirs: [], files: [], optionalFiles: [] },
    hooks: { beforeStage: [], beforeSwitch: [], afterSwitch: [], afterVerify: [], onFailure: [], ...hooks },
    health: [],
    logs: [],
    returnAnyway: false,
    strategy: { type: 'all' },
    maxUnreachable: { hosts: 0 },
    maxFailed: { hosts: 0 },
    drains: [],
    limit: undefined,
    reuse: 'copy',
    projectDir: '/project',
  }
}

function at(name: string, action: HostPlan['action'], more: Partial<WhenFacts> = {}): HookHost {
  const roles = more.roles ?? []
  const host = { name: parseHostName(name), address: name, roles, labels: {}, env: {}, deployTo: '/opt/shop' }
  const plan: HostPlan = {
    host: host.name,
    action,
    why: '',
    from: null,
    fromVersion: undefined,
    back: null,
    changes: undefined,
    treeBytes: 0,
    links: [],
    hooks: [],
    gates: [],
    drains: [],
    prune: [],
    lock: undefined,
  }
  return { host: { ...host, transport: 'sftp' }, plan, facts: facts({ host: name, ...more }) }
}

describe('a condition', () => {
  const is = (when: When, more: Partial<WhenFacts> = {}) => holds(hook('h', { when }), facts(more))

  it('tells a first release, an upgrade and a downgrade apart', () => {
    const of = (previous: string, version: string, action: WhenFacts['action'] = 'release') =>
      direction({ version, previous, action })
    expect(of('', '1.0.0')).toBe('first')
    expect(of('1.9.0', '1.10.0')).toBe('upgrade')
    expect(of('1.10.0', '1.9.0')).toBe('downgrade')
    expect(of('/srv/old', '1.0.0')).toBe('upgrade')
    expect(of('1.0.0', '')).toBe('downgrade')
    expect(of('1.0.0', '1.0.0', 'rollback')).toBe('downgrade')
  })

  it('looks at the files that differ; what is not known may have changed', async () => {
    const changed = ['app/db/migrate/7.sql', '.env.sample']
    expect(await is({ changed: ['app/db'] }, { changed })).toBe(true)
    expect(await is({ changed: ['**/*.sql'] }, { changed })).toBe(true)
    expect(await is({ changed: ['*.sample'] }, { changed })).toBe(true)
    expect(await is({ changed: ['db', '*.sql'] }, { changed })).toBe(false)
    expect(await is({ changed: ['db'] }, { changed: [] })).toBe(false)
    expect(await is({ changed: ['db'] }, { changed: undefined })).toBe(true)
  })

  it('may be a function; one that throws is named', async () => {
    expect(await is(({ host, version }) => host === 'web1' && version === '1.1.0')).toBe(true)
    expect(await is(() => Promise.resolve(false))).toBe(false)
    const broken = is(() => {
      throw new Error('no such thing')
    })
    await expect(broken).rejects.toMatchObject({
      reason: 'config',
      message: '"when" of hook "h" threw for host "web1": no such thing',
    })
  })
})

describe('hooks are chosen', () => {
  it('by role and condition; one that runs once goes to the first host that it holds for', async () => {
    const beforeSwitch = [
      hook('all'),
      hook('db', { role: 'db' }),
      hook('once', { once: true, when: ({ changed }) => changed?.includes('m') === true }),
      hook('never', { once: true, when: () => false }),
      hook('here', { local: true, when: 'upgrade' }),
      hook('not here', { local: true, when: 'first' }),
    ]
    const choice = await chooseHooks(environmentWith({ beforeSwitch }), [
      at('web1', 'stage', { changed: [] }),
      at('web2', 'reuse', { changed: ['m'] }),
      at('web3', 'stage', { changed: ['m'], roles: ['db'] }),
    ])
    const on = (name: string) => choice.on('beforeSwitch', name).map(({ title }) => title)
    expect([on('web1'), on('web2'), on('web3')]).toEqual([['all'], ['all', 'once'], ['all', 'db']])
    expect(choice.local('beforeSwitch').map(({ title }) => title)).toEqual(['here'])
    expect(choice.local('afterSwitch')).toEqual([])
    expect(choice.noReturn).toBeUndefined()
  })

  it('those before the switch not for a host that is switched already', async () => {
    const hooks = { beforeSwitch: [hook('migrate', { once: true, noReturn: true })], afterSwitch: [hook('reload')] }
    const resumed = await chooseHooks(environmentWith(hooks), [at('web1', 'resume'), at('web2', 'stage')])
    // It belonged to the first host, and was done there.
    expect(resumed.on('beforeSwitch', 'web1')).toEqual([])
    expect(resumed.on('beforeSwitch', 'web2')).toEqual([])
    expect(resumed.on('afterSwitch', 'web1').map(({ title }) => title)).toEqual(['reload'])
    const fresh = await chooseHooks(environmentWith(hooks), [at('web1', 'stage')])
    expect(fresh.noReturn).toBe('migrate')
  })

  it('what cannot be taken back only on the way forward, and it counts only when it runs', async () => {
    const beforeSwitch = [hook('migrate', { noReturn: true, when: { changed: ['m'] } })]
    const choose = (more: Partial<WhenFacts>) =>
      chooseHooks(environmentWith({ beforeSwitch }), [at('web1', 'stage', more)])
    expect((await choose({ changed: ['m'] })).noReturn).toBe('migrate')
    expect((await choose({ changed: ['x'] })).noReturn).toBeUndefined()
    const back = await choose({ changed: ['m'], action: 'rollback' })
    expect([back.noReturn, back.on('beforeSwitch', 'web1')]).toEqual([undefined, []])
  })

  it('and remembered for one release, one point and one command', () => {
    const plan = (target: string, kind: Plan['kind'] = 'release'): Plan => ({
      schema: 1,
      kind,
      app: parseAppName('shop'),
      environment: 'production',
      target: parseVersion(target),
      digest: `digest-of-${target}`,
      observed: '',
      hosts: [],
      local: [],
      waves: [],
      waveRules: [],
      behind: [],
      allowances: { unreachable: 0, failed: 0 },
    })
    const keys = [
      onceKey(plan('1.0.0'), 'beforeSwitch', hook('a')),
      onceKey(plan('1.0.1'), 'beforeSwitch', hook('a')),
      onceKey(plan('1.0.0', 'rollback'), 'beforeSwitch', hook('a')),
      onceKey(plan('1.0.0'), 'afterSwitch', hook('a')),
      onceKey(plan('1.0.0'), 'beforeSwitch', hook('b')),
    ]
    expect(new Set(keys).size).toBe(keys.length)
    expect(onceKey(plan('1.0.0'), 'beforeSwitch', hook('a', { timeoutMs: 5 }))).toBe(keys[0])
  })
})

describe('a point of no return', () => {
  const passed = (version: string, seq: number) => ({
    noReturn: { hook: 'migrate', version: parseVersion(version), seq },
  })
  const releases = [
    record('1.0.0', 'verified', 1),
    record('1.1.0', 'verified', 2, passed('1.1.0', 2)),
    record('1.2.0', 'verified', 3, passed('1.1.0', 2)),
  ]
  const [first, second, third] = releases
  const state = hostState({ current: linkTo('1.2.0'), releases })
  const environment = environmentWith({})

  it('lies between a release and those that were live before it', () => {
    if (!first || !second || !third) throw new Error('no records')
    expect(passedBetween(second, 'releases/1.0.0', state)).toMatchObject({ version: '1.1.0' })
    expect(passedBetween(third, 'releases/1.0.0', state)).toMatchObject({ version: '1.1.0' })
    expect(passedBetween(third, 'releases/1.1.0', state)).toBeUndefined()
    expect(passedBetween(first, 'releases/1.1.0', state)).toBeUndefined()
    // What ship did not make came before everything; nothing at all is no release that could not work.
    expect(passedBetween(second, '/srv/old', state)).toMatchObject({ hook: 'migrate' })
    expect(passedBetween(second, null, state)).toBeUndefined()
  })

  it('is told by name when somebody would go behind it', () => {
    if (!first || !second) throw new Error('no records')
    expect(rollbackAcross(environment, first, state)).toMatchObject({
      reason: 'refused',
      message: '1.0.0 lies behind the point of no return of 1.1.0',
      details: [expect.stringContaining('hook "migrate" of 1.1.0')],
      next: [expect.stringContaining('ship rollback 1.0.0 --force -e production')],
    })
    expect(rollbackAcross(environment, second, state)).toBeUndefined()
    expect(releaseAcross(environment, parseVersion('1.0.5'), state)).toMatchObject({ reason: 'refused' })
    expect(releaseAcross(environment, parseVersion('1.1.0'), state)).toBeUndefined()
    expect(releaseAcross(environment, parseVersion('2.0.0'), state)).toBeUndefined()
  })
})

import { describe, expect, it } from 'vitest'
import type { Environment } from '../../src/config/environment.ts'
import { ShipError } from '../../src/errors.ts'
import type { HostState } from '../../src/host/session.ts'
import { parseAppName, parseHostName, parseRelPath } from '../../src/names.ts'
import type { PlanOptions, Target } from '../../src/release/fit.ts'
import { wayBack } from '../../src/release/observe.ts'
import { releasePlan, rollbackPlan, type Plan } from '../../src/release/plan.ts'
import { parseVersion } from '../../src/version.ts'
import { hostState, linkTo, record } from './states.ts'

const HOOK = { title: 'bin/migrate', argv: ['bin/migrate'], once: true, role: undefined, timeoutMs: 1000, env: {} }

const environment: Environment = {
  name: 'production',
  app: parseAppName('shop'),
  hosts: ['web1', 'web2'].map((name) => ({
    name: parseHostName(name),
    address: name,
    roles: [],
    labels: {},
    env: {},
    deployTo: '/opt/shop',
    transport: 'sftp',
  })),
  keep: 2,
  shared: { dirs: ['uploads'], files: ['.env'], optionalFiles: ['local.yml'] },
  hooks: { beforeStage: [], beforeSwitch: [HOOK], afterSwitch: [], afterVerify: [], onFailure: [] },
  health: [],
  strategy: { type: 'all' },
  logs: [],
  returnAnyway: false,
  maxUnreachable: { hosts: 0 },
  maxFailed: { hosts: 0 },
  drains: [],
  limit: undefined,
  reuse: 'copy',
  projectDir: '/project',
}

function target(version: string, platform = 'any'): Target {
  return {
    digest: `digest-of-${version}`,
    manifest: {
      schema: 1,
      name: environment.app,
      version: parseVersion(version),
      platform,
      epoch: 0,
      components: [],
      entries: [{ path: parseRelPath('a.txt'), type: 'file', mode: 0o644, size: 1000, sha256: '0'.repeat(64) }],
    },
  }
}

function plan(version: string, states: readonly HostState[], options?: PlanOptions): Plan {
  const observed = states.map((state, i) => ({ host: `web${i + 1}`, state }))
  return releasePlan(environment, target(version), observed, options)
}

function refusal(work: () => unknown): ShipError {
  try {
    work()
  } catch (error) {
    if (error instanceof ShipError) return error
    throw error
  }
  throw new Error('was not refused')
}

const fresh = hostState()
const onOne = hostState({ current: linkTo('1.0.0'), releases: [record('1.0.0', 'verified', 1)] })

describe('releasePlan', () => {
  it('stages on a new host, with nothing to go back to', () => {
    const [web1] = plan('1.0.0', [fresh, fresh]).hosts
    expect(web1).toMatchObject({ action: 'stage', from: null, back: null, treeBytes: 1000 })
    expect(web1?.links).toEqual(['uploads', '.env', 'local.yml'])
  })

  it('does nothing where the version is live and verified', () => {
    const result = plan('1.0.0', [onOne, fresh])
    expect(result.hosts.map((h) => h.action)).toEqual(['none', 'stage'])
    expect(result.waves).toEqual([['web2']])
  })

  it('runs a once hook on the first busy host only', () => {
    const hooks = (states: HostState[]) => plan('1.0.0', states).hosts.map((h) => h.hooks.length)
    expect(hooks([fresh, fresh])).toEqual([1, 0])
    expect(hooks([onOne, fresh])).toEqual([0, 1])
  })

  it('reuses what is staged', () => {
    const staged = hostState({ ...onOne, releases: [...onOne.releases, record('1.1.0', 'staged', 0)] })
    expect(plan('1.1.0', [staged, staged]).hosts[0]).toMatchObject({
      action: 'reuse',
      treeBytes: 0,
      back: 'releases/1.0.0',
    })
  })

  it('resumes after a run that died between its switch and its gate, and goes back behind it', () => {
    const dead = hostState({
      current: linkTo('1.1.0'),
      releases: [record('1.0.0', 'verified', 1), record('1.1.0', 'live', 2, { previous: 'releases/1.0.0' })],
    })
    expect(plan('1.1.0', [dead, dead]).hosts[0]).toMatchObject({ action: 'resume', back: 'releases/1.0.0' })
    expect(plan('1.2.0', [dead, dead]).hosts[0]).toMatchObject({
      action: 'stage',
      from: 'releases/1.1.0',
      back: 'releases/1.0.0',
    })
  })

  it.each<[string, Partial<HostState>, string, number]>([
    [
      'a directory',
      { current: { kind: 'obstacle', what: 'directory' } },
      '"/opt/shop/current" is a directory, not a link',
      5,
    ],
    ['no right', { notWritable: 'no right to write "/opt/shop"' }, 'no right to write "/opt/shop"', 5],
    ['a shared file', { missingShared: ['.env'] }, '"shared/.env" does not exist on the host', 5],
    ['disk', { disk: { freeBytes: 100, freeInodes: 1e6 } }, 'not enough disk space: 4.2 MB needed, 100 B free', 5],
    ['inodes', { disk: { freeBytes: 1e9, freeInodes: 3 } }, 'not enough inodes: 65 needed, 3 free', 5],
    ['tools', { tools: { ...fresh.tools, sha256sum: false, mvT: false } }, 'the host lacks sha256sum, "mv -T"', 5],
    [
      'file systems',
      { oneFileSystem: false },
      '"/opt/shop/releases" and "/opt/shop/.ship" are on different file systems',
      5,
    ],
    [
      'other bytes',
      { releases: [record('1.1.0', 'staged', 0, { digest: 'other' })] },
      'version 1.1.0 is already on this host with other bytes',
      9,
    ],
    ['a foreign folder', { foreign: ['1.1.0'] }, '"/opt/shop/releases/1.1.0" was not made by ship', 9],
  ])('refuses by name: %s', (_title, change, message, exit) => {
    const error = refusal(() => plan('1.1.0', [fresh, hostState(change)]))
    expect(error.message).toBe(message)
    expect(error.host).toBe('web2')
    expect(error.reason).toBe(exit === 5 ? 'not-switched' : 'refused')
    expect(error.next.length).toBeGreaterThan(0)
  })

  it('tells several hosts with one cause once, and several causes each', () => {
    const full = hostState({ disk: { freeBytes: 0, freeInodes: 1e6 } })
    expect(refusal(() => plan('1.1.0', [full, full])).host).toBe('web1, web2')
    const mixed = refusal(() => plan('1.1.0', [full, hostState({ missingShared: ['.env'] })]))
    expect(mixed.message).toBe('2 of 2 hosts failed')
    expect(mixed.details).toEqual([
      'web1: not enough disk space: 4.2 MB needed, 0 B free',
      'web2: "shared/.env" does not exist on the host',
    ])
  })

  describe('with hosts that may fail or be missing', () => {
    const full = hostState({ ...onOne, disk: { freeBytes: 0, freeInodes: 1e6 } })
    const lenient: Environment = { ...environment, maxFailed: { share: 0.5 }, maxUnreachable: { hosts: 1 } }
    const planFor = (states: readonly HostState[], env = lenient, version = '1.1.0') =>
      releasePlan(
        env,
        target(version),
        states.map((state, i) => ({ host: `web${i + 1}`, state })),
      )

    it('goes on without the one that cannot take part, and a hook that runs once is on another', () => {
      const result = planFor([full, onOne])
      expect(result.allowances).toEqual({ failed: 1, unreachable: 1 })
      expect(result.behind).toEqual([
        {
          host: 'web1',
          kind: 'failed',
          why: 'not enough disk space: 4.2 MB needed, 0 B free',
          runs: '1.0.0',
        },
      ])
      expect(result.hosts.map((h) => [h.host, h.hooks.length])).toEqual([['web2', 1]])
      expect(result.waves).toEqual([['web2']])
      // What is left out is not locked, so what is on it is no part of what must stay as it is.
      expect(result.observed).toBe(planFor([{ ...full, current: { kind: 'absent' } }, onOne]).observed)
    })

    it('not without more than that, nor when nothing would be done on any other', () => {
      expect(refusal(() => planFor([full, full])).message).toContain('not enough disk space')
      expect(refusal(() => planFor([full, onOne], { ...lenient, maxFailed: { share: 0.49 } })).host).toBe('web1')
      const empty = hostState({ disk: full.disk })
      expect(refusal(() => planFor([empty, onOne], lenient, '1.0.0')).host).toBe('web1')
    })

    it('not without one that is refused: that is no trouble of a host', () => {
      const tampered = hostState({ ...onOne, releases: [record('1.1.0', 'staged', 0, { digest: 'other' })] })
      expect(refusal(() => planFor([tampered, onOne])).reason).toBe('refused')
    })

    it('names those that were not reached', () => {
      const [, web2] = environment.hosts
      if (!web2) throw new Error('no web2')
      const missing = [{ host: web2, error: new ShipError('unreachable', 'connection refused') }]
      const observed = [{ host: 'web1', state: onOne }]
      const options = { missing }
      const behind = [{ host: 'web2', kind: 'unreachable', why: 'connection refused', runs: undefined }]
      expect(releasePlan(lenient, target('1.1.0'), observed, options)).toMatchObject({ behind, waves: [['web1']] })
      expect(rollbackPlan(lenient, parseVersion('1.0.0'), observed, options).behind).toEqual(behind)
    })
  })

  it('refuses to go down without being told so', () => {
    expect(refusal(() => plan('0.9.0', [onOne, onOne])).message).toBe(
      'version 0.9.0 is older than 1.0.0, which is live',
    )
    expect(plan('0.9.0', [onOne, onOne], { allowDowngrade: true }).hosts[0]?.action).toBe('stage')
  })

  it('refuses a bundle of another platform', () => {
    const observed = [{ host: 'web1', state: fresh }]
    const error = refusal(() => releasePlan(environment, target('1.0.0', 'linux-arm64'), observed))
    expect(error.message).toBe('the bundle is for linux-arm64, the host is linux-x64')
    expect(releasePlan(environment, target('1.0.0', 'linux-x64'), observed).hosts).toHaveLength(1)
  })

  it('names another observation when a host changed, and the same one when only its clock and disk did', () => {
    const before = plan('1.1.0', [onOne, onOne]).observed
    expect(
      plan('1.1.0', [onOne, hostState({ ...onOne, clock: 5, disk: { freeBytes: 1e11, freeInodes: 1e5 } })]).observed,
    ).toBe(before)
    expect(plan('1.1.0', [onOne, fresh]).observed).not.toBe(before)
  })
})

describe('wayBack', () => {
  it.each<[string, HostState, string | null]>([
    ['nothing was there', fresh, null],
    ['a verified release', onOne, 'releases/1.0.0'],
    [
      'a link of another tool stays as it is',
      hostState({ current: { kind: 'link', target: '/srv/app/r1', version: undefined, dangling: false } }),
      '/srv/app/r1',
    ],
    [
      'a dangling link leads to the last verified',
      hostState({
        current: { kind: 'link', target: 'releases/9.9.9', version: undefined, dangling: true },
        releases: onOne.releases,
      }),
      'releases/1.0.0',
    ],
    [
      'a first release that died leads to nothing',
      hostState({ current: linkTo('1.0.0'), releases: [record('1.0.0', 'live', 1)] }),
      null,
    ],
    [
      'a predecessor that is gone leads to the last verified',
      hostState({
        current: linkTo('1.2.0'),
        releases: [record('1.0.0', 'verified', 1), record('1.2.0', 'live', 3, { previous: 'releases/1.1.0' })],
      }),
      'releases/1.0.0',
    ],
  ])('%s', (_title, state, expected) => {
    expect(wayBack(state)).toBe(expected)
  })
})

describe('a host without a shell', () => {
  it('cannot go back by itself, so "confirm" is refused for it', () => {
    const files = { ...onOne, withoutShell: ['no hooks'] }
    const bare = { ...environment, hooks: { ...environment.hooks, beforeSwitch: [] } }
    const observed = [{ host: 'web1', state: files }]
    expect(releasePlan(bare, target('1.1.0'), observed).hosts).toHaveLength(1)
    const error = refusal(() => releasePlan({ ...bare, confirmMs: 30_000 }, target('1.1.0'), observed))
    expect(error).toMatchObject({ reason: 'not-switched', details: ['confirm: nothing there can go back by itself'] })
    expect(error.next[0]).toContain('confirm: false')
  })
})

describe('rollbackPlan', () => {
  const after = hostState({
    current: linkTo('1.1.0'),
    releases: [record('1.0.0', 'verified', 1), record('1.1.0', 'verified', 2), record('1.2.0', 'bad', 3)],
  })

  it('goes to a verified release without asking for disk space', () => {
    const observed = [{ host: 'web1', state: { ...after, disk: { freeBytes: 0, freeInodes: 0 } } }]
    expect(rollbackPlan(environment, parseVersion('1.0.0'), observed).hosts[0]).toMatchObject({
      action: 'reuse',
      back: 'releases/1.1.0',
    })
  })

  it.each([
    ['1.2.0', 'version 1.2.0 is "bad" there, and only verified releases are rolled back to'],
    ['7.0.0', 'version 7.0.0 is not there'],
  ])('refuses %s', (version, message) => {
    const error = refusal(() => rollbackPlan(environment, parseVersion(version), [{ host: 'web1', state: after }]))
    expect(error.message).toBe(message)
    expect(error.details).toEqual(['verified there: 1.0.0, 1.1.0'])
  })
})

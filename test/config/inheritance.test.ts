/** Environments that extend one another, what `ship config` shows of them, and hosts that are chosen by labels. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf, type Environment } from '../../src/config/environment.ts'
import { loadProject } from '../../src/config/load.ts'
import { needsSignature } from '../../src/config/signing.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeAll(() => void (project = smallProject()))
afterAll(() => project.dispose())

const HOSTS = [
  { host: 'web1', labels: { zone: 'a' }, env: { TOKEN: 'xyzzy' } },
  { host: 'web2', labels: { zone: 'b' }, port: 2222 },
  { host: 'web3', labels: { zone: 'bc' } },
]
const THREE = {
  base: { hosts: HOSTS, keep: 9, deployTo: '/srv/base', maxFailed: 1 },
  middle: { extends: 'base', deployTo: '/srv/middle' },
  top: { extends: 'middle', maxFailed: 2 },
}

async function environment(name: string, environments: object, hosts: readonly string[] = []): Promise<Environment> {
  project.configure({ release: { keep: 2, reuse: 'hardlink' }, environments })
  return environmentOf(await loadProject({ cwd: project.dir }), { name, hosts })
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const thrown: unknown = await work.catch((error: unknown) => error)
  if (!(thrown instanceof Error)) throw new Error('was not refused')
  return [thrown.message, ...((thrown as { details?: string[] }).details ?? [])].join('\n')
}

describe('an environment', () => {
  it('has what it writes, then what the nearest one writes that it extends, then what stands under release', async () => {
    expect(await environment('top', THREE)).toMatchObject({
      name: 'top',
      keep: 9,
      reuse: 'hardlink',
      maxFailed: { hosts: 2 },
      hosts: [{ name: 'web1', deployTo: '/srv/middle' }, { name: 'web2:2222' }, { name: 'web3' }],
    })
    expect(await environment('middle', THREE)).toMatchObject({ keep: 9, maxFailed: { hosts: 1 } })
  })

  it('wants a signature when the one that it extends does', async () => {
    const environments = { base: { hosts: ['web1'], sign: 'required' }, top: { extends: 'base' } }
    project.configure({ signers: 'allowed_signers', environments })
    expect(needsSignature(await loadProject({ cwd: project.dir }), 'top')).toBe(true)
    project.configure({ environments })
    expect(await refusal(loadProject({ cwd: project.dir }))).toContain('needs "signers"')
  })

  it.each([
    ['a circle', { a: { extends: 'b', hosts: ['web1'] }, b: { extends: 'a' } }, 'in a circle: a -> b -> a'],
    ['itself', { a: { extends: 'a', hosts: ['web1'] } }, 'in a circle: a -> a'],
    [
      'an unknown one',
      { a: { extends: 'bass' }, base: { hosts: ['web1'] } },
      'there is no environment "bass"; did you mean "base"?',
    ],
    ['one that has no hosts', { a: { extends: 'base' }, base: { keep: 3 } }, 'environments.a.hosts: is missing'],
  ])('that extends %s is refused by name', async (_, environments, said) => {
    expect(await refusal(environment('a', environments))).toContain(said)
  })
})

describe('ship config -e', () => {
  it('tells where each value comes from, and what differs between hosts', async () => {
    await environment('top', THREE)
    const { stdout } = await project.ship('config -e top')
    const lines = stdout.split('\n').map((line) => line.replace(/ += /, ' = '))
    expect(lines).toEqual(
      expect.arrayContaining([
        'environments.top.maxFailed = 2  (ship.config.json: environments.top)',
        'environments.top.deployTo = "/srv/middle"  (ship.config.json: environments.middle)',
        'environments.top.keep = 9  (ship.config.json: environments.base)',
        'environments.top.reuse = "hardlink"  (ship.config.json: release)',
        'hosts.*.deployTo = "/srv/middle"  (merged)',
        'hosts.web2:2222.port = 2222  (merged)',
        'hosts.web1.labels.zone = "a"  (merged)',
        'hosts.web1.env.TOKEN = "***"  (merged)',
      ]),
    )
    expect(stdout).not.toMatch(/xyzzy|hosts\.\*\.labels|hosts\.web1\.deployTo|environments\.base\./)
    const data: unknown = await project.data('config -e top')
    expect(data).toContainEqual({ path: 'hosts.web3.deployTo', value: '/srv/middle', origin: 'merged' })
  })
})

describe('hosts by label', () => {
  const names = async (...words: string[]): Promise<string[]> =>
    (await environment('base', THREE, words)).hosts.map(({ name }) => name)

  it('are those with that value, also by a pattern, and together with names', async () => {
    expect(await names('label:zone=b')).toEqual(['web2:2222'])
    expect(await names('label:zone=b*')).toEqual(['web2:2222', 'web3'])
    expect(await names('label:zone=b', 'web1')).toEqual(['web1', 'web2:2222'])
  })

  it('that nobody has are refused with those that there are', async () => {
    expect(await refusal(names('label:zone=d'))).toContain('no host of "base" has "label:zone=d"')
    expect(await refusal(names('label:zon=b'))).toContain('did you mean "label:zone=b"?')
    expect(await refusal(names('label:constructor=*'))).toContain('has "label:constructor=*"')
  })
})

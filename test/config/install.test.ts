/** What may be written for releases of packages, what comes of it, and what is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf, type Environment } from '../../src/config/environment.ts'
import { loadProject } from '../../src/config/load.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeAll(() => void (project = smallProject()))
afterAll(() => project.dispose())

async function environment(release: object, own: object = {}, deb: object = {}): Promise<Environment> {
  project.configure({ release, deb, environments: { live: { hosts: ['web1'], ...own } } })
  return environmentOf(await loadProject({ cwd: project.dir }))
}

describe('releases of packages', () => {
  it('are for the folder of the package, with limits', async () => {
    const { format, hosts } = await environment({ format: 'deb' })
    expect(format).toBe('deb')
    const limits = { lockMs: 120_000, installMs: 900_000, switchMs: 2 * 1_020_000 + 120_000 }
    expect(hosts).toMatchObject([{ deployTo: '/opt/shop', deb: { package: 'shop', ...limits } }])
    const other = await environment({}, { format: 'deb', install: { lock: '5s', timeout: '1m' } }, { package: 'store' })
    expect(other.hosts).toMatchObject([
      { deployTo: '/opt/store', deb: { package: 'store', lockMs: 5000, installMs: 60_000 } },
    ])
    const archives = await environment({ format: 'deb' }, { format: 'archive' })
    expect(archives.hosts[0]?.deb).toBeUndefined()
    const several = await environment({ format: 'deb' }, {}, { packages: { shop: {}, 'shop-worker': {} } })
    expect(several.hosts[0]?.deb?.package).toBe('shop')
  })

  it.for<[string, object, object, object, RegExp]>([
    ['a word for no form', { format: 'rpm' }, {}, {}, /use "archive" or "deb"/],
    ['shared files', { format: 'deb', shared: { files: ['.env'] } }, {}, {}, /release\.shared\.files is for archives/],
    ['another folder', { format: 'deb', deployTo: '/srv/shop' }, {}, {}, /the package is installed in \/opt\/shop/],
    ['the folder of another app', { format: 'deb' }, { deployTo: '/opt/other' }, {}, /deployTo is "\/opt\/other"/],
    [
      'packages without one of the app',
      { format: 'deb' },
      {},
      { packages: { a1: {} } },
      /none of deb\.packages is called "shop"/,
    ],
  ])('refuse %s', async ([, release, own, deb, message]) => {
    await expect(environment(release, own, deb)).rejects.toThrow(message)
  })
})

/** Ship ships itself: its own package, built by itself, on a Debian 12 that has neither Node nor npm. */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packageBundle } from '../../tools/bundle.ts'
import { ship } from '../support/cli.ts'
import { debianRoot, describeInDebian, type DebianRoot } from '../support/debian-root.ts'

const ROOT = join(import.meta.dirname, '../..')
const CACHE = join(ROOT, 'node_modules/.cache/ship-recipes')
const PARTS = ['package.json', 'package-lock.json', 'bin', 'fixtures', 'LICENSE', 'CHANGELOG.md', 'packaging']

describeInDebian('the package of ship itself', () => {
  let dir: string
  let deb: string
  let root: DebianRoot
  const version = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version
  const run = async (...argv: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const { code, stdout, stderr } = await root.run(argv)
    return { code, stdout, stderr }
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ship-self-'))
    const leaveOut = join(ROOT, 'packaging/dist')
    for (const part of PARTS)
      cpSync(join(ROOT, part), join(dir, part), { recursive: true, filter: (path) => path !== leaveOut })
    await packageBundle(join(dir, 'dist'))
    const built = await ship('build --locked --cwd packaging', { cwd: dir, env: { SHIP_CACHE_DIR: CACHE } })
    expect({ code: built.code, stderr: built.code === 0 ? '' : built.stderr }).toEqual({ code: 0, stderr: '' })
    ;[deb = ''] = globSync('packaging/dist/*.deb', { cwd: dir }).map((file) => join(dir, file))
    root = debianRoot()
    mkdirSync(join(root.path, 'debs'))
    cpSync(deb, join(root.path, 'debs', basename(deb)))
  }, 600_000)
  afterAll(async () => {
    rmSync(dir, { recursive: true, force: true })
    await root.dispose()
  })

  it('is installed by apt where no Node is, runs there, and goes without a trace', { timeout: 1_200_000 }, async () => {
    expect((await run('sh', '-c', 'command -v node npm')).stdout).toBe('')
    const installed = await run('apt-get', 'install', '-y', `/debs/${basename(deb)}`)
    expect({ ...installed, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: installed.stderr })
    expect(await run('ship', '--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })

    const demo = await run('ship', 'demo')
    expect({ code: demo.code, stderr: demo.code === 0 ? '' : demo.stderr }).toEqual({ code: 0, stderr: '' })
    expect(demo.stdout).toContain('shop 1.1.0 is live on 3 hosts')
    expect(demo.stderr).toContain('exit code 6: failed, and all hosts are as before')

    expect((await run('dpkg', '--purge', 'slipway')).code).toBe(0)
    for (const path of ['opt/slipway', 'usr/bin/ship']) expect(existsSync(join(root.path, path))).toBe(false)
  })

  it('depends on the C libraries alone, and holds no tests, sources or development packages', () => {
    const depends = execFileSync('dpkg-deb', ['-f', deb, 'Depends'], { encoding: 'utf8' })
    const names = depends
      .trim()
      .split(', ')
      .map((one) => one.split(' ')[0])
    expect(new Set(names)).toEqual(new Set(['libc6', 'libgcc-s1', 'libstdc++6']))
    const files = execFileSync('dpkg-deb', ['-c', deb], { encoding: 'utf8' }).trim().split('\n')
    const paths = files.map((line) => line.slice(line.indexOf('./')))
    expect(paths.filter((path) => path.endsWith('/app/bin/ship.js'))).toHaveLength(1)
    expect(
      paths.filter((path) => /node_modules\/(?:typescript|vitest|rolldown|ssh2\/test)(?:\/|$)|\/app\/src\//.test(path)),
    ).toEqual([])
    expect(
      paths.some(
        (path) =>
          path.startsWith('./usr/bin/ship -> /opt/slipway/current/bin/ship') ||
          path.startsWith('./usr/bin/ship -> ../../opt/slipway/current/bin/ship'),
      ),
    ).toBe(true)
  })

  it('satisfies lintian', { timeout: 600_000 }, () => {
    const args = ['--allow-root', '--tag-display-limit', '0', '--fail-on', 'error,warning', deb]
    expect(execFileSync('lintian', args, { encoding: 'utf8' })).not.toMatch(/^[EW]:/m)
  })
})

/**
 * dpkg ended by SIGKILL at any point of an upgrade, then what an administrator types: `dpkg --configure -a`, and the package once more
 * when dpkg asks for it. `current` leads to a whole release all the time.
 */
import { existsSync, readdirSync } from 'node:fs'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { debianRoot, describeInDebian, type DebianRoot } from '../support/debian-root.ts'
import { dpkg, installed, makeDeb, PAGES, readDuring, type PackageOptions } from './packages.ts'

/** Ends dpkg from within a script that it waits for. */
const KILL = `if [ ! -e "/killed-$DPKG_MAINTSCRIPT_PACKAGE" ]; then
  : >"/killed-$DPKG_MAINTSCRIPT_PACKAGE"
  kill -9 "$PPID"
  sleep 0.2
fi`
const once = (action: string): string => `#!/bin/sh\nif [ "$1" = ${action} ]; then ${KILL}; fi\n`

const TRIES = 8

interface Point {
  readonly name: string
  readonly old?: PackageOptions
  readonly next?: PackageOptions
  /** Whether it is time to end dpkg, asked in a tight loop; without it a script does it. */
  readonly when?: (at: (path: string) => string) => boolean
  /** How long a script goes on without its dpkg. */
  readonly lingersMs?: number
  /** dpkg's word for the package afterwards. */
  readonly state: string
}

const POINTS: readonly Point[] = [
  { name: 'in the old prerm', old: { custom: { prerm: once('upgrade') } }, state: 'install reinstreq half-configured' },
  {
    name: 'in the new preinst',
    next: { custom: { preinst: once('upgrade') } },
    state: 'install reinstreq half-installed',
  },
  {
    name: 'while the bridge is made',
    // Before the copy gets its name.
    next: {
      change: (name, text) =>
        name === 'preinst' ? text.replace('  sync -f "$bridge.new"\n', (line) => `${KILL}\n${line}`) : text,
    },
    state: 'install reinstreq half-installed',
  },
  {
    name: 'before current leads to the copy',
    // The script goes on while the administrator is at work.
    next: {
      change: (name, text) =>
        name === 'preinst'
          ? text.replace('  point_at ".dpkg-$now"\n', (line) => `${KILL.replace('0.2', '1')}\n${line}`)
          : text,
    },
    lingersMs: 1500,
    state: 'install reinstreq half-installed',
  },
  {
    name: 'while files are unpacked',
    when: (at) => count(at('releases/1.1.0/pages')) > PAGES / 3,
    state: 'install reinstreq half-installed',
  },
  {
    name: 'while files of the same folder are replaced',
    next: { release: '1.0.0', version: '1.0.0-2' },
    when: (at) => count(at('releases/1.0.0/pages')) > PAGES + PAGES / 3,
    state: 'install reinstreq half-installed',
  },
  {
    name: 'in the old postrm',
    old: { custom: { postrm: once('upgrade') } },
    state: 'install reinstreq half-installed',
  },
  {
    name: 'while old files are removed',
    when: (at) => count(at('releases/1.0.0/pages')) < (PAGES * 2) / 3,
    state: 'install reinstreq half-installed',
  },
  {
    name: 'in the new postinst',
    next: { custom: { postinst: once('configure') } },
    state: 'install ok half-configured',
  },
]

describeInDebian('dpkg killed', () => {
  let root: DebianRoot
  beforeAll(() => {
    root = debianRoot()
  }, 600_000)
  afterAll(() => root.dispose())

  it.each(POINTS.map((point, index) => ({ ...point, index })))('$name', async (point) => {
    const { old, next, when, state, index, lingersMs = 0 } = point
    const name = `killed-${index}`
    const shop = installed(root, name)
    const oldDeb = makeDeb(root, name, { ...old, files: { old: 'only in 1.0.0' } })
    await dpkg(root, ['-i', oldDeb])
    const deb = makeDeb(root, name, { release: '1.1.0', ...next })
    const version = next?.version ?? '1.1.0-1'
    const seen = await readDuring(shop.at(''), async () => {
      const isThen = async (): Promise<boolean> => (await shop.status()).startsWith(`${state} `)
      await killed(deb, when && (() => when(shop.at)), { old: oldDeb, isThen })
      await root.run(['dpkg', '--configure', '-a'])
      const again = state.includes('reinstreq')
      expect(shop.read('VERSION')).toBe(again ? '1.0.0-1\n' : `${version}\n`)
      if (again) await dpkg(root, ['-i', deb])
      await sleep(lingersMs)
    })
    expect(seen.faults).toEqual([])
    expect(seen.versions.toSorted()).toEqual(['1.0.0-1', version])
    expect(await shop.status()).toBe(`install ok installed ${version}`)
    expect(shop.current()).toBe(`releases/${next?.release ?? '1.1.0'}`)
    expect(shop.releases()).toEqual([next?.release ?? '1.1.0'])
    expect(existsSync(shop.at('current/old'))).toBe(false)
  })

  it('stays on the copy when the next try fails too, and returns with the old package', async () => {
    const name = 'killed-twice'
    const shop = installed(root, name)
    const old = makeDeb(root, name, { files: { old: 'only in 1.0.0' } })
    await dpkg(root, ['-i', old])
    const failing = makeDeb(root, name, { release: '1.2.0', custom: { preinst: '#!/bin/sh\nexit 3\n' } })
    const next = makeDeb(root, name, { release: '1.1.0' })
    const pages = (): number => count(shop.at('releases/1.0.0/pages'))
    const seen = await readDuring(shop.at(''), async () => {
      const isThen = (): Promise<boolean> =>
        Promise.resolve(pages() < PAGES && shop.current()?.includes('.dpkg-') === true)
      await killed(next, () => pages() < (PAGES * 2) / 3, { old, isThen })
      // Half of the old folder is gone, and dpkg runs abort-upgrade as if nothing had happened to it.
      await dpkg(root, ['-i', failing], 1)
      expect(pages()).toBeLessThan(PAGES)
      expect(shop.current()).toBe('releases/.dpkg-1.0.0')
      expect(shop.read('old')).toBe('only in 1.0.0')
      await dpkg(root, ['-i', old])
    })
    expect(seen.faults).toEqual([])
    expect(shop.current()).toBe('releases/1.0.0')
    expect(shop.read('old')).toBe('only in 1.0.0')
    expect(await shop.status()).toBe('install ok installed 1.0.0-1')
  })

  /** Ends an upgrade at its moment. On a busy machine that is missed at times: then it begins anew, from the old package. */
  async function killed(
    deb: string,
    isTime: (() => boolean) | undefined,
    { old, isThen }: { readonly old: string; readonly isThen: () => Promise<boolean> },
  ): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const { signal } = await install(deb, isTime)
      if (signal === 'SIGKILL' && (await isThen())) return
      if (isTime) await dpkg(root, ['-i', old])
    }
    throw new Error('dpkg was never ended at the moment that is meant')
  }

  /** Runs dpkg -i and ends it when it is time, asked in a tight loop. */
  function install(deb: string, isTime: (() => boolean) | undefined) {
    return root.run(['dpkg', '-i', deb], {
      onStart(child) {
        const watch = async (time: () => boolean): Promise<void> => {
          while (child.exitCode === null && child.signalCode === null && !time()) await turn()
          child.kill('SIGKILL')
        }
        if (isTime) void watch(isTime)
      },
    })
  }
})

/** None where there is no such folder; it may go while it is looked at. */
function count(folder: string): number {
  try {
    return readdirSync(folder).length
  } catch {
    return 0
  }
}
